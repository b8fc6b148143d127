"""The host's side of the contract of runtimes, against one that keeps it and breaks it as it is told."""

import json
import re

import pytest

from harness import packages, runtimes, wait
from harness.functions import active, create


def logged(daemon, name, what, times=1):
    """The lines of a function's log, once `what` is in it so often."""

    def lines():
        found = daemon.logs(name)
        return found if sum(what in line for line in found) >= times else None

    return wait.until(f"{what} in the log", lines)


TOLD = b'{"errorMessage":"told","errorType":"Probe.Error","stackTrace":["a"],"own":1.0}'


def test_an_event_goes_in_and_the_response_comes_out(probe_daemon, probe):
    name = probe()
    for event in ["", "echo", " " + "y" * 100_000, "ünïcode"]:
        assert probe_daemon.invoke(name, " " + event).ok() == " " + event


def test_the_context_is_that_of_the_contract(probe_daemon, probe):
    name = probe()
    answer = probe_daemon.invoke(name, "x")
    context = answer.ok()
    assert context.pop("deadlineMs") > 1_700_000_000_000
    assert context.pop("requestId") == answer.headers["x-amzn-requestid"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", context.pop("logStream"))
    assert re.match(r"Root=1-", context.pop("traceId"))
    assert context == {
        "functionName": name,
        "functionVersion": "$LATEST",
        "invokedFunctionArn": f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
        "memoryLimitMb": 128,
        "logGroup": f"/aws/lambda/{name}",
        "streaming": False,
    }


def test_an_error_document_is_answered_to_the_letter_and_the_environment_stays(probe_daemon, probe):
    name = probe()
    answer = probe_daemon.invoke(name, "e")
    assert (answer.error, answer.payload) == ("Unhandled", TOLD)
    assert probe_daemon.invoke(name, "o").ok() == "2"


def test_a_fatal_error_ends_the_environment(probe_daemon, probe):
    name = probe()
    answer = probe_daemon.invoke(name, "f")
    assert (answer.error, answer.payload) == ("Unhandled", TOLD)
    assert probe_daemon.invoke(name, "o").ok() == "1"


@pytest.mark.parametrize(
    "event, error_type, message",
    [
        ("q", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("Q", "Runtime.ExitError", "Runtime exited without providing a reason"),
        ("u", "Runtime.ExitError", "Runtime exited with error: "),
        ("l", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("M", "Runtime.OutOfMemory", "memory size of 128 MB exceeded"),
    ],
)
def test_what_ends_an_environment_has_lambdas_words(probe_daemon, probe, event, error_type, message):
    name = probe(Timeout=1)
    document = probe_daemon.invoke(name, event).failed(error_type)
    assert re.match(r"RequestId: \S+ Error: ", document["errorMessage"]) and message in document["errorMessage"]
    assert probe_daemon.invoke(name, "o").ok() == "1", "a new environment"


# Places outside of the memory, lengths that lie, frames that are none, host calls with bad arguments.
@pytest.mark.parametrize("event", list("abcghijktyzAGH"))
def test_a_lying_runtime_ends_itself_and_nothing_else(probe_daemon, probe, event):
    name, other = probe(), probe()
    assert probe_daemon.invoke(other, "o").ok() == "1"
    answer = probe_daemon.invoke(name, event)
    if event in "kH":
        # An error number; more handles than there can be.
        assert answer.ok() == event
    elif event in "aA":
        # It lies of the buffer that it gives the next time.
        assert answer.ok() == event
        probe_daemon.invoke(name, "x").failed("Runtime.ExitError")
    elif event == "c":
        answer.failed("Function.ResponseSizeTooLarge")
    elif event == "y":
        answer.failed()
    else:
        answer.failed("Runtime.ExitError")
    if event not in "kH":
        assert probe_daemon.invoke(name, "o").ok() == "1", "a new environment"
    assert probe_daemon.invoke(other, "o").ok() == "2", "its own environment"


def test_memory_that_is_refused_is_the_runtimes_business(probe_daemon, probe):
    name = probe()
    assert probe_daemon.invoke(name, "m").ok() == "m"
    report = logged(probe_daemon, name, "REPORT RequestId")[-1]
    assert re.search(r"Max Memory Used: 12[78] MB", report), report


def test_events_that_the_runtime_has_no_room_for(probe_daemon, probe):
    # 6 MB fit.
    event = " " + "z" * (6 * 1024 * 1024 - 100)
    assert len(probe_daemon.invoke(probe(), event).ok()) == len(event)


@pytest.mark.parametrize(
    "handler, error_type",
    [
        ("e.h", "Probe.Error"),
        ("u.h", "Runtime.ExitError"),
        ("q.h", "Runtime.ExitError"),
        ("z.h", "Runtime.ExitError"),
    ],
)
def test_a_start_that_fails_is_told_to_the_caller(probe_daemon, probe, handler, error_type):
    name = probe(handler)
    answer = probe_daemon.invoke(name, "o")
    answer.failed(error_type)
    if error_type == "Probe.Error":
        assert answer.payload == TOLD
    lines = logged(probe_daemon, name, "INIT_REPORT")
    report = next(line for line in lines if "INIT_REPORT" in line)
    assert "Phase: init\tStatus: error\tError Type: " + error_type in report.replace("  ", "\t"), report
    assert any("INIT_START Runtime Version: probe:1.0.lamina." in line for line in lines)


def test_a_start_has_its_own_limit(own_daemon, tmp_path, name):
    daemon = own_daemon(
        runtimes.settings(runtimes.write(tmp_path / "runtimes")), environment={"LAMINA_SANDBOX_INIT_TIMEOUT_S": "1"}
    )
    daemon.start()
    create(daemon.lam, name, packages.archive({"a": ""}), Runtime="probe", Handler="l.h")
    daemon.invoke(name, "o").failed("Sandbox.Timedout")
    assert any("Status: timeout" in line for line in logged(daemon, name, "INIT_REPORT"))
    assert daemon.healthy()


def test_the_log_has_what_really_runs_first_and_records_in_one_piece(probe_daemon, probe):
    name = probe("p.h")
    probe_daemon.invoke(name, "p").ok()
    logged(probe_daemon, name, "REPORT RequestId")
    events = probe_daemon.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    said = [event["message"].rstrip("\n") for event in events]
    arn = probe_daemon.lam.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"]["RuntimeVersionArn"]
    assert re.fullmatch(r"arn:aws:lambda:us-east-1::runtime:probe-1\.0-[0-9a-f]{12}", arn)
    first = rf"INIT_START Runtime Version: probe:1\.0\.lamina\.[0-9a-f]{{12}}\tRuntime Version ARN: {arn}"
    assert re.fullmatch(first, said[0])
    assert said[1].startswith("START ") and said[2:5] == ["two\nlines", "two\nlines", "a line"], said
    assert [line.split()[0] for line in said[5:]] == ["END", "REPORT"]
    # A second invocation is of the same environment: no second first line.
    probe_daemon.invoke(name, "o").ok()
    lines = logged(probe_daemon, name, "REPORT RequestId", 2)
    assert sum("INIT_START" in line for line in lines) == 1


def test_json_logs(probe_daemon, probe):
    name = probe(LoggingConfig={"LogFormat": "JSON"})
    probe_daemon.invoke(name, "o").ok()
    logged(probe_daemon, name, "platform.report")
    events = probe_daemon.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    kinds = [json.loads(event["message"])["type"] for event in events]
    assert kinds == ["platform.initStart", "platform.start", "platform.report"], kinds


def test_responses_are_streamed_or_gathered(probe_daemon, probe):
    name = probe()
    assert probe_daemon.invoke(name, "s").payload == b"two"
    answer = probe_daemon.lam.invoke_with_response_stream(FunctionName=name, Payload=b'"s"')
    events = list(answer["EventStream"])
    assert [event["PayloadChunk"]["Payload"] for event in events[:-1]] == [b"two"]
    assert events[-1]["InvokeComplete"] == {}
    answer = probe_daemon.lam.invoke_with_response_stream(FunctionName=name, Payload=b'"S"')
    events = list(answer["EventStream"])
    assert events[0]["PayloadChunk"]["Payload"] == b"two"
    assert events[-1]["InvokeComplete"] == {"ErrorCode": "Unhandled", "ErrorDetails": TOLD.decode()}
    # It may serve again, as after other errors of functions.
    assert probe_daemon.invoke(name, "o").ok() == "4"
    answer = probe_daemon.lam.invoke_with_response_stream(FunctionName=name, Payload=b'" whole"')
    chunks = [event["PayloadChunk"]["Payload"] for event in answer["EventStream"] if "PayloadChunk" in event]
    assert b"".join(chunks) == b'" whole"'


def test_fresh_environments_serve_once(probe_daemon, probe):
    name = probe(environment={"LAMINA_SANDBOX": "fresh"})
    assert [probe_daemon.invoke(name, "o").ok() for _ in range(3)] == ["1"] * 3
    name = probe()
    assert [probe_daemon.invoke(name, "o").ok() for _ in range(3)] == ["1", "2", "3"]


def test_asynchronous_invocations(probe_daemon, probe):
    name = probe()
    assert probe_daemon.invoke(name, "p", InvocationType="Event").status == 202
    wait.until("the event to be handled", lambda: any("a line" in line for line in probe_daemon.logs(name)))


def test_provisioned_environments(probe_daemon, probe):
    name = probe(Publish=True)
    lam = probe_daemon.lam
    lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=2)

    def ready():
        got = lam.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
        return got["Status"] == "READY"

    wait.until("provisioned", ready, 30)
    assert probe_daemon.invoke(name, "o", Qualifier="1").ok() == "1"
    started = probe_daemon.metrics().sum("lamina_invocation_duration_seconds_count", function=name, start="provisioned")
    assert started == 1


def test_a_function_moves_between_runtimes(probe_daemon, probe):
    code = {"bootstrap.wat": packages.wat("invoke_echo.event")}
    name, lam = probe(code=code), probe_daemon.lam
    assert probe_daemon.invoke(name, "o").ok() == "1"
    lam.update_function_configuration(FunctionName=name, Runtime="provided.al2023", Handler="bootstrap")
    active(lam, name)
    assert probe_daemon.invoke(name, "o").ok() == "o"
    arn = lam.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"]["RuntimeVersionArn"]
    assert "::runtime:lamina-" in arn
    lam.update_function_configuration(FunctionName=name, Runtime="probe")
    active(lam, name)
    assert probe_daemon.invoke(name, "o").ok() == "1"
