"""Recursive loops through destinations and dead-letter queues: counted, stopped, or allowed."""

import json

import pytest

from harness import config, packages, queues, wait
from harness.clients import function_arn, queue_arn
from harness.functions import create, zipped

LIMIT = 16
DROPPED = "lamina_recursive_invocations_dropped_total"
SETTINGS = {"asynchronous": {"first_retry_pause_ms": 50, "first_throttle_pause_ms": 20}}


@pytest.fixture
def quick(own_daemon):
    """A daemon of the test's own, whose retries do not take minutes: its counters are of this loop alone."""
    return own_daemon(config.render(SETTINGS)).start()


def send(daemon, function, event=b"{}", trace=None):
    headers = {"X-Amz-Invocation-Type": "Event"} | ({"X-Amzn-Trace-Id": trace} if trace else {})
    path = f"/2015-03-31/functions/{function}/invocations"
    answer = daemon.request("POST", path, event, headers, listener="api")
    assert answer.status == 202, answer


def lead(daemon, function, to, which="OnSuccess"):
    daemon.lam.put_function_event_invoke_config(
        FunctionName=function, MaximumRetryAttempts=0, DestinationConfig={which: {"Destination": to}}
    )


def runs(daemon, function):
    return daemon.metrics().sum("lamina_invocations_total", function=function)


def drops(daemon, function):
    return daemon.metrics().sum("lamina_async_events_dropped_total", function=function, reason="recursive_loop")


def events(daemon, function):
    answer = daemon.request("GET", f"/lamina/async-events?FunctionName={function}", listener="api")
    return json.loads(answer.body)["Events"]


def ring(daemon, package, which):
    """Two functions, each the destination of the other."""
    for name in ("a", "b"):
        create(daemon.lam, name, package)
    lead(daemon, "a", function_arn("b"), which)
    lead(daemon, "b", function_arn("a"), which)


def test_functions_that_lead_to_each_other_are_stopped(quick):
    ring(quick, packages.text_package("invoke_constant.event", "again"), "OnSuccess")
    dead = quick.sqs.create_queue(QueueName="dead")["QueueUrl"]
    quick.lam.update_function_configuration(FunctionName="a", DeadLetterConfig={"TargetArn": queue_arn("dead")})
    send(quick, "a")
    (letter,) = queues.drain(quick.sqs, dead, 1, 30)
    assert (runs(quick, "a"), runs(quick, "b")) == (LIMIT, LIMIT)
    assert (drops(quick, "a"), quick.metrics().sum(DROPPED)) == (1, 1)
    record = json.loads(letter["Body"])
    assert record["requestContext"]["functionArn"] == function_arn("b", "$LATEST")
    assert letter["Attributes"]["AWSTraceHeader"].count(f":{LIMIT}") == 2
    assert not events(quick, "a") and not events(quick, "b")
    # Another chain is another matter.
    send(quick, "b")
    wait.until("the second chain ends", lambda: quick.metrics().sum(DROPPED) == 2, 30)
    assert runs(quick, "b") == 2 * LIMIT


def test_functions_that_fail_to_each_other_are_stopped(quick):
    """Nor does the record of the stop itself go round for ever."""
    ring(quick, packages.text_package("hostile_recursion.event"), "OnFailure")
    send(quick, "a")
    wait.until("the chain is stopped", lambda: drops(quick, "a") == 1, 30)
    assert (runs(quick, "a"), runs(quick, "b")) == (LIMIT, LIMIT)
    (dead,) = wait.until("the event is kept", lambda: events(quick, "a"))
    assert dead["State"] == "Dead"
    assert not events(quick, "b") and quick.metrics().sum(DROPPED) == 1


def test_a_loop_that_is_allowed_goes_on(quick):
    ring(quick, packages.text_package("invoke_constant.event", "again"), "OnSuccess")
    for name in ("a", "b"):
        quick.lam.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    send(quick, "a")
    wait.until("more runs than a chain has", lambda: runs(quick, "a") > 2 * LIMIT, 30)
    assert quick.metrics().sum(DROPPED) == 0
    quick.lam.put_function_recursion_config(FunctionName="b", RecursiveLoop="Terminate")
    wait.until("the chain is stopped", lambda: drops(quick, "b") == 1, 30)


def test_a_chain_through_a_queue_is_stopped(quick):
    """Function, destination queue, and from there to the function again: by a consumer, and by a mapping."""
    create(quick.lam, "f", zipped("invoke_ops"))
    dead = quick.sqs.create_queue(QueueName="dead")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": queue_arn("dead"), "maxReceiveCount": 5})
    url = quick.sqs.create_queue(QueueName="q", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    lead(quick, "f", queue_arn("q"))
    trace = None
    for count in range(1, LIMIT + 1):
        send(quick, "f", b"{}", trace)
        (message,) = queues.drain(quick.sqs, url, 1)
        trace = message["Attributes"]["AWSTraceHeader"]
        assert trace.endswith(f":{count}"), trace
    # The consumer's way: the 17th run is refused, and told on failure.
    lead(quick, "f", queue_arn("dead"), "OnFailure")
    send(quick, "f", b"{}", trace)
    (message,) = queues.drain(quick.sqs, dead, 1)
    record = json.loads(message["Body"])
    assert record["responsePayload"]["errorType"] == "RecursiveInvocationException"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert (drops(quick, "f"), runs(quick, "f")) == (1, LIMIT)
    # The mapping's way: the message is a dead letter.
    attribute = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
    quick.sqs.send_message(QueueUrl=url, MessageBody="loops", MessageSystemAttributes=attribute)
    quick.lam.create_event_source_mapping(FunctionName="f", EventSourceArn=queue_arn("q"))
    (message,) = queues.drain(quick.sqs, dead, 1)
    assert (message["Body"], message["Attributes"]["AWSTraceHeader"]) == ("loops", trace)
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == queue_arn("q")
    assert runs(quick, "f") == LIMIT


def test_a_dead_letter_carries_the_chain(quick):
    create(quick.lam, "f", zipped("invoke_ops"))
    url = quick.sqs.create_queue(QueueName="dead")["QueueUrl"]
    quick.lam.update_function_configuration(FunctionName="f", DeadLetterConfig={"TargetArn": queue_arn("dead")})
    fail = b'{"op": "fail", "type": "T", "message": "m"}'
    for retries in (0, 2):
        quick.lam.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=retries)
        send(quick, "f", fail)
        (message,) = queues.drain(quick.sqs, url, 1)
        # Retries are one run of the chain.
        assert message["Attributes"]["AWSTraceHeader"].endswith(":1")
    assert runs(quick, "f") == 4
