"""What a configuration declares, at the start and at SIGHUP; and the repository's own, with the samples."""

import base64
import json
import pathlib
import struct

import pytest

from harness import packages, wait
from harness.daemon import Daemon, NotReady

REPOSITORY = pathlib.Path(__file__).parent.parent.parent
SAMPLES = ("hello", "http-router", "thumbnail", "order-worker", "heartbeat", "greet", "wordcount-c")

DECLARED = """
[[functions]]
name = "f"
package = "f.wat"
timeout_s = {timeout}

[[functions.aliases]]
name = "live"
version = "latest-published"
provisioned_concurrency = 1

[[routes]]
method = "GET"
path = "/f"
function = "f"
qualifier = "live"

[[schedules]]
name = "s"
expression = "rate(1 day)"
function = "f"

[[queues]]
name = "q"
visibility_timeout_s = {visibility}

[[mappings]]
queue = "q"
function = "f"
batch_size = 4
"""


def write(daemon, mark, timeout=3, visibility=30):
    (daemon.directory / "f.wat").write_text(packages.wat("invoke_constant.event", mark))
    daemon.config.write_text(DECLARED.format(timeout=timeout, visibility=visibility))


def versions(daemon):
    return [v["Version"] for v in daemon.lam.list_versions_by_function(FunctionName="f")["Versions"]]


def test_everything_declared_is_there_and_changes_publish(own_daemon):
    daemon = own_daemon()
    write(daemon, "first")
    daemon.start()
    assert daemon.request("GET", "/f").body == b'"first"'
    assert versions(daemon) == ["$LATEST", "1"]
    assert daemon.scheduler.get_schedule(Name="s")["ScheduleExpression"] == "rate(1 day)"
    url = daemon.sqs.get_queue_url(QueueName="q")["QueueUrl"]
    mapping = daemon.lam.list_event_source_mappings(FunctionName="f")["EventSourceMappings"]
    assert [one["BatchSize"] for one in mapping] == [4]

    # The same again changes nothing.
    daemon.hang_up()
    wait.until("it was read", lambda: "changes=0" in daemon.tail(5))
    assert versions(daemon) == ["$LATEST", "1"]

    write(daemon, "other", visibility=7)
    daemon.hang_up()
    wait.until("the alias moved", lambda: daemon.request("GET", "/f").body == b'"other"')
    assert versions(daemon) == ["$LATEST", "1", "2"]
    assert daemon.invoke("f", Qualifier="1").ok() == "first"
    visibility = lambda: daemon.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])  # noqa: E731
    wait.until("the queue changed", lambda: visibility()["Attributes"]["VisibilityTimeout"] == "7")

    # Configuration alone publishes too.
    write(daemon, "other", timeout=9, visibility=7)
    daemon.hang_up()
    wait.until("it is published", lambda: versions(daemon) == ["$LATEST", "1", "2", "3"])
    assert daemon.lam.get_function_configuration(FunctionName="f", Qualifier="3")["Timeout"] == 9

    assert daemon.stop() == 0
    daemon.start()
    assert versions(daemon) == ["$LATEST", "1", "2", "3"], "a restart with the same file publishes nothing"
    assert daemon.request("GET", "/f").body == b'"other"'


def test_a_section_that_waits_for_a_restart_is_named(own_daemon):
    daemon = own_daemon().start()
    daemon.config.write_text("[concurrency]\nceiling = 5000\n")
    daemon.hang_up()
    wait.until("it says so", lambda: "changed sections hold from the next start on" in daemon.tail())
    assert "concurrency" in daemon.tail()


def test_a_package_that_is_missing_is_named_with_its_line(own_daemon):
    daemon = own_daemon('[[functions]]\nname = "f"\npackage = "nowhere.wasm"\n')
    with pytest.raises(NotReady, match=r"line 3, column 1: functions\[0\].package: .*nowhere.wasm"):
        daemon.start()


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A daemon on the repository's own configuration."""
    daemon = Daemon(tmp_path_factory.mktemp("samples"), environment={"LAMINA_GUESTS": packages.guests()})
    daemon.config = REPOSITORY / "config.toml"
    daemon.start()
    yield daemon
    daemon.end()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_takes_its_event(samples, name):
    event = (REPOSITORY / "functions" / name / "event.json").read_bytes()
    answer = samples.invoke(name, event).ok()
    if name == "hello":
        assert answer["message"] == "Hello, Ada!"
    elif name == "greet":
        assert "Ada" in json.dumps(answer)
    elif name == "http-router":
        assert answer["statusCode"] == 200 and "Ada" in answer["body"]
    elif name == "order-worker":
        assert "batchItemFailures" in answer
    elif name == "wordcount-c":
        assert "9" in json.dumps(answer), answer


def test_the_samples_behind_their_routes(samples):
    assert json.loads(samples.request("GET", "/hello/Grace").body)["message"] == "Hello, Grace!"
    assert b"Ada" in samples.request("GET", "/hello/Ada", headers={"accept": "text/plain"}).body
    event = json.loads((REPOSITORY / "functions/thumbnail/event.json").read_bytes())
    picture = base64.b64decode(event["image"])
    answer = samples.request("POST", "/thumbnail?width=40", picture, {"Content-Type": "image/jpeg"})
    assert answer.status == 200, answer
    if answer.body.startswith(b"\x89PNG"):
        assert struct.unpack(">I", answer.body[16:20])[0] <= 80


def test_the_samples_queue_and_schedule(samples):
    url = samples.sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    order = {"orderId": "o-9", "lines": [{"sku": "tea", "quantity": 2, "priceCents": 450}]}
    samples.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(order))
    count = lambda name, source: samples.metrics().sum("lamina_invocations_total", function=name, source=source)  # noqa: E731
    wait.until("the order is worked on", lambda: count("order-worker", "queue") >= 1)
    wait.until("its log tells of it", lambda: any("o-9" in line for line in samples.logs("order-worker")))
    wait.until("the heart beats", lambda: count("heartbeat", "schedule") >= 1)


LAYERED = """
[[layers]]
name = "shared"
path = "shared"
{layer}

[[layers]]
name = "zipped"
path = "zipped.zip"
license_info = "MIT"
compatible_runtimes = ["provided.al2023"]

[[functions]]
name = "f"
package = "f.wasm"
{function}
"""


def reread(daemon, what, done):
    daemon.hang_up()
    wait.until(what, done)


def test_declared_layers_are_published_once_for_what_is_in_them(own_daemon):
    daemon = own_daemon()
    shared = daemon.directory / "shared"
    (shared / "deep").mkdir(parents=True)
    (shared / "deep" / "one.txt").write_text("first")
    (shared / "link").symlink_to("/etc/passwd")
    (daemon.directory / "zipped.zip").write_bytes(packages.archive({"two.txt": "second"}))
    (daemon.directory / "f.wasm").write_bytes(packages.built("invoke_ops"))

    def write(layer="", function='layers = ["zipped", "shared"]'):
        daemon.config.write_text(LAYERED.format(layer=layer, function=function))

    def layers(name):
        return [one["Version"] for one in daemon.lam.list_layer_versions(LayerName=name)["LayerVersions"]]

    def attached():
        configuration = daemon.lam.get_function_configuration(FunctionName="f")
        return [one["Arn"].rpartition("layer:")[2] for one in configuration.get("Layers", [])]

    def read(path):
        return daemon.invoke("f", {"op": "read", "path": path}).ok()

    write()
    daemon.start()
    assert (layers("shared"), layers("zipped"), attached()) == ([1], [1], ["zipped:1", "shared:1"])
    assert (read("/opt/deep/one.txt"), read("/opt/two.txt")) == ({"ok": "first"}, {"ok": "second"})
    assert daemon.invoke("f", {"op": "list", "path": "/opt"}).ok() == {"ok": ["deep", "two.txt"]}
    zipped = daemon.lam.get_layer_version(LayerName="zipped", VersionNumber=1)
    assert (zipped["LicenseInfo"], zipped["CompatibleRuntimes"]) == ("MIT", ["provided.al2023"])
    assert versions(daemon) == ["$LATEST", "1"]

    # The same again, and after a restart, changes nothing; nor does a file's time.
    (shared / "deep" / "one.txt").touch()
    reread(daemon, "it was read", lambda: "changes=0" in daemon.tail(5))
    daemon.stop()
    daemon.start()
    assert (layers("shared"), versions(daemon)) == ([1], ["$LATEST", "1"])

    # New content is a new version, of the layer and of the function that has it.
    (shared / "deep" / "one.txt").write_text("third")
    reread(daemon, "the function has it", lambda: attached() == ["zipped:1", "shared:2"])
    assert (layers("shared"), layers("zipped")) == ([2, 1], [1])
    wait.until("the version is there", lambda: versions(daemon) == ["$LATEST", "1", "2"])
    assert read("/opt/deep/one.txt") == {"ok": "third"}
    write(layer='description = "told"')
    reread(daemon, "what it is about", lambda: layers("shared") == [3, 2, 1])

    # By ARN at a version of its own; without the key, as the API left them; an empty list has none.
    arn = "arn:aws:lambda:us-east-1:000000000000:layer:shared:1"
    write(function=f'layers = ["{arn}"]')
    reread(daemon, "the version that is named", lambda: attached() == ["shared:1"])
    write(function="timeout_s = 4")
    timeout = lambda: daemon.lam.get_function_configuration(FunctionName="f")["Timeout"]  # noqa: E731
    reread(daemon, "the time-out", lambda: timeout() == 4)
    assert attached() == ["shared:1"]
    write(function="layers = []")
    reread(daemon, "none", lambda: attached() == [])


def test_a_layer_that_cannot_be_is_named_with_its_key(own_daemon):
    def refused(text, says):
        with pytest.raises(NotReady, match=says):
            daemon = own_daemon(text)
            (daemon.directory / "f.wat").write_text(packages.wat("invoke_constant.event", "first"))
            (daemon.directory / "empty").mkdir()
            (daemon.directory / "layer").mkdir()
            (daemon.directory / "layer" / "x").write_text("x")
            daemon.start()

    layer = '[[layers]]\nname = "l"\npath = "layer"\n'
    function = '[[functions]]\nname = "f"\npackage = "f.wat"\n'
    refused(layer.replace('"layer"', '"nowhere"'), r"line 3, column 1: layers\[0\].path: .*nowhere")
    refused(layer.replace('"layer"', '"empty"'), r"layers\[0\].path: .*holds no files")
    refused(layer.replace('"l"', '"l l"'), "layer name")
    refused(layer + 'compatible_runtimes = ["cobol"]\n', "cobol")
    refused(layer + layer, "declared twice")
    refused(function + 'layers = ["l"]\n', r"functions\[0\].layers: .*neither a declared layer")
    refused(layer + function + 'layers = ["l", "l"]\n', "names the layer l twice")
    foreign = "arn:aws:lambda:us-east-1:111111111111:layer:l:1"
    refused(layer + function + f'layers = ["{foreign}"]\n', "neither a declared layer")


def test_dead_letter_queues_that_are_not_there_are_told(own_daemon):
    daemon = own_daemon(
        '[[functions]]\nname = "f"\npackage = "f.wat"\n'
        '[[schedules]]\nname = "s"\nexpression = "rate(1 day)"\nfunction = "f"\ndead_letter_queue = "nowhere"\n'
        '[[queues]]\nname = "q"\ndead_letter_queue = "nowhere"\n[[queues]]\nname = "p"\ndead_letter_queue = "q"\n'
    )
    (daemon.directory / "f.wat").write_text(packages.wat("invoke_constant.event", "first"))
    daemon.start()
    for what in ("schedule default/s", "queue q"):
        assert f"{what} names the dead-letter queue nowhere, which does not exist" in daemon.log.read_text()
    assert "queue p names" not in daemon.log.read_text()
