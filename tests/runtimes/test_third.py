"""A runtime that is not compiled in: Rhai, taken from a directory, as `runtimes/rhai/README.md` says."""

import http.server
import json
import pathlib
import re
import textwrap

import pytest

from harness import packages, runtimes, wait
from harness.clients import refused
from harness.daemon import Daemon
from harness.functions import create
from harness.upstream import serving

RHAI = pathlib.Path(__file__).parents[2] / "runtimes" / "rhai"
SETTINGS = {"Runtime": "rhai", "Handler": "app.handler"}
ECHO = "fn handler(event, context) { event }"


@pytest.fixture(scope="session")
def rhai_daemon(tmp_path_factory):
    """A daemon with Rhai and no other runtime."""
    directory = tmp_path_factory.mktemp("rhai")
    (directory / "runtimes").mkdir()
    (directory / "runtimes" / "rhai").symlink_to(RHAI)
    daemon = Daemon(directory, runtimes.settings(directory / "runtimes"))
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture
def rhai(rhai_daemon, name):
    """Makes functions: `rhai("source", Timeout=1)`, or with files of a package. The daemon has to outlive the test."""
    made = []

    def function(source, environment=None, **more):
        made.append(f"{name}-{len(made)}")
        files = source if isinstance(source, dict) else {"app.rhai": source}
        code = packages.archive({file: textwrap.dedent(text) for file, text in files.items()})
        create(rhai_daemon.lam, made[-1], code, environment, **(SETTINGS | more))
        return made[-1]

    yield function
    assert rhai_daemon.healthy(), rhai_daemon.tail()
    for function in made:
        rhai_daemon.lam.delete_function(FunctionName=function)


def messages(daemon, name, invocations=1):
    """What the function's log has, once it has the reports of all invocations."""
    logs, group = daemon.client("logs"), f"/aws/lambda/{name}"

    def complete():
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return None
        said = [event["message"].rstrip("\n") for event in logs.filter_log_events(logGroupName=group)["events"]]
        reports = sum(line.startswith("REPORT ") or '"platform.report"' in line for line in said)
        return said if reports == invocations else None

    return wait.until(f"{invocations} reports", complete)


def test_it_is_served_under_its_own_name(rhai_daemon, rhai):
    name = rhai(ECHO)
    event = {"a": [1, 1.5, None, True, "ü"], "b": {"c": 9223372036854775807}}
    assert rhai_daemon.invoke(name, event).ok() == event
    shape = rhai_daemon.lam.get_function_configuration(FunctionName=name)
    assert shape["Runtime"] == "rhai"
    arn = shape["RuntimeVersionConfig"]["RuntimeVersionArn"]
    assert re.fullmatch(r"arn:aws:lambda:us-east-1::runtime:rhai-1\.\d+\.\d+-[0-9a-f]{12}", arn)
    assert re.match(r"INIT_START Runtime Version: rhai:1\.\d+\.\d+\.lamina\.", messages(rhai_daemon, name)[0])
    said = r"\[provided.al2023, provided.al2, rhai\]. ruby3.3 is a runtime of AWS that is not installed here"
    with refused("InvalidParameterValueException", 400, said.replace("\\", "")):
        rhai_daemon.lam.update_function_configuration(FunctionName=name, Runtime="ruby3.3")


def test_the_readmes_example_works(rhai_daemon, rhai):
    text = (RHAI / "README.md").read_text()
    app = re.search(r"cat >app\.rhai <<'END'\n(.*?)END\n", text, re.DOTALL)[1]
    greetings = re.search(r"echo '(.*?)' >greetings\.rhai", text)[1]
    name = rhai({"app.rhai": app, "greetings.rhai": greetings})
    answer = rhai_daemon.invoke(name, {"name": "Ada"}).ok()
    assert answer["text"] == "Hello Ada!" and answer["left"] > 0
    assert any(line.endswith("\tINFO\tfor Ada in dev") for line in messages(rhai_daemon, name))


def test_context_environment_and_time(rhai_daemon, rhai):
    name = rhai(
        """
        fn handler(event, context) {
            #{context: context, stage: env("STAGE"), handler: env("_HANDLER"), root: env("LAMBDA_TASK_ROOT"),
              absent: env("ABSENT"), left: context.remaining_ms()}
        }
        """,
        environment={"STAGE": "test"},
    )
    invoked = rhai_daemon.invoke(name)
    answer = invoked.ok()
    context = answer.pop("context")
    assert context["functionName"] == name and context["memoryLimitMb"] == 128
    assert context["requestId"] == invoked.headers["x-amzn-requestid"]
    assert 8000 < answer.pop("left") <= 10_000
    assert answer == {"stage": "test", "handler": "app.handler", "root": "/var/task", "absent": None}


def test_imports_come_from_the_package_and_from_layers(rhai_daemon, rhai, name):
    layer = rhai_daemon.lam.publish_layer_version(
        LayerName=name,
        Content={"ZipFile": packages.archive({"rhai/shared.rhai": "fn mark() { `from a layer` }"})},
        CompatibleRuntimes=["rhai", "python3.13"],
    )
    layers = rhai_daemon.lam.list_layers(CompatibleRuntime="rhai")["Layers"]
    assert [layer["LayerName"] for layer in layers] == [name]
    function = rhai(
        {
            "src/app.rhai": """
                import "lib/text" as text;
                import "shared" as layer;
                fn handler(event, context) { text::loud(event) + layer::mark() }
            """,
            "lib/text.rhai": "fn loud(text) { text.to_upper() + `, ` }",
        },
        Handler="src/app.handler",
        Layers=[layer["LayerVersionArn"]],
    )
    assert rhai_daemon.invoke(function, "read").ok() == "READ, from a layer"


def test_errors_have_types_and_places_and_the_environment_stays(rhai_daemon, rhai):
    name = rhai(
        """\
        fn handler(event, context) {
            if event == "throw" { throw #{errorType: "Own.Error", errorMessage: "said"}; }
            inner(event)
        }
        fn inner(event) {
            1 / event
        }
        """
    )
    answer = rhai_daemon.invoke(name, 0)
    document = answer.failed("ErrorArithmetic")
    assert document["stackTrace"] == ["inner (/var/task/app.rhai:6:7)", "handler (/var/task/app.rhai:3:5)"]
    assert document["requestId"] == answer.headers["x-amzn-requestid"]
    document = rhai_daemon.invoke(name, "throw").failed("Own.Error")
    assert document["errorMessage"] == "said" and document["stackTrace"] == ["handler (/var/task/app.rhai:2:27)"]
    assert rhai_daemon.invoke(name, 1).ok() == 1
    said = messages(rhai_daemon, name, invocations=3)
    assert sum("INIT_START" in line for line in said) == 1, said
    assert sum("\tERROR\t" in line and "Own.Error" in line for line in said) == 1, said


@pytest.mark.parametrize(
    "source, handler, error_type",
    [
        ("fn handler(event, context) {", "app.handler", "Runtime.UserCodeSyntaxError"),
        ('import "absent" as absent;', "app.handler", "Runtime.ImportModuleError"),
        (ECHO, "other.handler", "Runtime.ImportModuleError"),
        (ECHO, "app.other", "Runtime.HandlerNotFound"),
        (ECHO, "handler", "Runtime.MalformedHandlerName"),
        ('throw "at once";', "app.handler", "ErrorRuntime"),
    ],
)
def test_a_start_that_fails_says_why(rhai_daemon, rhai, source, handler, error_type):
    name = rhai(source, Handler=handler)
    rhai_daemon.invoke(name).failed(error_type)
    assert any("Phase: init" in line and error_type in line for line in messages(rhai_daemon, name))


# What takes the most stack a call: expressions nearly as deep as they may be, and ways round by callbacks.
@pytest.mark.parametrize(
    "call",
    [
        "f(n)",
        "1 + f(n)",
        "(1 + " * 10 + "f(n)" + ")" * 10,
        "[" * 7 + "f(n)" + "]" * 7,
        "#{a: " * 7 + "f(n)" + "}" * 7,
        "if true { " * 7 + "f(n)" + " } else { }" * 7,
        "id(" * 13 + "f(n)" + ")" * 13,
        "switch 1 { 1 => " * 13 + "f(n)" + " }" * 13,
        "`${" * 6 + "f(n)" + "}`" * 6,
        "[1].map(|x| " * 4 + "f(n)" + ")" * 4,
        "[n].map(|x| f(x))[0]",
        "[n].filter(|x| f(x) == 1)",
        "(|x| f(x)).call(n)",
        "eval(`f(n)`)",
    ],
)
def test_recursion_is_an_error_and_no_trap(rhai_daemon, rhai, call):
    handler = "fn handler(event, context) { if event == `ok` { event } else { f(1) } }"
    name = rhai("fn id(x) { x } fn f(n) { " + call + " } " + handler)
    for _ in range(2):
        rhai_daemon.invoke(name).failed("ErrorStackOverflow")
    assert rhai_daemon.invoke(name, "ok").ok() == "ok"
    said = messages(rhai_daemon, name, invocations=3)
    assert sum("INIT_START" in line for line in said) == 1, "the same environment"


def test_what_a_script_cannot_be_kept_from(rhai_daemon, rhai):
    name = rhai(
        """
        fn handler(event, context) {
            if event == "loop" { loop { } }
            if event == "memory" { let text = "x"; loop { text += text; } }
            event
        }
        """,
        Timeout=1,
    )
    rhai_daemon.invoke(name, "loop").failed("Sandbox.Timedout")
    rhai_daemon.invoke(name, "memory").failed("Runtime.OutOfMemory")
    assert rhai_daemon.invoke(name, "x").ok() == "x"


def test_results_that_are_no_json(rhai_daemon, rhai):
    name = rhai("fn handler(event, context) { if event == 1 { 0.0 / 0.0 } else { |x| x } }")
    assert "NaN" in rhai_daemon.invoke(name, 1).failed("Runtime.MarshalError")["errorMessage"]
    assert "Fn" in rhai_daemon.invoke(name, 2).failed("Runtime.MarshalError")["errorMessage"]


def test_records_are_one_event_each(rhai_daemon, rhai):
    source = 'fn handler(event, context) { print("two\\nlines"); debug(1); }'
    name = rhai(source)
    request = rhai_daemon.invoke(name)
    request.ok()
    said = messages(rhai_daemon, name)[2:4]
    fields = [line.split("\t")[1:] for line in said]
    assert fields[0] == [request.headers["x-amzn-requestid"], "INFO", "two\nlines"]
    assert fields[1][1:] == ["DEBUG", "/var/task/app.rhai:1:51", "1"]

    name = rhai(source, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"})
    rhai_daemon.invoke(name).ok()
    records = [json.loads(line) for line in messages(rhai_daemon, name)]
    own = [record for record in records if "level" in record]
    assert [(record["level"], record["message"]) for record in own] == [("INFO", "two\nlines")]


def test_environments_do_not_draw_the_same_numbers(rhai_daemon, rhai):
    source = "const FIRST = random(); fn handler(event, context) { [global::FIRST, random()] }"
    name = rhai(source, {"LAMINA_SANDBOX": "fresh"})
    drawn = [rhai_daemon.invoke(name).ok() for _ in range(4)]
    assert len({second for _, second in drawn}) == 4
    assert all(0 <= number < 1 for pair in drawn for number in pair)


def test_published_versions(rhai_daemon, rhai):
    source = "const MADE = [env(`STAGE`)]; fn handler(event, context) { global::MADE }"
    name = rhai(source, {"STAGE": "a"}, Publish=True)
    assert rhai_daemon.invoke(name, Qualifier="1").ok() == ["a"]
    rhai_daemon.lam.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1
    )
    assert rhai_daemon.invoke(name, Qualifier="1").ok() == ["a"]


@pytest.fixture
def upstream():
    """A server on loopback that answers what it was sent; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            text = f"{self.command} {self.path} {self.headers.get('X-Own')} ".encode() + body
            self.send_response(201)
            self.send_header("X-Two", "a")
            self.send_header("X-Two", "b")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST

        def log_message(self, *arguments):
            pass

    with serving(Handler) as port:
        yield port


def test_requests_go_where_the_host_lets_them(rhai_daemon, rhai, upstream):
    source = """
        fn handler(event, context) {
            if event.type_of() == "map" { http_send(event) } else { http_get(event, #{"x-own": "1"}) }
        }
    """
    url = f"http://127.0.0.1:{upstream}/x"
    name = rhai(source, {"LAMINA_OUTBOUND_HOSTS": f"127.0.0.1:{upstream}"})
    answer = rhai_daemon.invoke(name, url).ok()
    assert (answer["status"], answer["body"]) == (201, "GET /x 1 ") and answer["headers"]["x-two"] == "a, b"
    request = {"url": url, "method": "POST", "body": "sent", "timeout_ms": 5000}
    assert rhai_daemon.invoke(name, request).ok()["body"] == "POST /x None sent"
    document = rhai_daemon.invoke(name, "http://127.0.0.2/").failed("HttpError")
    assert document["errorMessage"].startswith("denied: "), document
    rhai_daemon.invoke(name, "nonsense").failed("HttpError")
    rhai_daemon.invoke(rhai(source), url).failed("HttpError")
