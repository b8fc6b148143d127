"""Published versions start from an image of their memory: what is in it, what is not, what is said of it."""

import re
import textwrap
import threading

import pytest

from harness import packages, runtimes, wait
from harness.clients import refused
from harness.functions import create

PYTHON = {"Runtime": "python3.13", "Handler": "app.handler", "Timeout": 30, "MemorySize": 256}
SNAP_START = {"ApplyOn": "PublishedVersions"}


def source(text):
    return packages.archive({"app.py": textwrap.dedent(text)})


def described(daemon, name, version):
    return daemon.lam.get_function_configuration(FunctionName=name, Qualifier=version)


def status(daemon, name, version):
    return described(daemon, name, version)["SnapStart"]["OptimizationStatus"]


def optimized(daemon, name, version="1"):
    wait.until("the image", lambda: status(daemon, name, version) == "On", 30)


def images(daemon):
    return sorted(path.name for path in (daemon.data / "memory-images").iterdir())


def says(daemon, name, text):
    return any(text in line for line in daemon.logs(name))


def report(daemon, name):
    wait.until("the report", lambda: says(daemon, name, "REPORT RequestId"))
    return next(line for line in daemon.logs(name) if "REPORT RequestId" in line)


@pytest.fixture
def python(daemon, python_runtime, name):
    """Publishes Python functions: `python("source", Timeout=1)`."""
    made = []

    def function(text, environment=None, **more):
        made.append(f"{name}-{len(made)}")
        create(daemon.lam, made[-1], source(text), environment, **(PYTHON | {"Publish": True} | more))
        return made[-1]

    yield function
    for function in made:
        daemon.lam.delete_function(FunctionName=function)


def fresh(daemon, name, count=3):
    """What new environments of version 1 answer, each to its first event; a function of the setting `fresh`."""
    return [daemon.invoke(name, {"n": n}, Qualifier="1").ok() for n in range(count)]


FRESH = {"LAMINA_SANDBOX": "fresh"}


def test_environments_go_on_from_where_the_function_was_loaded(daemon, python):
    name = python(
        """
        import time, os
        LOADED = time.time_ns()
        BIG = "x" * 3_000_000
        COUNT = 0
        def handler(event, context):
            global COUNT
            COUNT += 1
            more = bytearray(20_000_000)
            return [LOADED, len(BIG), COUNT, len(more), os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]
        """,
        FRESH,
    )
    optimized(daemon, name)
    answers = fresh(daemon, name)
    assert len({answer[0] for answer in answers}) == 1, "loaded once"
    assert all(answer[1:] == [3_000_000, 1, 20_000_000, "on-demand"] for answer in answers)
    # $LATEST has no image and loads the function each time.
    first, second = (daemon.invoke(name, {}).ok()[0] for _ in range(2))
    assert len({first, second, answers[0][0]}) == 3
    assert daemon.lam.get_function_configuration(FunctionName=name)["SnapStart"] == {
        "ApplyOn": "None",
        "OptimizationStatus": "Off",
    }


def test_restored_environments_differ(daemon, python):
    name = python(
        """
        import os, random, secrets, tempfile, uuid
        # Each leaves something behind: the other of a pair of normal values, a node number, a generator of names.
        random.gauss(0, 1), uuid.uuid1(), next(tempfile._get_candidate_names())
        def handler(event, context):
            drawn = [random.gauss(0, 1), random.random(), random.getrandbits(64), secrets.token_hex(8)]
            drawn += [os.urandom(8).hex(), str(uuid.uuid4()), uuid.uuid1().node]
            drawn.append(next(tempfile._get_candidate_names()))
            stream = context.log_stream_name
            return [stream, os.environ["AWS_LAMBDA_LOG_STREAM_NAME"] == stream, *drawn]
        """,
    )
    optimized(daemon, name)
    daemon.lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=4)
    wait.until(
        "READY",
        lambda: daemon.lam.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")["Status"] == "READY",
        30,
    )
    hold = []
    threads = [
        threading.Thread(target=lambda: hold.append(daemon.invoke(name, {}, Qualifier="1").ok())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer[1] for answer in hold)
    streams = {answer[0] for answer in hold}
    for values in list(zip(*hold, strict=True))[2:]:
        assert len(set(values)) == len(values) or len(streams) < 4, values


def test_monotonic_time_never_runs_back(own_daemon, runtime_ready, name):
    daemon = own_daemon()
    runtime_ready(daemon, "python3.13")
    text = """
        import time
        THEN = time.monotonic()
        def handler(event, context):
            return [THEN, time.monotonic()]
    """
    create(daemon.lam, name, source(text), FRESH, **(PYTHON | {"Publish": True}))
    optimized(daemon, name)
    earlier = fresh(daemon, name)
    assert daemon.stop() == 0
    daemon.start()
    optimized(daemon, name)
    later = fresh(daemon, name)
    assert {answer[0] for answer in earlier + later} == {earlier[0][0]}, "the image outlived the daemon"
    assert "an image was made" not in daemon.log.read_text()
    readings = [earlier[0][0]] + [answer[1] for answer in earlier + later]
    assert readings == sorted(readings)


HOOKS = """
    from snapshot_restore_py import register_after_restore, register_before_snapshot
    DONE = []
    register_before_snapshot(DONE.append, "before 1")
    register_before_snapshot(DONE.append, "before 2")
    register_after_restore(DONE.append, "after 1")
    register_after_restore(DONE.append, "after 2")
    def handler(event, context):
        return DONE
"""


def test_hooks_of_python(daemon, python):
    name = python(HOOKS, FRESH, SnapStart=SNAP_START)
    optimized(daemon, name)
    assert fresh(daemon, name) == [["before 2", "before 1", "after 1", "after 2"]] * 3
    assert daemon.invoke(name, {}).ok() == [], "$LATEST has no image"


def test_a_restoring_hook_that_fails_is_a_failed_start(daemon, python):
    name = python(
        """
        from snapshot_restore_py import register_after_restore
        def again():
            raise RuntimeError("no connection")
        register_after_restore(again)
        def handler(event, context):
            return 1
        """
    )
    optimized(daemon, name)
    document = daemon.invoke(name, {}, Qualifier="1").failed()
    assert "no connection" in document["errorMessage"], document
    assert daemon.invoke(name, {}).ok() == 1


def test_snap_start_is_told_as_lambda_tells_it(daemon, python):
    name = python(HOOKS, SnapStart=SNAP_START)
    answer = daemon.lam.get_function_configuration(FunctionName=name)
    assert answer["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}

    def state():
        shape = described(daemon, name, "1")
        assert (shape["State"] == "Active") == (shape["SnapStart"]["OptimizationStatus"] == "On"), shape
        return shape["State"]

    wait.until("Active", lambda: state() == "Active", 30)
    daemon.invoke(name, {}, Qualifier="1").ok()
    last = report(daemon, name)
    assert re.search(r"Restore Duration: [\d.]+ ms\tBilled Restore Duration: \d+ ms", last), last
    assert "Init Duration" not in last
    lines = daemon.logs(name)
    assert any("RESTORE_START Runtime Version: python:3.13." in line for line in lines)
    assert any("RESTORE_REPORT Restore Duration: " in line for line in lines)
    answer = daemon.lam.publish_version(FunctionName=name, Description="the same")
    assert answer["Version"] == "1"
    daemon.lam.update_function_configuration(FunctionName=name, SnapStart={"ApplyOn": "None"})
    published = daemon.lam.publish_version(FunctionName=name)
    assert (published["Version"], published["State"], published["SnapStart"]["ApplyOn"]) == ("2", "Active", "None")


def test_snap_start_is_of_interpreted_functions_only(daemon, name):
    with refused("InvalidParameterValueException", 400, "SnapStart"):
        create(daemon.lam, name, packages.text_package("invoke_echo.event"), SnapStart=SNAP_START)


@pytest.mark.parametrize(
    "text, reason",
    [
        ('OPEN = open("/var/task/app.py")', "files open"),
        ('open("/tmp/x", "w").write("1")', "/tmp"),
    ],
)
def test_what_an_image_cannot_hold_is_said_and_started_without(daemon, python, text, reason):
    refused = daemon.metrics().sum("lamina_memory_images_total", outcome="refused")
    name = python(text + "\ndef handler(event, context):\n    return 1\n", SnapStart=SNAP_START)
    wait.until("the reason", lambda: says(daemon, name, "Environments of version 1 start without an image"), 30)
    assert says(daemon, name, reason)
    shape = described(daemon, name, "1")
    assert (shape["State"], shape["SnapStart"]["OptimizationStatus"]) == ("Active", "Off")
    assert daemon.invoke(name, {}, Qualifier="1").ok() == 1
    assert "Init Duration: " in report(daemon, name)
    assert daemon.metrics().sum("lamina_memory_images_total", outcome="refused") > refused


def test_a_function_that_cannot_be_loaded_fails_its_version(daemon, python):
    name = python('print("here it comes")\nraise ValueError("not today")\n', SnapStart=SNAP_START)
    wait.until("Failed", lambda: described(daemon, name, "1")["State"] == "Failed", 30)
    assert described(daemon, name, "1")["StateReasonCode"] == "FunctionError.RuntimeInitError"
    for text in ("here it comes", "INIT_REPORT"):
        wait.until(text, lambda: says(daemon, name, text))
    assert "not today" in daemon.invoke(name, {}, Qualifier="1").failed()["errorMessage"]


@pytest.fixture
def layer(daemon, name):
    """Publishes a layer of files; answers its ARN."""

    def publish(files):
        content = {"ZipFile": packages.archive(files)}
        return daemon.lam.publish_layer_version(LayerName=name, Content=content)["LayerVersionArn"]

    return publish


def test_what_layers_bring_is_in_the_image(daemon, python, layer):
    files = {"python/shared.py": "import time\nLOADED = time.time_ns()\n", "data.txt": "from the layer"}
    name = python(
        """
        import shared
        def handler(event, context):
            return [shared.LOADED, open("/opt/data.txt").read()]
        """,
        FRESH,
        Layers=[layer(files)],
    )
    optimized(daemon, name)
    answers = fresh(daemon, name)
    assert len({loaded for loaded, _ in answers}) == 1, "loaded once"
    assert {data for _, data in answers} == {"from the layer"}


def test_extensions_stand_beside_what_goes_on_from_an_image(daemon, python, layer):
    name = python(
        """
        import time
        LOADED = time.time_ns()
        def handler(event, context):
            return LOADED
        """,
        FRESH | {"EXTENSION_OPS": "init:print,invoke:print"},
        Layers=[layer({"extensions/ops.wasm": packages.built("extension_ops")})],
        SnapStart=SNAP_START,
    )
    optimized(daemon, name)
    assert len(set(fresh(daemon, name, 2))) == 1, "loaded once"
    wait.until("both reports", lambda: sum("REPORT RequestId" in line for line in daemon.logs(name)) == 2)
    said = [line for line in daemon.logs(name) if "ops init" in line or "ops invoke" in line]
    assert (sum("ops init" in line for line in said), sum("ops invoke" in line for line in said)) == (2, 2)
    assert "Restore Duration: " in report(daemon, name)


def test_memory_limits_hold_in_restored_environments(daemon, python):
    name = python(
        """
        KEPT = bytearray(30_000_000)
        def handler(event, context):
            if event.get("all"):
                try:
                    return len([bytearray(10_000_000) for _ in range(100)])
                except MemoryError:
                    return "no memory"
            return len(KEPT)
        """,
        MemorySize=128,
    )
    optimized(daemon, name)
    assert daemon.invoke(name, {}, Qualifier="1").ok() == 30_000_000
    assert daemon.invoke(name, {"all": True}, Qualifier="1").ok() == "no memory"
    used = int(re.search(r"Max Memory Used: (\d+) MB", report(daemon, name)).group(1))
    assert 30 < used <= 128


def test_images_go_with_their_versions_and_outlive_the_daemon(own_daemon, tmp_path):
    daemon = own_daemon(runtimes.settings(runtimes.write(tmp_path / "runtimes"))).start()
    for function in ("f", "g"):
        code = packages.archive({"a": function})
        create(daemon.lam, function, code, Runtime="probe", Handler="h.h", Publish=True)
        optimized(daemon, function)
    kept = images(daemon)
    assert len(kept) == 2 and all(file.endswith(".image") for file in kept)
    assert daemon.metrics().sum("lamina_memory_images_total", outcome="made") == 2
    daemon.lam.delete_function(FunctionName="g")
    (daemon.data / "memory-images" / "new-half").write_text("half")
    daemon.kill()
    daemon.start()
    optimized(daemon, "f")
    wait.until("the other image to go", lambda: len(images(daemon)) == 1, 60)
    assert set(images(daemon)) < set(kept)
    assert daemon.invoke("f", "o", Qualifier="1").ok() == "1"
    assert daemon.metrics().sum("lamina_memory_images_total") == 0
    assert daemon.metrics().sum("lamina_restored_environments_total") == 1


def test_a_damaged_image_is_made_again(own_daemon, tmp_path):
    daemon = own_daemon(runtimes.settings(runtimes.write(tmp_path / "runtimes"))).start()
    create(daemon.lam, "f", packages.archive({"a": ""}), Runtime="probe", Handler="h.h", Publish=True)
    optimized(daemon, "f")
    assert daemon.stop() == 0
    (path,) = (daemon.data / "memory-images").iterdir()
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    daemon.start()
    optimized(daemon, "f")
    assert "made again" in daemon.log.read_text()
    assert daemon.invoke("f", "o", Qualifier="1").ok() == "1"


def test_a_kill_while_images_are_made_is_made_up_for(own_daemon, tmp_path):
    daemon = own_daemon(runtimes.settings(runtimes.write(tmp_path / "runtimes"))).start()
    create(daemon.lam, "first", packages.archive({"a": ""}), Runtime="probe", Handler="h.h")
    for number in range(8):
        code = packages.archive({"a": str(number)})
        create(daemon.lam, f"f{number}", code, Runtime="probe", Handler="h.h", Publish=True)
    daemon.kill()
    daemon.start()
    for number in range(8):
        optimized(daemon, f"f{number}")
        assert daemon.invoke(f"f{number}", "o", Qualifier="1").ok() == "1"
    assert all(file.endswith(".image") for file in images(daemon))


def test_images_can_be_switched_off(own_daemon, tmp_path):
    directory = runtimes.write(tmp_path / "runtimes")
    daemon = own_daemon(runtimes.settings(directory), environment={"LAMINA_RUNTIMES_IMAGES": "false"}).start()
    create(daemon.lam, "f", packages.archive({"a": ""}), Runtime="probe", Handler="h.h", Publish=True)
    assert daemon.invoke("f", "o", Qualifier="1").ok() == "1"
    assert status(daemon, "f", "1") == "Off" and images(daemon) == []
    with refused("InvalidParameterValueException", 400, "SnapStart"):
        create(daemon.lam, "g", packages.archive({"a": ""}), Runtime="probe", Handler="h.h", SnapStart=SNAP_START)


JAVASCRIPT = """
const done = [];
const loaded = Date.now();
Math.random();
awslambda.registerBeforeSnapshot(() => { done.push('before 1'); });
awslambda.registerBeforeSnapshot(async () => { done.push('before 2'); });
awslambda.registerAfterRestore(() => { done.push('after'); });
const then = process.hrtime.bigint();
const sinceStart = performance.now();
export const handler = async () => ({
    done, loaded, type: process.env.AWS_LAMBDA_INITIALIZATION_TYPE,
    forward: process.hrtime.bigint() >= then && performance.now() >= sinceStart,
    random: [Math.random(), Math.random(), crypto.randomUUID()],
});
"""


def test_hooks_and_randomness_of_javascript(daemon, javascript_runtime, name):
    settings = {"Runtime": "nodejs22.x", "Handler": "index.handler", "Publish": True, "SnapStart": SNAP_START}
    create(daemon.lam, name, packages.archive({"index.mjs": JAVASCRIPT}), FRESH, **settings)
    optimized(daemon, name)
    answers = fresh(daemon, name)
    for answer in answers:
        assert answer["done"] == ["before 2", "before 1", "after"]
        assert answer["forward"] and answer["type"] == "snap-start"
    assert len({answer["loaded"] for answer in answers}) == 1
    for values in zip(*(answer["random"] for answer in answers), strict=True):
        assert len(set(values)) == len(values), values
    daemon.lam.delete_function(FunctionName=name)


def test_a_small_function_differs_from_its_runtime_in_few_bytes(daemon, python_runtime, javascript_runtime, name):
    """Holes in a runtime's heap, or counts that are written, make it ten times as much."""
    before = set(images(daemon))
    small = {
        "app.py": "def handler(event, context):\n    return event\n",
        "index.mjs": "export const handler = async (event) => event;\n",
    }
    for runtime, handler in (("python3.13", "app.handler"), ("nodejs22.x", "index.handler")):
        function = f"{name}-{runtime.replace('.', '-')}"
        create(daemon.lam, function, packages.archive(small), Runtime=runtime, Handler=handler, Publish=True)
        optimized(daemon, function)
        assert daemon.invoke(function, {"n": 1}, Qualifier="1").ok() == {"n": 1}
    made = [(daemon.data / "memory-images" / image).stat().st_size for image in set(images(daemon)) - before]
    assert len(made) == 2 and max(made) < 96 * 1024, made
    for runtime in ("python3-13", "nodejs22-x"):
        daemon.lam.delete_function(FunctionName=f"{name}-{runtime}")
