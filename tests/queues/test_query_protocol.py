"""SQS as its clients spoke it before 2023: forms in, XML out. boto3 does it with the model's traits of then."""

import gzip
import json
import pathlib
import subprocess
import urllib.parse

import boto3
import botocore
import botocore.config
import pytest

from harness import wait
from harness.clients import ACCOUNT, REGION, queue_arn, refused
from harness.daemon import binary

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

# Names of what is within lists and maps, which the model of today no longer has.
LISTS = {
    "AttributeNameList": "AttributeName",
    "MessageSystemAttributeList": "AttributeName",
    "MessageAttributeNameList": "MessageAttributeName",
    "TagKeyList": "TagKey",
    "QueueUrlList": "QueueUrl",
    "MessageList": "Message",
    "SendMessageBatchRequestEntryList": "SendMessageBatchRequestEntry",
    "DeleteMessageBatchRequestEntryList": "DeleteMessageBatchRequestEntry",
    "ChangeMessageVisibilityBatchRequestEntryList": "ChangeMessageVisibilityBatchRequestEntry",
    "SendMessageBatchResultEntryList": "SendMessageBatchResultEntry",
    "DeleteMessageBatchResultEntryList": "DeleteMessageBatchResultEntry",
    "ChangeMessageVisibilityBatchResultEntryList": "ChangeMessageVisibilityBatchResultEntry",
    "BatchResultErrorEntryList": "BatchResultErrorEntry",
}
MAPS = {
    "QueueAttributeMap": ("Attribute", "Name"),
    "MessageSystemAttributeMap": ("Attribute", "Name"),
    "MessageBodyAttributeMap": ("MessageAttribute", "Name"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name"),
    "TagMap": ("Tag", "Key"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A directory with the service's model as it was."""
    data = pathlib.Path(botocore.__file__).parent / "data" / "sqs" / "2012-11-05"
    packed = data / "service-2.json.gz"
    text = gzip.decompress(packed.read_bytes()) if packed.exists() else (data / "service-2.json").read_bytes()
    model = json.loads(text)
    metadata = model["metadata"]
    for key in ("awsQueryCompatible", "jsonVersion", "targetPrefix", "protocols"):
        metadata.pop(key, None)
    metadata |= {"protocol": "query", "xmlNamespace": "http://queue.amazonaws.com/doc/2012-11-05/"}
    for operation in model["operations"].values():
        if "output" in operation:
            operation["output"]["resultWrapper"] = f"{operation['name']}Result"
    for name, inner in LISTS.items():
        model["shapes"][name]["flattened"] = True
        model["shapes"][name]["member"]["locationName"] = inner
    for name, (outer, key) in MAPS.items():
        shape = model["shapes"][name]
        shape["flattened"] = True
        shape["key"]["locationName"], shape["value"]["locationName"] = key, "Value"
        for structure in model["shapes"].values():
            for member in structure.get("members", {}).values():
                if member["shape"] == name:
                    member["locationName"] = outer
    for shape in model["shapes"].values():
        # The second list of attribute names keeps its own.
        for name, member in shape.get("members", {}).items():
            if name == "MessageSystemAttributeNames":
                member["locationName"] = "MessageSystemAttributeName"
    directory = tmp_path_factory.mktemp("models")
    (directory / "sqs" / "2012-11-05").mkdir(parents=True)
    (directory / "sqs" / "2012-11-05" / "service-2.json").write_text(json.dumps(model))
    return directory


def client(daemon, models, key=("test", "test")):
    session = boto3.session.Session(*key, region_name=REGION)
    session._loader.search_paths.insert(0, str(models))
    config = botocore.config.Config(retries={"max_attempts": 0}, parameter_validation=False)
    made = session.client("sqs", endpoint_url=daemon.api, config=config)
    assert made.meta.service_model.metadata["protocol"] == "query"
    return made


@pytest.fixture
def old(daemon, models):
    return client(daemon, models)


def post(daemon, path="/", **form):
    body = urllib.parse.urlencode({"Version": "2012-11-05"} | form)
    answer = daemon.request("POST", path, body, FORM, listener="api")
    return answer, answer.body.decode()


def test_queues_are_made_shown_changed_and_deleted(old, name):
    dead = f"{name[:60]}-dead"
    old.create_queue(QueueName=dead)
    redrive = json.dumps({"deadLetterTargetArn": queue_arn(dead), "maxReceiveCount": "2"})
    attributes = {"VisibilityTimeout": "7", "RedrivePolicy": redrive}
    made = old.create_queue(QueueName=name, Attributes=attributes, tags={"a": "1"})
    url = made["QueueUrl"]
    assert url.endswith(f"/{ACCOUNT}/{name}") and made["ResponseMetadata"]["RequestId"]
    assert made["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/xml"
    assert old.get_queue_url(QueueName=name)["QueueUrl"] == url
    shown = old.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (shown["VisibilityTimeout"], shown["QueueArn"]) == ("7", queue_arn(name))
    old.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "8", "DelaySeconds": "0"})
    shown = old.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "DelaySeconds"])["Attributes"]
    assert shown == {"VisibilityTimeout": "8", "DelaySeconds": "0"}
    sources = old.list_dead_letter_source_queues(QueueUrl=url.replace(name, dead))
    assert sources["queueUrls"] == [url]
    old.tag_queue(QueueUrl=url, Tags={"b": "2", "c": "<&>"})
    old.untag_queue(QueueUrl=url, TagKeys=["a", "b"])
    assert old.list_queue_tags(QueueUrl=url)["Tags"] == {"c": "<&>"}
    listed = [
        page["QueueUrls"]
        for page in old.get_paginator("list_queues").paginate(
            QueueNamePrefix=name[:60], PaginationConfig={"PageSize": 1}
        )
    ]
    assert [len(page) for page in listed] == [1, 1] and url in listed[0] + listed[1]
    old.purge_queue(QueueUrl=url)
    for made in (url, url.replace(name, dead)):
        old.delete_queue(QueueUrl=made)
    with refused("AWS.SimpleQueueService.NonExistentQueue", 400, says="does not exist"):
        old.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])


def test_messages_go_round(old, sqs, make_queue):
    url = make_queue()
    attributes = {
        "text": {"DataType": "String", "StringValue": "é <&> \"'"},
        "number": {"DataType": "Number", "StringValue": "1.5"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    body = "a & b = c + é <x/>\n\t]]>"
    sent = old.send_message(
        QueueUrl=url, MessageBody=body, MessageAttributes=attributes, MessageSystemAttributes=trace, DelaySeconds=0
    )
    # boto3 compares the digests of what it sent with those in the answer.
    wanted = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"], "MaxNumberOfMessages": 10}
    (message,) = old.receive_message(QueueUrl=url, WaitTimeSeconds=1, VisibilityTimeout=30, **wanted)["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], body)
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["Attributes"]["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
    old.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    # What one protocol sent, the other receives.
    (same,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert (same["Body"], same["MessageAttributes"]) == (body, attributes)
    old.delete_message(QueueUrl=url, ReceiptHandle=same["ReceiptHandle"])
    empty = old.receive_message(QueueUrl=url)
    assert "Messages" not in empty and empty["ResponseMetadata"]["HTTPStatusCode"] == 200
    named = old.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes) and old.receive_message(
        QueueUrl=url, MessageAttributeNames=["nu*"], MessageSystemAttributeNames=["SentTimestamp"]
    )
    (message,) = named["Messages"]
    assert (set(message["MessageAttributes"]), set(message["Attributes"])) == ({"number"}, {"SentTimestamp"})


def test_batches(old, make_queue):
    url = make_queue()
    entries = [{"Id": str(n), "MessageBody": f"m{n}", "DelaySeconds": 0} for n in range(10)]
    entries[3]["MessageAttributes"] = {"a": {"DataType": "String", "StringValue": "v"}}
    entries[7]["DelaySeconds"] = 901
    sent = old.send_message_batch(QueueUrl=url, Entries=entries)
    assert {one["Id"] for one in sent["Successful"]} == set("012345689")
    (failed,) = sent["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("7", "InvalidParameterValue", True)
    messages = []

    def more():
        messages.extend(old.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []))
        return len(messages) == 9

    wait.until("all messages", more)
    handles = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
    changed = old.change_message_visibility_batch(
        QueueUrl=url, Entries=[handle | {"VisibilityTimeout": 60} for handle in handles]
    )
    assert len(changed["Successful"]) == 9 and not changed.get("Failed")
    deleted = old.delete_message_batch(QueueUrl=url, Entries=[*handles[:1], {"Id": "x", "ReceiptHandle": "none"}])
    assert [one["Id"] for one in deleted["Successful"]] == ["0"]
    assert [(one["Id"], one["Code"]) for one in deleted["Failed"]] == [("x", "ReceiptHandleIsInvalid")]
    with refused("AWS.SimpleQueueService.EmptyBatchRequest", 400):
        old.send_message_batch(QueueUrl=url, Entries=[])
    with refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400):
        old.send_message_batch(QueueUrl=url, Entries=[*entries, {"Id": "n", "MessageBody": "x"}])


def test_fifo_queues(old, make_queue):
    url = make_queue(fifo=True)
    one = {"QueueUrl": url, "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    first, again = old.send_message(**one), old.send_message(**one)
    assert first["SequenceNumber"] == again["SequenceNumber"] and first["MessageId"] == again["MessageId"]
    got = old.receive_message(QueueUrl=url, AttributeNames=["All"], ReceiveRequestAttemptId="a")["Messages"]
    assert [message["Attributes"]["MessageGroupId"] for message in got] == ["g"]


def test_a_form_goes_to_the_queue_s_own_address(daemon, make_queue, sqs):
    url = make_queue()
    path = urllib.parse.urlsplit(url).path
    answer, text = post(daemon, path, Action="SendMessage", MessageBody="to the address")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/xml"), text
    assert text.startswith(
        '<?xml version="1.0"?>\n<SendMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/">'
    )
    assert f"<RequestId>{answer.headers['x-amzn-requestid']}</RequestId>" in text
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "to the address"
    # In the query, as a link would have it.
    answer = daemon.request(
        "GET", f"{path}?Action=GetQueueAttributes&AttributeName=QueueArn&Version=2012-11-05", listener="api"
    )
    assert answer.status == 200 and b"<Name>QueueArn</Name>" in answer.body


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"Action": "SendMessage"}, 400, "MissingParameter"),
        ({"Action": "CreateQueue"}, 400, "MissingParameter"),
        ({"Action": "CreateQueue", "QueueName": "a b"}, 400, "InvalidParameterValue"),
        ({"Action": "ReceiveMessage", "QueueUrl": "x"}, 404, "InvalidAddress"),
        (
            {"Action": "DeleteQueue", "QueueUrl": f"http://h/{ACCOUNT}/none"},
            400,
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        ({"Action": "ListQueues", "MaxResults": "many"}, 400, "InvalidParameterValue"),
        ({"Action": "AddPermission", "QueueUrl": "x"}, 400, "AWS.SimpleQueueService.UnsupportedOperation"),
        ({"Action": "Nothing"}, 400, "InvalidAction"),
        ({"Action": "<x>&"}, 400, "InvalidAction"),
        ({"Action": ""}, 400, "InvalidAction"),
        ({"Action": "ListQueues", "Version": "2001-01-01"}, 400, "InvalidAction"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals_are_xml_with_the_codes_of_old(daemon, form, status, code):
    answer, text = post(daemon, **form)
    assert (answer.status, answer.headers["content-type"]) == (status, "text/xml"), text
    assert f"<Code>{code}</Code>" in text and "<Type>Sender</Type>" in text and "<RequestId>" in text


def test_signatures_and_policies_hold(own_daemon, models):
    daemon = own_daemon()

    def made(*may):
        command = [binary(), "credentials", "create", *map(str, may), "--data-dir", daemon.data, "--output", "json"]
        return json.loads(subprocess.run(command, capture_output=True, timeout=30, check=True).stdout)

    policy = daemon.directory / "policy.json"
    allow = {"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:CreateQueue"], "Resource": queue_arn("mine")}
    policy.write_text(json.dumps({"Statement": [allow]}))
    admin, some = made("admin", "--admin"), made("some", "--policy", policy)
    daemon.start()
    old = lambda key, secret=None: client(  # noqa: E731
        daemon, models, (key["AccessKeyId"], secret or key["SecretAccessKey"])
    )
    mine = old(some).create_queue(QueueName="mine")["QueueUrl"]
    other = old(admin).create_queue(QueueName="other")["QueueUrl"]
    old(some).send_message_batch(QueueUrl=mine, Entries=[{"Id": "a", "MessageBody": "x"}])
    for call in (
        lambda: old(some).send_message(QueueUrl=other, MessageBody="x"),
        lambda: old(some).receive_message(QueueUrl=mine),
        lambda: old(some).list_queues(),
    ):
        with refused("AccessDenied", 403, says="is not authorized to perform: sqs:"):
            call()
    with refused("SignatureDoesNotMatch", 403):
        old(admin, "wrong").list_queues()
    with refused("InvalidClientTokenId", 403):
        old({"AccessKeyId": "LKIAAAAAAAAAAAAAAAAA", "SecretAccessKey": "x"}).list_queues()
    answer, text = post(daemon, Action="ListQueues")
    assert answer.status == 403 and "<Code>MissingAuthenticationToken</Code>" in text
    answer, text = post(daemon, urllib.parse.urlsplit(mine).path, Action="PurgeQueue")
    assert answer.status == 403 and "<Code>MissingAuthenticationToken</Code>" in text
