"""Recursive loops: configured, counted along a chain of invocations, stopped."""

import json

import pytest

from harness import queues, wait
from harness.clients import refused

LIMIT = 16


@pytest.mark.parametrize("wanted", ["Allow", "Terminate"])
def test_the_config_is_kept(lam, make, wanted):
    name = make()
    assert lam.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    assert lam.put_function_recursion_config(FunctionName=name, RecursiveLoop=wanted)["RecursiveLoop"] == wanted
    assert lam.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == wanted


def test_the_config_is_checked(lam, make):
    name = make()
    with refused("ValidationException", 400):
        lam.put_function_recursion_config(FunctionName=name, RecursiveLoop="Sometimes")
    with refused("ValidationException", 400):
        lam.put_function_recursion_config(FunctionName=name)
    with refused("ResourceNotFoundException", 404):
        lam.get_function_recursion_config(FunctionName="no-such-function")
    with refused("ResourceNotFoundException", 404):
        lam.put_function_recursion_config(FunctionName="no-such-function", RecursiveLoop="Allow")


def trace_after(daemon, name, trace=None):
    """What the function sees as its trace when it is invoked with one: what it would hand on."""
    headers = {"X-Amzn-Trace-Id": trace} if trace else {}
    path = f"/2015-03-31/functions/{name}/invocations"
    answer = daemon.request("POST", path, b'{"op":"context"}', headers, listener="api")
    return answer, json.loads(answer.body).get("trace_id")


def test_a_chain_of_function_calls_is_stopped(daemon, make):
    first, second = make("invoke_ops"), make("invoke_ops")
    dropped = daemon.metrics().sum("lamina_recursive_invocations_dropped_total")
    trace = None
    for _ in range(LIMIT):
        for name in (first, second):
            answer, trace = trace_after(daemon, name, trace)
            assert answer.status == 200, answer
    assert trace.startswith("Root=1-")
    for name in (first, second):
        answer, _ = trace_after(daemon, name, trace)
        assert answer.status == 400 and answer.headers["x-amzn-errortype"] == "RecursiveInvocationException", answer
    assert daemon.metrics().sum("lamina_recursive_invocations_dropped_total") == dropped + 2
    daemon.lam.put_function_recursion_config(FunctionName=first, RecursiveLoop="Allow")
    assert trace_after(daemon, first, trace)[0].status == 200
    # Another chain is another matter.
    assert trace_after(daemon, second)[0].status == 200


def test_the_root_of_a_trace_stays(daemon, make):
    name = make("invoke_ops")
    root = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    _, once = trace_after(daemon, name, root)
    _, twice = trace_after(daemon, name, once)
    assert once.startswith(root + ";Lineage=") and once.endswith(":1")
    assert twice == once[:-1] + "2"


@pytest.mark.parametrize("system", [True, False], ids=["attribute", "header"])
def test_a_message_carries_the_lineage(daemon, make, make_queue, sqs, lam, system):
    """What a function sends to a queue belongs to its chain: by a system attribute, or the request's header."""
    name = make("invoke_ops")
    dead = make_queue()
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = make_queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5}))
    source = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    trace = None
    for _ in range(LIMIT):
        _, trace = trace_after(daemon, name, trace)
    mapping = lam.create_event_source_mapping(FunctionName=name, EventSourceArn=source)
    try:
        sqs.send_message(QueueUrl=url, MessageBody="stays")
        if system:
            attribute = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
            sqs.send_message(QueueUrl=url, MessageBody="loops", MessageSystemAttributes=attribute)
        else:
            answer = daemon.request(
                "POST",
                "/",
                json.dumps({"QueueUrl": url, "MessageBody": "loops"}),
                {
                    "X-Amz-Target": "AmazonSQS.SendMessage",
                    "Content-Type": "application/x-amz-json-1.0",
                    "X-Amzn-Trace-Id": trace,
                },
                listener="api",
            )
            assert answer.status == 200, answer
        (message,) = queues.drain(sqs, dead, 1)
        assert message["Body"] == "loops" and message["Attributes"]["AWSTraceHeader"] == trace
        wait.until("the queue is empty", lambda: queues.count(sqs, url) == 0, 20)
    finally:
        lam.delete_event_source_mapping(UUID=mapping["UUID"])


def test_a_looping_message_without_a_dead_letter_queue_is_dropped(daemon, make, make_queue, sqs, lam):
    name = make("invoke_ops")
    url = make_queue()
    source = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    trace = None
    for _ in range(LIMIT):
        _, trace = trace_after(daemon, name, trace)
    before = daemon.metrics().sum("lamina_recursive_invocations_dropped_total")
    attribute = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
    sqs.send_message(QueueUrl=url, MessageBody="loops", MessageSystemAttributes=attribute)
    mapping = lam.create_event_source_mapping(FunctionName=name, EventSourceArn=source)
    try:
        dropped = "lamina_recursive_invocations_dropped_total"
        wait.until("it is dropped", lambda: daemon.metrics().sum(dropped) == before + 1, 20)
        gone = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        wait.until("it is gone", lambda: all(queues.count(sqs, url, what) == 0 for what in gone), 20)
    finally:
        lam.delete_event_source_mapping(UUID=mapping["UUID"])
