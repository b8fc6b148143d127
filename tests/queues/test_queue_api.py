"""Standard queues over SQS's JSON protocol: every call, visibility, waits, delays, dead letters, batches."""

import hashlib
import threading
import time

import pytest

from harness import wait
from harness.clients import queue_arn, refused
from harness.queues import count, drain, receive

MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


def test_create_is_idempotent_and_get_url_finds_it(sqs, make_queue, name):
    url = make_queue(name, VisibilityTimeout=5)
    assert url.endswith(f"/000000000000/{name}")
    assert sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "5"})["QueueUrl"] == url
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == url
    with refused(("QueueAlreadyExists", "QueueNameExists"), 400):
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "6"})
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url


def test_attributes_have_sqss_defaults_and_can_be_set(sqs, make_queue, name):
    url = make_queue(name)
    have = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    expected = {
        "QueueArn": queue_arn(name),
        "VisibilityTimeout": "30",
        "DelaySeconds": "0",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
    }
    assert {key: have.get(key) for key in expected} == expected
    assert (
        have["MaximumMessageSize"] in ("262144", "1048576")
        and have["CreatedTimestamp"]
        and have["LastModifiedTimestamp"]
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7", "DelaySeconds": "1"})
    have = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "DelaySeconds"])["Attributes"]
    assert have == {"VisibilityTimeout": "7", "DelaySeconds": "1"}


@pytest.mark.parametrize(
    "attribute,value",
    [
        ("VisibilityTimeout", "43201"),
        ("VisibilityTimeout", "-1"),
        ("VisibilityTimeout", "soon"),
        ("DelaySeconds", "901"),
        ("MessageRetentionPeriod", "59"),
        ("MaximumMessageSize", "1023"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("RedrivePolicy", "{"),
        ("RedrivePolicy", '{"deadLetterTargetArn":"x","maxReceiveCount":0}'),
        ("Colour", "blue"),
    ],
)
def test_attributes_out_of_bounds_are_refused(sqs, make_queue, attribute, value):
    url = make_queue()
    with refused(("InvalidAttributeValue", "InvalidAttributeName", "InvalidParameterValue"), 400):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={attribute: value})


@pytest.mark.parametrize("bad", ["", "a b", "x" * 81, "semi;colon", "dot.ted", "wrong.fifo"])
def test_malformed_names_are_refused(sqs, bad):
    with refused(("InvalidParameterValue", "InvalidParameterValueException", "ValidationException"), 400):
        sqs.create_queue(QueueName=bad)


def test_missing_queues(daemon, sqs, make_queue):
    url = make_queue()
    sqs.delete_queue(QueueUrl=url)
    with refused(MISSING, 400):
        sqs.get_queue_url(QueueName="nope")
    for call in (
        lambda: sqs.send_message(QueueUrl=url, MessageBody="x"),
        lambda: sqs.receive_message(QueueUrl=url),
        lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]),
        lambda: sqs.purge_queue(QueueUrl=url),
        lambda: sqs.delete_queue(QueueUrl=url),
    ):
        with refused(MISSING, 400):
            call()


def test_list_by_prefix_and_in_pages(sqs, make_queue, name):
    made = {make_queue(f"{name[:60]}-{index}") for index in range(5)}
    assert set(sqs.list_queues(QueueNamePrefix=name[:60])["QueueUrls"]) == made
    seen = []
    for page in sqs.get_paginator("list_queues").paginate(QueueNamePrefix=name[:60], PaginationConfig={"PageSize": 2}):
        assert len(page["QueueUrls"]) <= 2
        seen += page["QueueUrls"]
    assert set(seen) == made and len(seen) == 5
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="nobody-has-this")


def test_send_receive_delete(sqs, make_queue):
    url = make_queue()
    attributes = {
        "Kind": {"DataType": "String", "StringValue": "order"},
        "N": {"DataType": "Number", "StringValue": "7"},
        "B": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody="höllo", MessageAttributes=attributes)
    assert sent["MD5OfMessageBody"] == hashlib.md5("höllo".encode()).hexdigest() and sent["MD5OfMessageAttributes"]
    [message] = receive(sqs, url, MessageAttributeNames=["All"])
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "höllo")
    assert (
        message["MD5OfBody"] == sent["MD5OfMessageBody"]
        and message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    )
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert abs(int(message["Attributes"]["SentTimestamp"]) / 1000 - time.time()) < 30
    assert (count(sqs, url), count(sqs, url, "ApproximateNumberOfMessagesNotVisible")) == (0, 1)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert count(sqs, url, "ApproximateNumberOfMessagesNotVisible") == 0
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    with refused(("ReceiptHandleIsInvalid", "InvalidParameterValue"), 404):
        sqs.delete_message(QueueUrl=url, ReceiptHandle="nonsense")


def test_only_asked_for_attributes_come(sqs, make_queue):
    url = make_queue()
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes={"A": {"DataType": "String", "StringValue": "1"}})
    message = sqs.receive_message(QueueUrl=url)["Messages"][0]
    assert "Attributes" not in message and "MessageAttributes" not in message


def test_bodies_up_to_the_limit(sqs, make_queue):
    url = make_queue(MaximumMessageSize=2048)
    sqs.send_message(QueueUrl=url, MessageBody="x" * 2048)
    with refused(("InvalidParameterValue", "InvalidMessageContents"), 400):
        sqs.send_message(QueueUrl=url, MessageBody="x" * 2049)
    with refused(("MissingParameter", "InvalidParameterValue", "InvalidMessageContents"), 400):
        sqs.send_message(QueueUrl=url, MessageBody="")
    with refused(("InvalidMessageContents", "InvalidParameterValue"), 400):
        sqs.send_message(QueueUrl=url, MessageBody="bell \x07")
    assert len(receive(sqs, url)[0]["Body"]) == 2048


def test_a_received_message_is_hidden_and_comes_back(sqs, make_queue):
    url = make_queue(VisibilityTimeout=1)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [first] = receive(sqs, url)
    assert receive(sqs, url) == []
    [again] = wait.until("it comes back", lambda: receive(sqs, url), 5)
    assert again["MessageId"] == first["MessageId"] and again["ReceiptHandle"] != first["ReceiptHandle"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert (
        again["Attributes"]["ApproximateFirstReceiveTimestamp"]
        == first["Attributes"]["ApproximateFirstReceiveTimestamp"]
    )


def test_change_visibility(sqs, make_queue):
    url = make_queue(VisibilityTimeout=60)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [message] = receive(sqs, url)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    [message] = receive(sqs, url)
    with refused(("InvalidParameterValue",), 400):
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=43_201)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    [message] = receive(sqs, url, VisibilityTimeout=1)
    assert message["Attributes"]["ApproximateReceiveCount"] == "3"
    wait.until("it comes back after the receive's own timeout", lambda: receive(sqs, url), 5)


def test_long_poll_waits_for_a_message(sqs, make_queue):
    url = make_queue()
    start = time.monotonic()
    assert receive(sqs, url, WaitTimeSeconds=1) == []
    assert 0.9 < time.monotonic() - start < 5
    got = []
    thread = threading.Thread(target=lambda: got.extend(receive(sqs, url, WaitTimeSeconds=20)))
    start = time.monotonic()
    thread.start()
    time.sleep(0.5)  # the receive is to be waiting before the send; were it late, the test would still hold
    sqs.send_message(QueueUrl=url, MessageBody="at last")
    thread.join(25)
    assert [message["Body"] for message in got] == ["at last"] and time.monotonic() - start < 10


def test_delays(sqs, make_queue):
    url = make_queue(DelaySeconds=1)
    sqs.send_message(QueueUrl=url, MessageBody="later")
    sqs.send_message(QueueUrl=url, MessageBody="now", DelaySeconds=0)
    assert [message["Body"] for message in receive(sqs, url, MaxNumberOfMessages=10)] == ["now"]
    assert count(sqs, url, "ApproximateNumberOfMessagesDelayed") == 1
    [message] = wait.until("it comes", lambda: receive(sqs, url), 5)
    assert message["Body"] == "later"


def test_batches(sqs, make_queue):
    url = make_queue()
    entries = [{"Id": str(index), "MessageBody": f"m{index}"} for index in range(10)]
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert sorted(entry["Id"] for entry in sent["Successful"]) == sorted(entry["Id"] for entry in entries)
    messages = receive(sqs, url, MaxNumberOfMessages=10)
    while len(messages) < 10:
        messages += receive(sqs, url, MaxNumberOfMessages=10)
    assert sorted(message["Body"] for message in messages) == sorted(entry["MessageBody"] for entry in entries)
    done = sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "good", "ReceiptHandle": messages[0]["ReceiptHandle"]},
            {"Id": "bad", "ReceiptHandle": "nonsense"},
        ],
    )
    assert [entry["Id"] for entry in done["Successful"]] == ["good"]
    assert [(entry["Id"], entry["SenderFault"]) for entry in done["Failed"]] == [("bad", True)]


def test_batch_refusals(sqs, make_queue):
    url = make_queue()
    entry = {"Id": "a", "MessageBody": "x"}
    for code, entries in (
        ("AWS.SimpleQueueService.EmptyBatchRequest", []),
        (
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            [{"Id": str(i), "MessageBody": "x"} for i in range(11)],
        ),
        ("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", [entry, entry]),
        ("AWS.SimpleQueueService.InvalidBatchEntryId", [entry | {"Id": "a b"}]),
    ):
        with refused((code, code.rpartition(".")[2]), 400):
            sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert count(sqs, url) == 0


@pytest.mark.parametrize("number", [0, 11])
def test_receive_takes_one_to_ten(sqs, make_queue, number):
    with refused(("InvalidParameterValue", "ReadCountOutOfRange"), 400):
        sqs.receive_message(QueueUrl=make_queue(), MaxNumberOfMessages=number)


def test_purge(sqs, make_queue):
    url = make_queue()
    for index in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=str(index))
    receive(sqs, url)
    sqs.purge_queue(QueueUrl=url)
    assert count(sqs, url) == 0 and count(sqs, url, "ApproximateNumberOfMessagesNotVisible") == 0
    sqs.send_message(QueueUrl=url, MessageBody="after")
    assert [message["Body"] for message in receive(sqs, url)] == ["after"]


def test_dead_letters(sqs, make_queue, name):
    dead = make_queue(f"{name[:60]}-dead")
    url = make_queue(
        VisibilityTimeout=0,
        RedrivePolicy=f'{{"deadLetterTargetArn": "{queue_arn(f"{name[:60]}-dead")}", "maxReceiveCount": 2}}',
    )
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison")
    for expected in ("1", "2"):
        [message] = receive(sqs, url)
        assert message["Attributes"]["ApproximateReceiveCount"] == expected
    assert receive(sqs, url) == []
    [message] = wait.until("it is a dead letter", lambda: receive(sqs, dead), 5)
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "poison")
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == queue_arn(url.rpartition("/")[2])
    assert count(sqs, url) == 0


def test_a_dead_letter_queue_must_exist(sqs, make_queue):
    with refused(("InvalidParameterValue", "InvalidAttributeValue", *MISSING), 400):
        make_queue(RedrivePolicy=f'{{"deadLetterTargetArn": "{queue_arn("nope")}", "maxReceiveCount": 2}}')


def test_queue_metrics(daemon, sqs, make_queue, name):
    url = make_queue(name)
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody="x")
    receive(sqs, url)
    wait.until(
        "the gauges follow",
        lambda: (
            (
                lambda m: (
                    m.sum("lamina_queue_messages", queue=name, state="available"),
                    m.sum("lamina_queue_messages", queue=name, state="in_flight"),
                )
            )(daemon.metrics())
            == (2, 1)
        ),
        15,
    )


def test_unknown_operations_and_targets_are_refused(daemon):
    for target in ("AmazonSQS.Nonsense", "AmazonS3.ListBuckets", ""):
        answer = daemon.request(
            "POST", "/", b"{}", {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}, "api"
        )
        assert 400 <= answer.status < 500, answer


def test_many_senders_at_once(daemon, make_queue):
    url = make_queue()
    sent, failures = [], []

    def send(worker):
        try:
            for index in range(25):
                sent.append(daemon.sqs.send_message(QueueUrl=url, MessageBody=f"{worker}-{index}")["MessageId"])
        except Exception as error:  # shown below: a thread's exception would go unseen
            failures.append(error)

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    seen = drain(daemon.sqs, url, 200, 30)
    assert sorted(message["MessageId"] for message in seen) == sorted(sent)
