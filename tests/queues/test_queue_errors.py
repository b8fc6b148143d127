"""What SQS documents as errors, operation by operation; visibility in batches, tags, sources of dead letters."""

import pytest

from harness.clients import queue_arn, refused
from harness.queues import receive

# Codes as older clients know them stand beside the model's: boto3 tells the older ones.
MISSING = "AWS.SimpleQueueService.NonExistentQueue"
HANDLE = "no-handle"

# Operations that name a queue by its URL, with what else they need.
OF_A_QUEUE = {
    "change_message_visibility": {"ReceiptHandle": HANDLE, "VisibilityTimeout": 1},
    "change_message_visibility_batch": {"Entries": [{"Id": "a", "ReceiptHandle": HANDLE, "VisibilityTimeout": 1}]},
    "delete_message": {"ReceiptHandle": HANDLE},
    "delete_message_batch": {"Entries": [{"Id": "a", "ReceiptHandle": HANDLE}]},
    "delete_queue": {},
    "get_queue_attributes": {"AttributeNames": ["All"]},
    "list_dead_letter_source_queues": {},
    "list_queue_tags": {},
    "purge_queue": {},
    "receive_message": {},
    "send_message": {"MessageBody": "m"},
    "send_message_batch": {"Entries": [{"Id": "a", "MessageBody": "m"}]},
    "set_queue_attributes": {"Attributes": {"DelaySeconds": "1"}},
    "tag_queue": {"Tags": {"a": "1"}},
    "untag_queue": {"TagKeys": ["a"]},
}


@pytest.mark.parametrize("operation", OF_A_QUEUE)
def test_a_queue_has_to_be_there(daemon, sqs, operation):
    url = f"{daemon.api}/000000000000/no-such-queue"
    with refused(MISSING, 400):
        getattr(sqs, operation)(QueueUrl=url, **OF_A_QUEUE[operation])
    with refused("InvalidAddress", 404):
        getattr(sqs, operation)(QueueUrl=f"{daemon.api}/no-queue", **OF_A_QUEUE[operation])


@pytest.mark.parametrize("operation", ["send_message_batch", "delete_message_batch", "change_message_visibility_batch"])
def test_batches_that_are_none(sqs, make_queue, operation):
    url, call = make_queue(), getattr(sqs, operation)
    [entry] = OF_A_QUEUE[operation]["Entries"]
    many = [entry | {"Id": str(number)} for number in range(11)]
    for code, entries in (
        ("EmptyBatchRequest", []),
        ("TooManyEntriesInBatchRequest", many),
        ("BatchEntryIdsNotDistinct", [entry, entry]),
        ("InvalidBatchEntryId", [entry | {"Id": "a b"}]),
        ("InvalidBatchEntryId", [entry | {"Id": "a" * 81}]),
    ):
        with refused(f"AWS.SimpleQueueService.{code}", 400):
            call(QueueUrl=url, Entries=entries)
    call(QueueUrl=url, Entries=many[:10])


def test_a_batch_is_of_one_mebibyte(sqs, make_queue):
    url = make_queue(MaximumMessageSize=1_048_576)
    half = {"Id": "a", "MessageBody": "x" * 524_288}
    sqs.send_message_batch(QueueUrl=url, Entries=[half, half | {"Id": "b"}])
    with refused("AWS.SimpleQueueService.BatchRequestTooLong", 400):
        sqs.send_message_batch(QueueUrl=url, Entries=[half, half | {"Id": "b", "MessageBody": "x" * 524_289}])


def test_visibility_changes_in_batches(sqs, make_queue):
    url = make_queue(VisibilityTimeout=60)
    for body in ("a", "b"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    messages = []
    while len(messages) < 2:
        messages += receive(sqs, url, MaxNumberOfMessages=10)
    entries = [
        {"Id": message["Body"], "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
        for message in messages
    ]
    entries.append({"Id": "c", "ReceiptHandle": HANDLE, "VisibilityTimeout": 0})
    done = sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    assert sorted(entry["Id"] for entry in done["Successful"]) == ["a", "b"]
    [failed] = done["Failed"]
    assert (failed["Id"], failed["SenderFault"], failed["Code"]) == ("c", True, "ReceiptHandleIsInvalid")
    again = []
    while len(again) < 2:
        again += receive(sqs, url, MaxNumberOfMessages=10)
    assert sorted(message["Body"] for message in again) == ["a", "b"]


def test_the_visibility_of_what_is_not_in_flight(sqs, make_queue):
    url = make_queue(VisibilityTimeout=60)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [message] = receive(sqs, url)
    change = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
    sqs.change_message_visibility(**change)
    with refused("AWS.SimpleQueueService.MessageNotInflight", 400):
        sqs.change_message_visibility(**change)
    with refused("ReceiptHandleIsInvalid", 404):
        sqs.change_message_visibility(**change | {"ReceiptHandle": HANDLE})


def test_attributes_that_there_are_not(sqs, make_queue, name):
    url = make_queue()
    with refused("InvalidAttributeName", 400):
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Colour"])
    with refused("InvalidAttributeName", 400):
        sqs.create_queue(QueueName=name, Attributes={"Colour": "blue"})
    with refused("InvalidAttributeValue", 400):
        sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "901"})


def test_a_second_purge_within_a_minute(sqs, make_queue):
    url = make_queue()
    sqs.purge_queue(QueueUrl=url)
    with refused("AWS.SimpleQueueService.PurgeQueueInProgress", 403):
        sqs.purge_queue(QueueUrl=url)


def test_what_sqs_has_no_use_for_is_refused(sqs, make_queue):
    url = make_queue()
    lists = {"a": {"DataType": "String", "StringListValues": ["x"]}}
    with refused("AWS.SimpleQueueService.UnsupportedOperation", 400):
        sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=lists)


def test_tags(sqs, make_queue):
    url = make_queue()
    assert not sqs.list_queue_tags(QueueUrl=url).get("Tags")
    sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": "2"})
    sqs.tag_queue(QueueUrl=url, Tags={"b": "3"})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "1", "b": "3"}
    sqs.untag_queue(QueueUrl=url, TagKeys=["a", "never"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"b": "3"}
    sqs.tag_queue(QueueUrl=url, Tags={f"tag-{number}": "" for number in range(49)})
    with refused("InvalidParameterValue", 400):
        sqs.tag_queue(QueueUrl=url, Tags={"one-more": ""})
    assert len(sqs.list_queue_tags(QueueUrl=url)["Tags"]) == 50


def test_the_sources_of_a_dead_letter_queue(sqs, make_queue):
    dead = make_queue()
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == []
    policy = f'{{"deadLetterTargetArn": "{queue_arn(dead.rpartition("/")[2])}", "maxReceiveCount": 3}}'
    source = make_queue(RedrivePolicy=policy)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [source]
    sqs.set_queue_attributes(QueueUrl=source, Attributes={"RedrivePolicy": ""})
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == []
