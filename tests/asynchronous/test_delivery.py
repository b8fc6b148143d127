"""Asynchronous invocation as a client sees it: acceptance, retries, ages, destinations, dead letters, throttling."""

import json
import re
import time

import pytest

from harness import config, queues, wait
from harness.clients import function_arn, queue_arn, refused
from harness.functions import create, zipped

FAIL = {"op": "fail", "type": "Broken", "message": "on purpose"}
SETTINGS = {"asynchronous": {"first_retry_pause_ms": 50, "first_throttle_pause_ms": 20}}


@pytest.fixture(scope="module")
def quick(request, tmp_path_factory):
    """A daemon whose retries do not take minutes."""
    from harness.daemon import Daemon

    daemon = Daemon(tmp_path_factory.mktemp("quick"), config.render(SETTINGS))
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture
def function(quick, name):
    create(quick.lam, name, zipped("invoke_ops"))
    yield name
    quick.lam.delete_function(FunctionName=name)


@pytest.fixture
def queue(quick, names):
    """Makes queues: answers name and URL."""
    made = []

    def make():
        made.append(names())
        return made[-1], quick.sqs.create_queue(QueueName=made[-1])["QueueUrl"]

    yield make
    for name in made:
        quick.sqs.delete_queue(QueueUrl=quick.sqs.get_queue_url(QueueName=name)["QueueUrl"])


def send(daemon, function, event, **more):
    payload = event if isinstance(event, bytes) else json.dumps(event).encode()
    answer = daemon.lam.invoke(FunctionName=function, InvocationType="Event", Payload=payload, **more)
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    assert "FunctionError" not in answer
    return answer["ResponseMetadata"]["RequestId"]


def events(daemon, function, **more):
    query = "&".join(f"{key}={value}" for key, value in ({"FunctionName": function} | more).items())
    answer = daemon.request("GET", f"/lamina/async-events?{query}", listener="api")
    assert answer.status == 200, answer
    return json.loads(answer.body)["Events"]


def only(sqs, url):
    """The one message of a queue."""
    found = []

    def arrived():
        found.extend(queues.receive(sqs, url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]))
        return found

    wait.until("a message", arrived)
    assert len(found) == 1, found
    return found[0]


def test_an_event_is_accepted_and_delivered(quick, function):
    request_id = send(quick, function, {"op": "log", "text": "here I am"})
    line = lambda: any("here I am" in line for line in quick.logs(function))
    wait.until("the function's line", line)
    assert any(request_id in line for line in quick.logs(function))
    wait.until("no event left", lambda: not events(quick, function))
    counted = lambda: quick.metrics().sum("lamina_invocations_total", function=function, source="asynchronous") == 1
    wait.until("a count", counted)
    assert quick.metrics().sum("lamina_async_events_received_total", function=function) == 1
    assert quick.metrics().sum("lamina_async_event_age_seconds_count", function=function) == 1


def test_invoke_async_does_the_same(quick, function):
    answer = quick.lam.invoke_async(FunctionName=function, InvokeArgs=json.dumps({"op": "log", "text": "older"}))
    assert answer["Status"] == 202
    wait.until("the function's line", lambda: any("older" in line for line in quick.logs(function)))


def test_what_cannot_be_accepted_is_refused(quick, function):
    invoke = lambda **more: quick.lam.invoke(**({"FunctionName": function, "InvocationType": "Event"} | more))
    limit = 1 << 20
    send(quick, function, b'"' + b"x" * (limit - 2) + b'"')
    with refused("RequestTooLargeException", 413, says=str(limit)):
        invoke(Payload=b'"' + b"x" * (limit - 1) + b'"')
    with refused("InvalidRequestContentException", 400):
        invoke(Payload=b"{")
    with refused("ResourceNotFoundException", 404):
        invoke(FunctionName=f"{function}-none")
    with refused("ResourceNotFoundException", 404):
        invoke(Qualifier="none")
    with refused("ResourceNotFoundException", 404):
        quick.lam.invoke_async(FunctionName=f"{function}-none", InvokeArgs=b"{}")
    with refused("InvalidRequestContentException", 400):
        quick.lam.invoke_async(FunctionName=function, InvokeArgs=b"}")


@pytest.mark.parametrize("retries", [0, 1, None])
def test_a_failing_event_is_retried_and_then_dead(quick, function, retries):
    if retries is not None:
        quick.lam.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=retries)
    request_id = send(quick, function, FAIL)
    wait.until("a dead event", lambda: events(quick, function, State="Dead"))
    (event,) = events(quick, function)
    attempts = 3 if retries is None else retries + 1
    assert (event["RequestId"], event["State"], event["Attempts"]) == (request_id, "Dead", attempts)
    metrics = quick.metrics()
    assert metrics.sum("lamina_invocations_total", function=function) == attempts
    assert metrics.sum("lamina_async_events_dropped_total", function=function, reason="retries_exhausted") == 1


def test_a_failure_s_record_field_by_field(quick, function, queue):
    name, url = queue()
    quick.lam.put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": queue_arn(name)}},
    )
    request_id = send(quick, function, FAIL)
    record = json.loads(only(quick.sqs, url)["Body"])
    timestamp = record.pop("timestamp")
    assert len(timestamp) == len("2019-11-14T18:16:05.568Z") and timestamp.endswith("Z")
    assert record.pop("responsePayload") == {"errorType": "Broken", "errorMessage": "on purpose", "stackTrace": []}
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": function_arn(function, "$LATEST"),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 2,
        },
        "requestPayload": FAIL,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    }
    wait.until("no event left", lambda: not events(quick, function))


def test_a_success_s_record_and_the_alias_s_own_configuration(quick, function, queue):
    name, url = queue()
    version = quick.lam.publish_version(FunctionName=function)["Version"]
    quick.lam.create_alias(FunctionName=function, Name="live", FunctionVersion=version)
    quick.lam.put_function_event_invoke_config(
        FunctionName=function,
        Qualifier="live",
        DestinationConfig={"OnSuccess": {"Destination": queue_arn(name)}},
    )
    send(quick, function, {"n": 0})
    request_id = send(quick, function, {"n": 1}, Qualifier="live")
    record = json.loads(only(quick.sqs, url)["Body"])
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": function_arn(function, "live"),
        "condition": "Success",
        "approximateInvokeCount": 1,
    }
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": version}
    assert (record["requestPayload"], record["responsePayload"]) == ({"n": 1}, {"n": 1})


def test_a_function_gets_records(quick, function, names):
    to = names()
    create(quick.lam, to, zipped("invoke_ops"))
    quick.lam.put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnSuccess": {"Destination": function_arn(to)}}
    )
    send(quick, function, {"n": 2})
    got = lambda: quick.metrics().sum("lamina_invocations_total", function=to, source="asynchronous") == 1
    wait.until("the record", got)
    quick.lam.delete_function(FunctionName=to)


def test_a_dead_letter_queue_gets_the_event_itself(quick, names, queue):
    name, url = queue()
    function = names()
    create(quick.lam, function, zipped("invoke_ops"), DeadLetterConfig={"TargetArn": queue_arn(name)})
    shown = quick.lam.get_function_configuration(FunctionName=function)
    assert shown["DeadLetterConfig"] == {"TargetArn": queue_arn(name)}
    request_id = send(quick, function, FAIL)
    message = only(quick.sqs, url)
    assert json.loads(message["Body"]) == FAIL
    attributes = {key: (value["DataType"], value["StringValue"]) for key, value in message["MessageAttributes"].items()}
    assert attributes == {
        "RequestID": ("String", request_id),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "on purpose"),
    }
    quick.lam.update_function_configuration(FunctionName=function, DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in quick.lam.get_function_configuration(FunctionName=function)
    quick.lam.delete_function(FunctionName=function)


@pytest.mark.parametrize(
    ("arn", "code", "says"),
    [
        ("arn:aws:sns:us-east-1:000000000000:t", "InvalidParameterValueException", "SNS"),
        (function_arn("f"), "InvalidParameterValueException", "not a queue"),
        (queue_arn("no-such-queue"), "InvalidParameterValueException", "no-such-queue is invalid."),
        (queue_arn("q").replace(":0000", ":1111"), "InvalidParameterValueException", "account"),
        ("nonsense", "ValidationException", "deadLetterConfig.targetArn"),
    ],
)
def test_other_dead_letter_targets_are_refused(quick, function, arn, code, says):
    with refused(code, 400, says=says):
        quick.lam.update_function_configuration(FunctionName=function, DeadLetterConfig={"TargetArn": arn})
    with refused(code, 400, says=says):
        create(quick.lam, f"{function}-new", zipped("invoke_echo.event"), DeadLetterConfig={"TargetArn": arn})


def test_a_record_for_a_queue_that_is_gone_leaves_the_event_dead(quick, function, names):
    name = names()
    url = quick.sqs.create_queue(QueueName=name)["QueueUrl"]
    quick.lam.put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue_arn(name)}},
    )
    quick.sqs.delete_queue(QueueUrl=url)
    send(quick, function, FAIL)
    wait.until("a dead event", lambda: events(quick, function, State="Dead"))
    assert quick.metrics().sum("lamina_async_destination_failures_total", function=function) == 1


def test_throttled_events_wait_hold_up_nobody_and_use_up_no_attempt(quick, function, names):
    other = names()
    create(quick.lam, other, zipped("invoke_ops"))
    quick.lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    for number in range(20):
        send(quick, function, {"n": number})
    send(quick, other, {"op": "log", "text": "not held up"})
    wait.until("the other's line", lambda: any("not held up" in line for line in quick.logs(other)))
    waiting = events(quick, function)
    assert len(waiting) == 20 and {event["Attempts"] for event in waiting} == {0}
    assert quick.metrics().sum("lamina_invocations_total", function=function) == 0
    quick.lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    wait.until("all delivered", lambda: not events(quick, function), seconds=30)
    assert quick.metrics().sum("lamina_invocations_total", function=function) == 20
    quick.lam.delete_function(FunctionName=other)


def test_a_switched_off_function_s_events_go_to_its_destination(quick, function, queue):
    name, url = queue()
    quick.lam.put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnFailure": {"Destination": queue_arn(name)}}
    )
    quick.lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    send(quick, function, {"n": 1})
    record = json.loads(only(quick.sqs, url)["Body"])
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["responseContext"] == {"statusCode": 429}


@pytest.mark.timeout(600)
def test_an_event_becomes_too_old(own_daemon, names, full):
    if not full:
        pytest.skip("takes the shortest age there is, a minute")
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_ops"))
    url = daemon.sqs.create_queue(QueueName="q")["QueueUrl"]
    daemon.lam.put_function_event_invoke_config(
        FunctionName="f",
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": queue_arn("q")}},
    )
    started = time.monotonic()
    send(daemon, "f", FAIL)
    wait.until("a record", lambda: queues.count(daemon.sqs, url) == 1, seconds=120)
    assert time.monotonic() - started >= 59
    record = json.loads(only(daemon.sqs, url)["Body"])
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 1


def test_the_trace_header_is_passed_on(quick, function, queue):
    name, url = queue()
    quick.lam.put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnSuccess": {"Destination": queue_arn(name)}}
    )
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
    headers = {"X-Amz-Invocation-Type": "Event", "X-Amzn-Trace-Id": trace}
    path = f"/2015-03-31/functions/{function}/invocations"
    answer = quick.request("POST", path, b'{"op": "context"}', headers, listener="api")
    assert (answer.status, answer.body) == (202, b"")
    message = only(quick.sqs, url)
    # The run counts in the lineage that the function sees, and that what follows from it carries.
    handed_on = message["Attributes"]["AWSTraceHeader"]
    assert re.fullmatch(re.escape(trace) + ";Lineage=[0-9a-f]{8}:1", handed_on), handed_on
    assert json.loads(message["Body"])["responsePayload"]["trace_id"] == handed_on


def test_sigterm_loses_nothing(own_daemon):
    daemon = own_daemon(config.render(SETTINGS)).start()
    create(daemon.lam, "f", zipped("invoke_ops"))
    daemon.lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=2)
    sent = {send(daemon, "f", {"op": "sleep", "ms": 20}) for _ in range(60)}
    assert daemon.stop() == 0
    daemon.start()
    wait.until("all delivered", lambda: not events(daemon, "f"), seconds=30)
    # Logs are written behind the invocations.
    wait.until("a report of each", lambda: sent <= reported(daemon, "f"))


def reported(daemon, function):
    """The request ids of the runs that the function's log reports."""
    lines = (line.split() for line in daemon.logs(function) if "REPORT" in line)
    return {words[words.index("RequestId:") + 1] for words in lines}
