"""A function's life as Lambda's: context, logs, errors, values, paths."""

import json
import re

import harness
import pytest


@pytest.fixture
def env(environment):
    """An environment of the sample functions."""
    made = environment()
    assert made.load("semantics.lambda_handler") == ("success", b""), made.records
    return made


def test_context(env):
    identity = {"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"}
    client = {"client": {"app_title": "t"}, "custom": {"a": 1}, "env": None}
    _, got = env.invoke({"do": "fields"}, identity=identity, clientContext=client, tenantId="blue")
    assert got["aws_request_id"] == "request-1"
    assert got["memory_limit_in_mb"] == "128"
    assert 29000 < got["left"] <= 30000
    assert got["identity"] == "CognitoIdentity([cognito_identity_id=i,cognito_identity_pool_id=p])"
    assert got["client"].startswith("ClientContext([custom={'a': 1},env=None,client=Client([installation_id=None,app_title=t,")
    assert got["repr"].startswith("LambdaContext([aws_request_id=request-1,log_group_name=/aws/lambda/f,log_stream_name=stream,function_name=f,")
    assert got["repr"].endswith("tenant_id=blue])")


def test_text_logs(env):
    env.invoke({"do": "log"})
    assert env.stdout() == "printed\nto stderr\n"
    warning, error, plain, caught = env.records
    assert re.fullmatch(r"\[WARNING\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\trequest-1\ttwo\nlines", warning)
    assert error.endswith("\trequest-1\twith argument")
    assert plain == "as it is"
    assert "caught\nTraceback (most recent call last):\n" in caught


def test_json_logs(environment):
    env = environment()
    env.load("semantics.lambda_handler", logFormat="JSON", logLevel="INFO")
    env.invoke({"do": "log"})
    records = [json.loads(record) for record in env.records if record != "as it is"]
    assert [(record["level"], record["message"]) for record in records] == [
        ("WARNING", "two\nlines"),
        ("INFO", "not at this level"),
        ("ERROR", "with argument"),
        ("ERROR", "caught"),
    ]
    assert records[2]["logger"] == "a.b"
    assert records[2]["order"] == 5
    assert records[2]["requestId"] == "request-1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", records[0]["timestamp"])
    assert (records[3]["errorType"], records[3]["errorMessage"]) == ("Odd", "inner")
    assert records[3]["location"].startswith("/var/task/semantics.py:log:")
    assert records[3]["stackTrace"]


def test_json_errors(environment):
    env = environment()
    env.load("semantics.lambda_handler", logFormat="JSON", logLevel="ERROR")
    env.invoke({"do": "fail", "what": "luck"})
    record = json.loads(env.records[-1])
    assert (record["level"], record["errorType"], record["errorMessage"]) == ("ERROR", "Odd", "no luck")


def test_an_error_shows_the_users_frames_only(env):
    tag, doc = env.invoke({"do": "fail", "what": "luck"})
    assert tag == "error"
    assert (doc["errorType"], doc["errorMessage"], doc["requestId"]) == ("Odd", "no luck", "request-1")
    assert len(doc["stackTrace"]) == 2
    assert re.fullmatch(r'  File "/var/task/semantics.py", line \d+, in lambda_handler\n    return .*\n', doc["stackTrace"][0])
    (record,) = env.records
    assert record.startswith("[ERROR] Odd: no luck\nTraceback (most recent call last):\n\u00a0\u00a0File ")


@pytest.mark.parametrize("case", ["recurse", "deep_json"])
def test_recursion(env, case):
    tag, doc = env.invoke({"do": case})
    assert (tag, doc["errorType"]) == ("error", "RecursionError")
    assert env.invoke({"do": "draw"})[0] == "success"


def test_no_memory(environment):
    env = environment(memory_bytes=128 << 20)
    env.load("semantics.lambda_handler")
    tag, doc = env.invoke({"do": "fill"})
    assert (tag, doc["errorType"]) == ("error", "MemoryError")
    assert env.invoke({"do": "draw"})[0] == "success"


@pytest.mark.parametrize(("code", "status"), [(3, 3), (None, 0), ("words", 1)])
def test_exit(env, code, status):
    with pytest.raises(harness.Ended, match=f"exit status {status}|status: {status}|code {status}"):
        env.invoke({"do": "leave", "code": code})
    assert env.stdout() == ("words\n" if code == "words" else "")


def test_values(env):
    _, body = env.invoke_raw(b'{"do": "values"}')
    assert body.decode() == '{"decimal": 1.10, "point": {"x": 1, "y": 2}, "text": "grüße 😀", "nan": NaN, "tuple": [1, 2]}'
    assert env.invoke_raw(b'{"do": "raw"}') == ("success", b"<html>")
    _, doc = env.invoke({"do": "unserialisable"})
    assert (doc["errorType"], doc["errorMessage"]) == (
        "Runtime.MarshalError",
        "Unable to marshal response: Object of type set is not JSON serializable",
    )
    assert doc["stackTrace"] == []
    tag, body = env.invoke_raw(b"\xff")
    assert (tag, json.loads(body)["errorType"]) == ("error", "Runtime.UnmarshalError")


def test_paths(environment):
    env = environment()
    env.load("semantics.lambda_handler", env={"MINE": "1"})
    _, got = env.invoke({"do": "where"}, traceId="Root=1")
    assert got["cwd"] == "/var/task"
    assert got["path"] == [
        "/var/task",
        "/opt/python/lib/python3.13/site-packages",
        "/opt/python",
        "/var/runtime",
        "/var/runtime/lib/python313.zip",
    ]
    assert got["env"]["MINE"] == "1"
    assert got["env"]["PYTHONPATH"] == "/var/runtime"
    assert got["env"]["_X_AMZN_TRACE_ID"] == "Root=1"
    assert got["relative"].startswith('"""')
    assert got["tmp"] == ["a"]


def test_python_path(environment):
    env = environment(files={"m.py": "import sys, helper\ndef h(e, c): return [sys.path, helper.A]", "vendor/helper.py": "A = 1"})
    assert env.load("m.h", env={"PYTHONPATH": "/var/task/vendor"})[0] == "success"
    path, value = env.invoke()[1]
    assert path[3] == "/var/task/vendor"
    assert value == 1


@pytest.mark.parametrize(
    ("zone", "text", "noon"),
    [
        (":UTC", "2024-07-03 09:46:40 UTC", 1720008000),
        ("Europe/Berlin", "2024-07-03 11:46:40 CEST", 1720000800),
        ("America/New_York", "2024-07-03 05:46:40 EDT", 1720022400),
        ("Asia/Kolkata", "2024-07-03 15:16:40 IST", 1719988200),
        ("JST-9", "2024-07-03 18:46:40 JST", 1719975600),
        ("EST5EDT,M3.2.0,M11.1.0", "2024-07-03 05:46:40 EDT", 1720022400),
        ("Australia/Sydney", "2024-07-03 19:46:40 AEST", 1719972000),
    ],
)
def test_time_zones(environment, zone, text, noon):
    env = environment()
    env.load("semantics.lambda_handler", env={"TZ": zone})
    told, names, seconds = env.invoke({"do": "clock"})[1]
    assert (told, seconds) == (text, noon)
    assert text.split()[-1] in names


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("missing.handler", "Runtime.ImportModuleError", "Unable to import module 'missing': No module named 'missing'"),
        ("needs.handler", "Runtime.ImportModuleError", "Unable to import module 'needs': No module named 'nowhere'"),
        ("good.other", "Runtime.HandlerNotFound", "Handler 'other' missing on module 'good'"),
        ("bad", "Runtime.MalformedHandlerName", "Bad handler 'bad': not enough values to unpack (expected 2, got 1)"),
        ("syntax.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'syntax': invalid syntax (syntax.py, line 2)"),
        ("fails.handler", "ZeroDivisionError", "division by zero"),
    ],
)
def test_init_errors(environment, handler, kind, message):
    env = environment(
        needs="import nowhere", good="def handler(e, c): pass", syntax="def handler(e, c):\n  x = = 1\n", fails="def f():\n  1 / 0\nf()\n"
    )
    tag, body = env.load(handler)
    doc = json.loads(body)
    assert (tag, doc["errorType"], doc["errorMessage"]) == ("error", kind, message)
    assert env.records[-1].startswith(f"[ERROR] {kind}: {message}")
    if handler == "fails.handler":
        assert [line.split("\n")[0] for line in doc["stackTrace"]] == [
            '  File "/var/task/fails.py", line 3, in <module>',
            '  File "/var/task/fails.py", line 2, in f',
        ]
    elif handler != "syntax.handler":
        assert doc["stackTrace"] == []


def test_exit_during_init(environment):
    env = environment(m="import sys\nsys.exit(4)")
    with pytest.raises(harness.Ended, match="4"):
        env.load("m.h")


def test_handlers_in_packages(environment):
    env = environment(files={"pkg/__init__.py": "", "pkg/sub.py": "def h(e, c): return __name__"})
    assert env.load("pkg.sub.h")[0] == "success"
    assert env.invoke() == ("success", "pkg.sub")
    env = environment(files={"dir/sub.py": "def h(e, c): return __name__"})
    assert env.load("dir/sub.h")[0] == "success"
    assert env.invoke() == ("success", "dir.sub")


def test_a_functions_own_module_comes_before_a_preloaded_one(environment):
    env = environment(statistics="A = 'mine'", m="import statistics\ndef h(e, c): return statistics.A")
    assert env.load("m.h")[0] == "success"
    assert env.invoke() == ("success", "mine")
