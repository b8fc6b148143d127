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
