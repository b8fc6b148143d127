"""Invoke: payloads, qualifiers, log tails, client context, every guest kind, and what it refuses."""

import base64
import json
import re

import pytest

from harness import packages
from harness.clients import function_arn, refused
from harness.functions import active


@pytest.mark.parametrize("guest", ["invoke_echo.event", "invoke_echo.command", "invoke_ops", "command_ops"])
@pytest.mark.parametrize("event", [{"a": [1, "zwölf", None]}, [], "text", 0, None], ids=repr)
def test_the_event_comes_back(daemon, make, guest, event):
    assert daemon.invoke(make(guest), event).ok() == event


def test_an_http_function_takes_a_payload_2_event(daemon, make):
    name = make("http_ops")
    event = {
        "version": "2.0",
        "routeKey": "POST /a/body",
        "rawPath": "/a/body",
        "rawQueryString": "x=1&y=2",
        "headers": {"content-type": "text/plain", "x-one": "1"},
        "body": "hello",
        "isBase64Encoded": False,
        "requestContext": {
            "http": {"method": "POST", "path": "/a/body", "sourceIp": "127.0.0.1"},
            "routeKey": "POST /a/body",
        },
    }
    answer = daemon.invoke(name, event).ok()
    body = base64.b64decode(answer["body"]).decode() if answer.get("isBase64Encoded") else answer["body"]
    assert (answer["statusCode"], body) == (200, "hello")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/a/echo"
    answer = daemon.invoke(name, event).ok()
    body = base64.b64decode(answer["body"]) if answer.get("isBase64Encoded") else answer["body"]
    seen = json.loads(body)
    assert (seen["method"], seen["path"], seen["query"]) == ("POST", "/a/echo", "x=1&y=2")
    assert ["x-one", "1"] in seen["headers"]


def test_an_http_function_refuses_what_is_no_request(daemon, make):
    name = make("http_ops")
    with refused(("InvalidRequestContentException", "InvalidParameterValueException"), 400):
        daemon.invoke(name, [1])
    assert daemon.healthy()


def test_a_wasi_http_0_3_function(daemon, make):
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/p3",
        "rawQueryString": "",
        "headers": {},
        "body": "over",
        "isBase64Encoded": False,
        "requestContext": {"http": {"method": "POST", "path": "/p3", "sourceIp": "127.0.0.1"}},
    }
    answer = daemon.invoke(make("http_p3"), event).ok()
    body = base64.b64decode(answer["body"]).decode() if answer.get("isBase64Encoded") else answer["body"]
    assert (body, answer["headers"]["x-served-by"], answer["headers"]["x-path"]) == ("over", "wasi:http@0.3", "/p3")


def test_no_payload_is_an_empty_event(daemon, lam, make):
    answer = lam.invoke(FunctionName=make("invoke_ops"))
    assert answer["StatusCode"] == 200 and "FunctionError" not in answer
    assert answer["Payload"].read() in (b"", b"{}", b"null")


@pytest.mark.parametrize("payload", [b"{", b"nonsense", b"\xff\xfe", b'{"a":1} x'])
def test_a_payload_that_is_no_json_is_refused(daemon, make, payload):
    with refused("InvalidRequestContentException", 400):
        daemon.invoke(make(), payload)


def test_an_event_of_6_mb_passes_and_a_larger_one_is_refused(daemon, make):
    name = make("invoke_ops", MemorySize=256)
    limit = 6 * 1024 * 1024
    fits = b'"' + b"x" * (limit - 1024) + b'"'
    assert daemon.invoke(name, fits).payload == fits
    with refused("RequestTooLargeException", 413):
        daemon.invoke(name, b'"' + b"x" * limit + b'"')
    assert daemon.invoke(name, {"op": "count"}).ok()["calls"] >= 1


def test_headers_of_the_answer(daemon, lam, make):
    name = make(Publish=True)
    answer = daemon.invoke(name)
    assert (answer.status, answer.version) == (200, "$LATEST")
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", answer.headers["x-amzn-requestid"]
    )
    assert "x-amz-log-result" not in answer.headers
    assert daemon.invoke(name, Qualifier="1").version == "1"


def test_dry_run_checks_without_running(daemon, lam, make):
    name = make("invoke_ops")
    before = daemon.metrics().sum("lamina_invocations_total", function=name)
    answer = lam.invoke(FunctionName=name, InvocationType="DryRun", Payload=b"{}")
    assert answer["StatusCode"] == 204 and answer["Payload"].read() == b""
    assert daemon.metrics().sum("lamina_invocations_total", function=name) == before
    with refused("ResourceNotFoundException", 404):
        lam.invoke(FunctionName=name, Qualifier="nope", InvocationType="DryRun")


def test_an_unknown_invocation_type_is_refused(daemon, make):
    name = make()
    answer = daemon.request(
        "POST",
        f"/2015-03-31/functions/{name}/invocations",
        b"{}",
        {"X-Amz-Invocation-Type": "Sideways"},
        listener="api",
    )
    assert answer.status == 400, answer


def test_log_tail_has_lambdas_lines(daemon, make):
    name = make("invoke_ops")
    answer = daemon.invoke(name, {"op": "log", "text": "hello from inside"}, LogType="Tail")
    log = base64.b64decode(answer.log_result).decode()
    request_id = answer.headers["x-amzn-requestid"]
    lines = log.splitlines()
    assert any(line.startswith(f"START RequestId: {request_id} Version: $LATEST") for line in lines), log
    assert f"END RequestId: {request_id}" in lines
    assert any("hello from inside 0" in line for line in lines) and any(
        "hello from inside on stderr" in line for line in lines
    )
    report = next(line for line in lines if line.startswith(f"REPORT RequestId: {request_id}"))
    for field in (
        r"Duration: \d+\.\d+ ms",
        r"Billed Duration: \d+ ms",
        "Memory Size: 128 MB",
        r"Max Memory Used: \d+ MB",
    ):
        assert re.search(field, report), report
    assert re.search(r"Init Duration: \d+\.\d+ ms", report), "the first start is a cold one"
    again = base64.b64decode(daemon.invoke(name, {"op": "count"}, LogType="Tail").log_result).decode()
    assert "Init Duration" not in again


def test_max_memory_used_is_measured(daemon, make):
    name = make("invoke_ops", MemorySize=512)

    def used(event):
        log = base64.b64decode(daemon.invoke(name, event, LogType="Tail").log_result).decode()
        return int(re.search(r"Max Memory Used: (\d+) MB", log).group(1))

    small = used({"op": "count"})
    large = used({"op": "alloc", "mb": 200})
    assert 0 < small < 64 and 200 <= large <= 300, (small, large)


def test_log_tail_is_the_last_4_kb(daemon, make):
    name = make("invoke_ops")
    answer = daemon.invoke(name, {"op": "log", "text": "x" * 100, "lines": 500}, LogType="Tail")
    log = base64.b64decode(answer.log_result)
    assert len(log) <= 4096 and b"REPORT RequestId" in log and b" 499" in log


def test_the_context_tells_the_function_who_it_is(daemon, lam, make):
    name = make("invoke_ops", Timeout=30, MemorySize=256, Publish=True)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    client_context = base64.b64encode(json.dumps({"custom": {"a": "b"}}).encode()).decode()
    answer = daemon.invoke(name, {"op": "context"}, Qualifier="live", ClientContext=client_context)
    context = answer.ok()
    assert context["request_id"] == answer.headers["x-amzn-requestid"]
    assert (context["function_name"], context["function_version"], context["qualifier"]) == (name, "1", "live")
    assert context["invoked_function_arn"] == function_arn(name, "live")
    assert context["memory_limit_mb"] == 256
    assert 20_000 < context["deadline_ms"] - context["now_ms"] <= 30_000
    assert context["log_group"] == f"/aws/lambda/{name}" and "[1]" in context["log_stream"]
    assert json.loads(context["client_context"]) == {"custom": {"a": "b"}}
    unqualified = daemon.invoke(name, {"op": "context"}).ok()
    assert unqualified["qualifier"] in (None, "$LATEST") and unqualified["function_version"] == "$LATEST"
    assert unqualified["invoked_function_arn"] == function_arn(name) and unqualified["client_context"] is None


def test_a_client_context_that_is_no_base64_is_refused(daemon, make):
    name = make()
    answer = daemon.request(
        "POST", f"/2015-03-31/functions/{name}/invocations", b"{}", {"X-Amz-Client-Context": "%%%"}, listener="api"
    )
    assert answer.status == 400, answer


def test_the_trace_header_reaches_the_function(daemon, make):
    name = make("invoke_ops")
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    answer = daemon.request(
        "POST",
        f"/2015-03-31/functions/{name}/invocations",
        b'{"op":"context"}',
        {"X-Amzn-Trace-Id": trace},
        listener="api",
    )
    assert json.loads(answer.body)["trace_id"].startswith("Root=1-5759e988-bd862e3fe1be46a994272793")


def test_qualifiers_in_every_place(daemon, lam, make):
    name = make(packages.text_package("invoke_constant.event", "one"), Publish=True)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lam.update_function_code(FunctionName=name, ZipFile=packages.text_package("invoke_constant.event", "two"))
    active(lam, name)
    for function, qualifier, expected in [
        (name, None, "two"),
        (name, "$LATEST", "two"),
        (name, "1", "one"),
        (name, "live", "one"),
        (f"{name}:1", None, "one"),
        (f"{name}:live", None, "one"),
        (function_arn(name, "live"), None, "one"),
        (f"000000000000:function:{name}:1", None, "one"),
        (f"{name}:live", "live", "one"),
    ]:
        more = {"Qualifier": qualifier} if qualifier else {}
        assert daemon.invoke(function, **more).ok() == expected, (function, qualifier)
    with refused(("InvalidParameterValueException", "ValidationException"), 400):
        daemon.invoke(f"{name}:live", Qualifier="1")
    for missing in ("7", "nope"):
        with refused("ResourceNotFoundException", 404, says=function_arn(name, missing)):
            daemon.invoke(name, Qualifier=missing)


@pytest.mark.parametrize("guest", ["invoke_ops", "command_ops", "http_ops", "http_p3"])
def test_environment_variables_reach_the_guest_and_nothing_else(daemon, make, guest):
    name = make(guest, environment={"GREETING": "hej", "EMPTY": "", "LAMINA_SANDBOX": "reuse"})
    if guest.startswith("http"):
        event = {
            "version": "2.0",
            "rawPath": "/env",
            "rawQueryString": "",
            "headers": {},
            "isBase64Encoded": False,
            "routeKey": "$default",
            "requestContext": {"http": {"method": "GET", "path": "/env", "sourceIp": "127.0.0.1"}},
        }
        answer = daemon.invoke(name, event).ok()
        body = base64.b64decode(answer["body"]).decode() if answer.get("isBase64Encoded") else answer["body"]
        lines = guest == "http_p3"
        seen = dict(line.split("=", 1) for line in body.splitlines()) if lines else json.loads(body)
    else:
        seen = daemon.invoke(name, {"op": "env"}).ok()
    assert (seen["GREETING"], seen["EMPTY"]) == ("hej", "")
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == name and "[$LATEST]" in seen["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert not {"PATH", "HOME", "USER", "PWD"} & seen.keys(), "the host's environment leaks"
