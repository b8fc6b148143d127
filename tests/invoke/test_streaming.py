"""InvokeWithResponseStream: pieces as the function makes them, how the end is told, limits, clients that leave."""

import base64
import json

import pytest

from harness import clients, config, wait
from harness.functions import create, zipped

PRELUDE_END = b"\0" * 8


def stream(lam, name, event, **more):
    """The answer to a streaming invocation."""
    return lam.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event).encode(), **more)


def read(answer):
    """All chunks, and what InvokeComplete told."""
    chunks, complete = [], []
    for event in answer["EventStream"]:
        if "PayloadChunk" in event:
            assert not complete, "a chunk after the end"
            chunks.append(event["PayloadChunk"]["Payload"])
        else:
            complete.append(event["InvokeComplete"])
    assert len(complete) == 1, complete
    return chunks, complete[0]


def steps(*steps):
    return {"steps": list(steps)}


def test_pieces_come_as_they_were_written(lam, make):
    name = make("stream_ops")
    answer = stream(lam, name, steps({"begin": "text/plain"}, {"write": "one"}, {"write": "two"}))
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/vnd.amazon.eventstream"
    chunks, complete = read(answer)
    assert chunks == [b"one", b"two"] and complete == {}


def test_pieces_arrive_while_the_function_runs(daemon, lam, make):
    """The function writes until nobody reads: it can only end after its first piece was read."""
    name = make("stream_ops", Timeout=30)
    answer = stream(lam, name, steps({"endless": True}))
    first = next(iter(answer["EventStream"]))
    assert first["PayloadChunk"]["Payload"] == b"e" * 1024
    assert not any("STOPPED" in line or "REPORT" in line for line in daemon.logs(name))
    answer["EventStream"].close()
    wait.until("the function to end", lambda: any("STOPPED: BrokenPipe" in line for line in daemon.logs(name)))
    # Nobody cut it off: it heard that nobody reads, and the same environment serves again.
    chunks, complete = read(stream(lam, name, steps({"write": "again"})))
    assert chunks == [b"again"] and complete == {}

    def reports():
        return [line for line in daemon.logs(name) if "REPORT" in line]

    wait.until("both reports are in the log", lambda: len(reports()) == 2)
    assert not any("Status:" in line for line in reports()), reports()


def test_a_slow_reader_slows_the_function_down(daemon, lam, make):
    name = make("stream_ops", Timeout=60)
    answer = stream(lam, name, steps({"times": 640, "size": 65536}))
    events = iter(answer["EventStream"])
    size = len(next(events)["PayloadChunk"]["Payload"])
    assert not any("WROTE" in line for line in daemon.logs(name)), "40 MB went out unread"
    for event in events:
        size += len(event["PayloadChunk"]["Payload"]) if "PayloadChunk" in event else 0
    assert size == 640 * 65536
    wait.until("the function to end", lambda: any("WROTE all 640" in line for line in daemon.logs(name)))


def test_a_function_that_does_not_stream_is_one_chunk(lam, make):
    chunks, complete = read(stream(lam, make("invoke_echo.event"), {"a": 1}))
    assert b"".join(chunks) == b'{"a": 1}' and complete == {}
    chunks, _ = read(stream(lam, make("invoke_echo.command"), [1]))
    assert b"".join(chunks) == b"[1]"


def test_an_http_function_streams_with_a_prelude(lam, make):
    name = make("http_ops")
    event = {
        "version": "2.0",
        "rawPath": "/cookies",
        "requestContext": {"http": {"method": "GET", "path": "/cookies"}},
    }
    chunks, complete = read(stream(lam, name, event))
    prelude, _, body = b"".join(chunks).partition(PRELUDE_END)
    head = json.loads(prelude)
    assert (head["statusCode"], head["cookies"], body) == (200, ["a=1; Path=/", "b=2"], b"two") and complete == {}


@pytest.mark.parametrize("before", [[], [{"write": "half"}]], ids=["before-a-piece", "midway"])
def test_failures_are_told_at_the_end(lam, make, before):
    name = make("stream_ops", Timeout=1)
    for step, error_type in (
        ({"fail": "no"}, "Stream.Refused"),
        ({"panic": "boom"}, "Runtime.ExitError"),
        ({"sleep": 5000}, "Sandbox.Timedout"),
    ):
        chunks, complete = read(stream(lam, name, steps(*before, step), LogType="Tail"))
        assert b"".join(chunks) == (b"half" if before else b"")
        assert complete["ErrorCode"] == "Unhandled"
        assert json.loads(complete["ErrorDetails"])["errorType"] == error_type
        assert "REPORT" in base64.b64decode(complete["LogResult"]).decode()


def test_an_http_function_that_dies_midway(lam, make):
    name = make("http_ops")
    event = {
        "version": "2.0",
        "rawPath": "/trap-later",
        "requestContext": {"http": {"method": "GET", "path": "/trap-later"}},
    }
    chunks, complete = read(stream(lam, name, event))
    assert b"".join(chunks).endswith(b"half of it")
    assert json.loads(complete["ErrorDetails"])["errorType"] == "Runtime.ExitError"


def test_the_log_is_told_at_the_end(lam, make):
    name = make("stream_ops")
    _, complete = read(stream(lam, name, steps({"write": "x"}, {"print": "a line"}), LogType="Tail"))
    log = base64.b64decode(complete["LogResult"]).decode()
    assert "a line" in log and "REPORT" in log and "ErrorCode" not in complete


def test_a_buffered_invocation_gets_the_pieces_together(daemon, make):
    name = make("stream_ops")
    answer = daemon.invoke(name, steps({"begin": "text/plain"}, {"write": "one"}, {"write": "two"}))
    assert answer.error is None and answer.payload == b"onetwo"
    assert daemon.invoke(name, steps({"write": "half"}, {"fail": "no"})).failed("Stream.Refused")


def test_a_buffered_invocation_ends_at_6_mb(daemon, make):
    name = make("stream_ops", MemorySize=256)
    limit = 6 * 1024 * 1024
    assert len(daemon.invoke(name, steps({"times": 96, "size": 65536})).payload) == limit
    daemon.invoke(name, steps({"times": 97, "size": 65536})).failed("Function.ResponseSizeTooLarge")


def test_the_limit_of_streams(own_daemon):
    daemon = own_daemon(config.render({"response_streaming": {"max_response_mb": 1}})).start()
    create(daemon.lam, "events", zipped("stream_ops"))
    create(daemon.lam, "http", zipped("http_ops"))
    chunks, complete = read(stream(daemon.lam, "events", steps({"times": 16, "size": 65536})))
    assert sum(map(len, chunks)) == 1 << 20 and complete == {}
    chunks, complete = read(stream(daemon.lam, "events", steps({"times": 17, "size": 65536})))
    assert json.loads(complete["ErrorDetails"])["errorType"] == "Function.ResponseSizeTooLarge"
    event = {
        "version": "2.0",
        "rawPath": "/stream",
        "rawQueryString": "chunks=40&size=65536",
        "requestContext": {"http": {"method": "GET", "path": "/stream"}},
    }
    chunks, complete = read(stream(daemon.lam, "http", event))
    assert json.loads(complete["ErrorDetails"])["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_dry_run_runs_nothing(daemon, lam, make):
    name = make("stream_ops")
    answer = lam.invoke_with_response_stream(FunctionName=name, InvocationType="DryRun", Payload=b"{}")
    assert answer["StatusCode"] == 204
    assert not any("START" in line for line in daemon.logs(name))


def test_what_keeps_a_function_from_running_is_an_error(lam, make):
    with clients.refused("ResourceNotFoundException", 404):
        stream(lam, "nothing-of-this-name", {})
    name = make("stream_ops")
    with clients.refused("ResourceNotFoundException", 404):
        stream(lam, name, {}, Qualifier="missing")
    with clients.refused("ValidationException", 400, "invocationType"):
        stream(lam, name, {}, InvocationType="Event")
    with clients.refused("ValidationException", 400, "logType"):
        stream(lam, name, {}, LogType="All")
    with clients.refused("InvalidRequestContentException", 400):
        lam.invoke_with_response_stream(FunctionName=name, Payload=b"{")
    with clients.refused("RequestTooLargeException", 413):
        lam.invoke_with_response_stream(FunctionName=name, Payload=b'"' + b"x" * (6 << 20) + b'"')
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with clients.refused("TooManyRequestsException", 429):
        stream(lam, name, {})
