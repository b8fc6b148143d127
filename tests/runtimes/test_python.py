"""Python functions as Lambda has them, in the runtime that comes with Lamina."""

import io
import json
import re
import textwrap
import threading
import zipfile

import pytest

from harness import packages, runtimes, wait
from harness.clients import function_arn

# The first test waits until the runtime is built.
pytestmark = pytest.mark.timeout(700)


def logged(daemon, name, what):
    """The lines of a function's log, once `what` is in it."""

    def lines():
        found = daemon.logs(name)
        return found if any(what in line for line in found) else None

    return wait.until(f"{what} in the log", lines)


ECHO = """
    def handler(event, context):
        return event
"""


def test_the_first_function_is_pending_while_the_runtime_is_built(own_daemon):
    daemon = own_daemon(environment={"LAMINA_SANDBOX_PENDING_AFTER_MS": "100"}).start()
    answer = daemon.lam.create_function(
        FunctionName="f",
        Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": packages.archive({"app.py": textwrap.dedent(ECHO)})},
        **runtimes.PYTHON,
    )
    assert (answer["State"], answer["StateReasonCode"]) == ("Pending", "Creating")
    assert "::runtime:python3.13-3.13." in answer["RuntimeVersionConfig"]["RuntimeVersionArn"]

    def state():
        return daemon.lam.get_function_configuration(FunctionName="f")["State"]

    wait.until("Active", lambda: state() == "Active", 600, every=0.2)
    assert daemon.invoke("f", {"a": 1}).ok() == {"a": 1}
    # The runtime is there: the second function is not waited for.
    daemon.kill()
    daemon.environment = {}
    daemon.start()
    assert daemon.invoke("f", {"a": 2}).ok() == {"a": 2}
    assert "being built" not in daemon.log.read_text()


def test_events_context_and_variables(daemon, python):
    name = python(
        """
        import os
        COUNT = 0
        def handler(event, context):
            global COUNT
            COUNT += 1
            left = context.get_remaining_time_in_millis()
            return {
                "event": event, "count": COUNT, "id": context.aws_request_id, "name": context.function_name,
                "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb, "left": 0 < left <= 30000,
                "group": context.log_group_name, "stream": context.log_stream_name, "env": dict(os.environ),
            }
        """,
        environment={"MINE": "1"},
    )
    answer = daemon.invoke(name, {"ü": [1, None, 2.5]})
    first = answer.ok()
    assert first["event"] == {"ü": [1, None, 2.5]} and first["count"] == 1 and first["left"]
    assert (first["name"], first["arn"]) == (name, function_arn(name))
    assert int(first["memory"]) == 256 and first["id"] == answer.headers["x-amzn-requestid"]
    environment = first["env"]
    assert environment["MINE"] == "1" and environment["_HANDLER"] == "app.handler"
    assert environment["LAMBDA_TASK_ROOT"] == "/var/task" and environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name and environment["TZ"] == ":UTC"
    assert environment["AWS_LAMBDA_LOG_STREAM_NAME"] == first["stream"]
    assert daemon.invoke(name, {}).ok()["count"] == 2


def test_what_was_there_before_is_immortal_and_what_a_function_makes_is_freed(daemon, python):
    name = python(
        """
        import json, sys, weakref
        class Own:
            pass
        def handler(event, context):
            for_ever, own = 1 << 29, Own()
            gone = weakref.ref(own)
            kept = (json, json.dumps, json.dumps.__code__, str.join)
            counts = [sys.getrefcount(what) > for_ever for what in (*kept, own, Own)]
            del own
            return counts, gone() is None
        """
    )
    assert daemon.invoke(name, {}).ok() == [[True, True, True, True, False, False], True]


def test_what_it_prints_and_logs(daemon, python):
    name = python(
        """
        import logging
        print("at start")
        def handler(event, context):
            print("printed", 1)
            logging.getLogger().setLevel(logging.INFO)
            logging.getLogger().info("logged")
            return None
        """
    )
    answer = daemon.invoke(name, {}, LogType="Tail")
    assert answer.payload == b"null"
    lines = logged(daemon, name, "REPORT RequestId")
    assert "INIT_START Runtime Version: python:3.13." in lines[0]
    assert any(line.endswith("at start") for line in lines) and any("printed 1" in line for line in lines)
    request_id = answer.headers["x-amzn-requestid"]
    assert any(re.search(rf"\[INFO\]\s+\S+Z\s+{request_id}\s+logged", line) for line in lines), lines


@pytest.mark.parametrize(
    "source, error_type, says",
    [
        ("import nothing_of_that_name\ndef handler(e, c): pass", "Runtime.ImportModuleError", "nothing_of_that_name"),
        ("def other(e, c): pass", "Runtime.HandlerNotFound", "handler"),
        ("def handler(e, c:\n  pass", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("raise KeyError('at start')\ndef handler(e, c): pass", "KeyError", "at start"),
        ("import sys\nsys.exit(2)", "Runtime.ExitError", ""),
    ],
)
def test_starts_that_fail(daemon, python, source, error_type, says):
    name = python(source)
    document = daemon.invoke(name, {}).failed(error_type)
    assert says in document["errorMessage"]
    assert any(error_type in line for line in logged(daemon, name, "INIT_REPORT") if "INIT_REPORT" in line)


def test_errors_of_the_function(daemon, python):
    name = python(
        """
        import sys
        def fails():
            raise ValueError("no " + "good")
        def handler(event, context):
            if event == "exit":
                sys.exit(1)
            if event == "set":
                return {1, 2}
            if event == "deep":
                return handler("deep", context)
            if event == "memory":
                return len(bytearray(400 << 20))
            if event == "ok":
                return "ok"
            fails()
        """
    )
    document = daemon.invoke(name, "fail").failed("ValueError")
    assert document["errorMessage"] == "no good" and document["stackTrace"]
    assert "fails" in document["stackTrace"][-1] and "/var/task/app.py" in document["stackTrace"][-1]
    daemon.invoke(name, "set").failed("Runtime.MarshalError")
    daemon.invoke(name, "deep").failed("RecursionError")
    daemon.invoke(name, "memory").failed("MemoryError")
    assert daemon.invoke(name, "ok").ok() == "ok"
    daemon.invoke(name, "exit").failed("Runtime.ExitError")
    assert daemon.invoke(name, "ok").ok() == "ok"


def test_timeouts_end_loops_and_sleeps(daemon, python):
    name = python(
        """
        import time
        def handler(event, context):
            if event == "sleep":
                time.sleep(60)
            while event == "loop":
                pass
            return event
        """,
        Timeout=2,
    )
    for event in ("sleep", "loop"):
        document = daemon.invoke(name, event).failed("Sandbox.Timedout")
        assert "Task timed out after 2.00 seconds" in document["errorMessage"]
        assert daemon.invoke(name, "ok").ok() == "ok"


def test_files(daemon, python):
    name = python(
        {
            "pkg/__init__.py": "",
            "pkg/mod.py": """
                import os, zipfile
                def handler(event, context):
                    with zipfile.ZipFile("/tmp/a.zip", "w") as made:
                        made.writestr("inside.txt", "hello")
                    with zipfile.ZipFile("/tmp/a.zip") as made:
                        made.extractall("/tmp/out")
                    try:
                        open("/var/task/new", "w")
                        denied = False
                    except OSError:
                        denied = True
                    return {
                        "read": open("/tmp/out/inside.txt").read(), "denied": denied,
                        "data": open(os.path.join(os.environ["LAMBDA_TASK_ROOT"], "data.txt")).read(),
                    }
                """,
            "data.txt": "of the package",
        },
        Handler="pkg/mod.handler",
    )
    assert daemon.invoke(name, {}).ok() == {"read": "hello", "denied": True, "data": "of the package"}


def test_layers_are_on_the_path(daemon, lam, python, name):
    layer = packages.archive({"python/of_layer.py": "VALUE = 42\n"})
    published = lam.publish_layer_version(LayerName=name, Content={"ZipFile": layer})
    function = python(
        """
        import of_layer
        def handler(event, context):
            return [of_layer.VALUE, open("/opt/python/of_layer.py").read()]
        """,
        Layers=[published["LayerVersionArn"]],
    )
    assert daemon.invoke(function, {}).ok() == [42, "VALUE = 42\n"]


def test_json_logs_are_lambdas(daemon, python):
    name = python(
        """
        import logging
        def handler(event, context):
            logging.getLogger().warning("mind %s", "this")
            logging.getLogger().debug("not shown")
        """,
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"},
    )
    answer = daemon.invoke(name, {})
    answer.ok()
    logged(daemon, name, "platform.report")
    events = daemon.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    records = [json.loads(event["message"]) for event in events]
    own = [record for record in records if "type" not in record]
    assert [(record["level"], record["message"]) for record in own] == [("WARNING", "mind this")], own
    assert own[0]["requestId"] == answer.headers["x-amzn-requestid"]


def test_versions_and_aliases(daemon, lam, python):
    name = python("def handler(e, c): return c.function_version", Publish=True)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    code = packages.archive({"app.py": "def handler(e, c): return 'new'"})
    lam.update_function_code(FunctionName=name, ZipFile=code)
    assert daemon.invoke(name, {}, Qualifier="live").ok() == "1"
    assert daemon.invoke(name, {}).ok() == "new"


def test_many_at_once_each_in_its_own_environment(daemon, python):
    name = python(
        """
        import time
        NOW = []
        def handler(event, context):
            NOW.append(event)
            time.sleep(0.3)
            return NOW
        """
    )
    answers = []
    threads = [threading.Thread(target=lambda n=n: answers.append(daemon.invoke(name, n).ok())) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer[-1] for answer in answers) == [0, 1, 2, 3]


def test_urls_give_payload_2_events(daemon, lam, python):
    name = python(
        """
        def handler(event, context):
            return {"statusCode": 201, "headers": {"x-a": "b"}, "body": event["version"] + event["rawPath"]}
        """
    )
    lam.create_function_url_config(FunctionName=name, AuthType="NONE")
    lam.add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
    )
    url = lam.get_function_url_config(FunctionName=name)["FunctionUrl"]
    host = url.split("/")[2]
    answer = daemon.request("GET", "/some/path", headers={"Host": host})
    assert (answer.status, answer.headers["x-a"], answer.body) == (201, "b", b"2.0/some/path")


def test_a_queue_feeds_it(daemon, lam, python, make_queue):
    name = python(
        """
        def handler(event, context):
            for record in event["Records"]:
                print("got", record["body"])
        """
    )
    url = make_queue()
    arn = daemon.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = lam.create_event_source_mapping(EventSourceArn=arn, FunctionName=name)
    daemon.sqs.send_message(QueueUrl=url, MessageBody="hello")
    wait.until("the message", lambda: any("got hello" in line for line in daemon.logs(name)), 30)
    lam.delete_event_source_mapping(UUID=mapping["UUID"])


def test_a_large_package_is_seen_whole(daemon, python):
    files = {f"data/{n}.txt": str(n) for n in range(2000)}
    name = python(
        files | {"app.py": "import os\ndef handler(e, c): return len(os.listdir('/var/task/data'))"},
    )
    assert daemon.invoke(name, {}).ok() == 2000


def test_compiled_files_of_a_package_are_used(daemon, lam, python):
    """Zip keeps modification times: what was compiled before stays valid."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(zipfile.ZipInfo("app.py", date_time=(2024, 5, 6, 7, 8, 10)), textwrap.dedent(ECHO))
    name = python(ECHO)
    lam.update_function_code(FunctionName=name, ZipFile=out.getvalue())
    assert daemon.invoke(name, 1).ok() == 1
