"""FIFO queues: order within a group, one group's message in flight at a time, deduplication."""

import time

from harness import wait
from harness.clients import refused
from harness.queues import receive


def test_names_and_attributes(sqs, make_queue, name):
    with refused(("InvalidParameterValue", "InvalidAttributeValue", "InvalidAttributeName"), 400):
        sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
    with refused(("InvalidParameterValue", "InvalidAttributeValue"), 400):
        sqs.create_queue(QueueName=f"{name[:70]}.fifo")
    url = make_queue(fifo=True)
    have = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (have["FifoQueue"], have["ContentBasedDeduplication"]) == ("true", "false")


def send(sqs, url, body, group="g", identity=None):
    more = {"MessageDeduplicationId": identity} if identity else {}
    return sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **more)


def test_what_a_send_must_say(sqs, make_queue):
    url = make_queue(fifo=True)
    with refused(("MissingParameter", "InvalidParameterValue"), 400):
        sqs.send_message(QueueUrl=url, MessageBody="x", MessageDeduplicationId="1")
    with refused("InvalidParameterValue", 400):
        send(sqs, url, "x")
    with refused("InvalidParameterValue", 400):
        sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1", DelaySeconds=1)


def test_order_within_a_group(sqs, make_queue):
    url = make_queue(fifo=True, ContentBasedDeduplication="true")
    sequence = [int(send(sqs, url, f"{group}{index}", group)["SequenceNumber"]) for index in range(3) for group in "ab"]
    assert sequence == sorted(sequence)
    seen = {"a": [], "b": []}
    while sum(map(len, seen.values())) < 6:
        messages = receive(sqs, url, MaxNumberOfMessages=1)
        assert messages, seen
        [message] = messages
        seen[message["Attributes"]["MessageGroupId"]].append(message["Body"])
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert seen == {"a": ["a0", "a1", "a2"], "b": ["b0", "b1", "b2"]}


def test_a_group_waits_for_its_message_in_flight(sqs, make_queue):
    url = make_queue(fifo=True, ContentBasedDeduplication="true", VisibilityTimeout=1)
    for body in ("a0", "a1"):
        send(sqs, url, body, "a")
    [first] = receive(sqs, url, MaxNumberOfMessages=1)
    assert first["Body"] == "a0" and receive(sqs, url) == []
    send(sqs, url, "b0", "b")
    assert [message["Body"] for message in receive(sqs, url)] == ["b0"], "other groups go on"
    wait.until(
        "the first comes again", lambda: [m["Body"] for m in receive(sqs, url, MaxNumberOfMessages=1)] == ["a0"], 5
    )


def test_deduplication(sqs, make_queue):
    url = make_queue(fifo=True)
    one = send(sqs, url, "x", identity="1")
    two = send(sqs, url, "other body", identity="1")
    assert (one["MessageId"], one["SequenceNumber"]) == (two["MessageId"], two["SequenceNumber"])
    send(sqs, url, "y", identity="2")
    seen = []
    deadline = time.monotonic() + 5
    while len(seen) < 2 and time.monotonic() < deadline:
        for message in receive(sqs, url, MaxNumberOfMessages=10):
            seen.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert seen == ["x", "y"]
    send(sqs, url, "x", identity="1")
    assert receive(sqs, url) == [], "deleted messages still count as duplicates"


def test_deduplication_by_content(sqs, make_queue):
    url = make_queue(fifo=True, ContentBasedDeduplication="true")
    assert send(sqs, url, "same")["MessageId"] == send(sqs, url, "same")["MessageId"]
    assert send(sqs, url, "same", identity="other")["MessageId"] != send(sqs, url, "same")["MessageId"]
