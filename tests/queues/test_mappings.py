"""Event source mappings: a queue's messages become a function's batches."""

import json
import time

import pytest

from harness import wait
from harness.clients import function_arn, queue_arn, refused
from harness.queues import count, receive


@pytest.fixture
def mapping(lam):
    """Makes mappings from a queue's URL to a function, deleted with the test."""
    made = []

    def make(url, function, **more):
        answer = lam.create_event_source_mapping(
            EventSourceArn=queue_arn(url.rpartition("/")[2]), FunctionName=function, **more
        )
        made.append(answer["UUID"])
        enabled(lam, answer["UUID"], more.get("Enabled", True))
        return answer

    yield make
    for identity in made:
        try:
            lam.delete_event_source_mapping(UUID=identity)
        except (lam.exceptions.ResourceNotFoundException, lam.exceptions.ResourceInUseException):
            pass


def enabled(lam, identity, on=True):
    wanted = "Enabled" if on else "Disabled"
    wait.until(wanted, lambda: lam.get_event_source_mapping(UUID=identity)["State"] == wanted, 20)


def records(daemon, function):
    """Messages a function has printed that it got."""
    lines = (line.partition("RECORD ")[2] for line in daemon.logs(function) if "RECORD {" in line)
    return [json.loads(line) for line in lines]


def got(daemon, function, number, seconds=15):
    return wait.until(
        f"{number} messages", lambda: (seen := records(daemon, function)) and len(seen) >= number and seen, seconds
    )


def test_create_get_list_update_delete(lam, make, make_queue):
    function, url = make("invoke_ops"), make_queue()
    arn = queue_arn(url.rpartition("/")[2])
    created = lam.create_event_source_mapping(EventSourceArn=arn, FunctionName=function, BatchSize=5, Enabled=False)
    identity = created["UUID"]
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (created["EventSourceArn"], created["FunctionArn"], created["BatchSize"]) == (arn, function_arn(function), 5)
    enabled(lam, identity, False)
    with refused("ResourceConflictException", 409):
        lam.create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
    assert [m["UUID"] for m in lam.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]] == [
        identity
    ]
    assert [m["UUID"] for m in lam.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]] == [identity]
    with refused("InvalidParameterValueException", 400):
        lam.update_event_source_mapping(UUID=identity, BisectBatchOnFunctionError=True)
    updated = lam.update_event_source_mapping(UUID=identity, BatchSize=7, Enabled=True)
    assert updated["BatchSize"] == 7
    enabled(lam, identity)
    assert lam.delete_event_source_mapping(UUID=identity)["ResponseMetadata"]["HTTPStatusCode"] == 202

    def gone():
        try:
            lam.get_event_source_mapping(UUID=identity)
            return False
        except lam.exceptions.ResourceNotFoundException:
            return True

    wait.until("it is gone", gone, 15)


def test_refusals(lam, make, make_queue):
    function, url = make(), make_queue()
    arn = queue_arn(url.rpartition("/")[2])
    create = lam.create_event_source_mapping
    with refused("ResourceNotFoundException", 404):
        create(EventSourceArn=arn, FunctionName="nope")
    with refused(("InvalidParameterValueException", "ResourceNotFoundException")):
        create(EventSourceArn=queue_arn("nope"), FunctionName=function)
    for bad in (
        {"BatchSize": 0},
        {"BatchSize": 10_001},
        {"BatchSize": 11},
        {"MaximumBatchingWindowInSeconds": 301},
        {"ScalingConfig": {"MaximumConcurrency": 1}},
        {"FilterCriteria": {"Filters": [{"Pattern": "{"}]}},
        {"FunctionResponseTypes": ["Nonsense"]},
    ):
        with refused(("InvalidParameterValueException", "ValidationException"), 400):
            create(EventSourceArn=arn, FunctionName=function, **bad)
    for call in (lam.get_event_source_mapping, lam.delete_event_source_mapping):
        with refused("ResourceNotFoundException", 404):
            call(UUID="00000000-0000-0000-0000-000000000000")


def test_messages_reach_the_function_and_are_deleted(daemon, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops"), make_queue()
    mapping(url, function)
    sent = [sqs.send_message(QueueUrl=url, MessageBody=f"m{index}")["MessageId"] for index in range(12)]
    seen = got(daemon, function, 12)
    assert sorted(record["id"] for record in seen) == sorted(sent)
    assert {(record["source"], record["arn"]) for record in seen} == {("aws:sqs", queue_arn(url.rpartition("/")[2]))}
    wait.until(
        "the queue is empty", lambda: count(sqs, url) + count(sqs, url, "ApproximateNumberOfMessagesNotVisible") == 0
    )
    metrics = daemon.metrics()
    assert metrics.sum("lamina_invocations_total", function=function, source="queue") >= 2
    assert metrics.sum("lamina_mapping_messages_total", outcome="succeeded") >= 12


def test_batch_size_and_window(daemon, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops"), make_queue()
    mapping(url, function, BatchSize=4, MaximumBatchingWindowInSeconds=1)
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": str(i)} for i in range(10)])
    seen = got(daemon, function, 10)
    assert max(record["batch"] for record in seen) == 4


def test_a_failed_batch_comes_again(daemon, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops", Timeout=1), make_queue(VisibilityTimeout=1)
    mapping(url, function)
    sqs.send_message(QueueUrl=url, MessageBody='{"do": "error"}')
    assert [record["receives"] for record in got(daemon, function, 2)][:2] == ["1", "2"]


def test_partial_failure(daemon, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops", Timeout=1), make_queue(VisibilityTimeout=1)
    mapping(url, function, FunctionResponseTypes=["ReportBatchItemFailures"], MaximumBatchingWindowInSeconds=1)
    sqs.send_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "1", "MessageBody": '{"n": 1}'},
            {"Id": "2", "MessageBody": '{"do": "until", "receives": 3}'},
            {"Id": "3", "MessageBody": '{"n": 3}'},
        ],
    )
    wait.until(
        "all are done",
        lambda: (
            count(sqs, url) + count(sqs, url, "ApproximateNumberOfMessagesNotVisible") == 0
            and len(records(daemon, function)) >= 5
        ),
        20,
    )
    times = {}
    for record in records(daemon, function):
        times[record["body"]] = times.get(record["body"], 0) + 1
    assert times == {'{"n": 1}': 1, '{"do": "until", "receives": 3}': 3, '{"n": 3}': 1}


def test_without_report_batch_item_failures_the_answer_is_ignored(daemon, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops", Timeout=1), make_queue(VisibilityTimeout=1)
    mapping(url, function)
    sqs.send_message(QueueUrl=url, MessageBody='{"do": "fail"}')
    got(daemon, function, 1)
    wait.until("it is deleted", lambda: count(sqs, url) + count(sqs, url, "ApproximateNumberOfMessagesNotVisible") == 0)


def test_a_poison_message_ends_as_a_dead_letter(daemon, sqs, make, make_queue, mapping, name):
    dead = make_queue(f"{name[:60]}-dead")
    policy = json.dumps({"deadLetterTargetArn": queue_arn(f"{name[:60]}-dead"), "maxReceiveCount": 2})
    function, url = make("invoke_ops", Timeout=1), make_queue(VisibilityTimeout=1, RedrivePolicy=policy)
    mapping(url, function)
    sqs.send_message(QueueUrl=url, MessageBody='{"do": "error"}')
    [message] = wait.until("it is there", lambda: receive(sqs, dead), 20)
    assert message["Body"] == '{"do": "error"}' and len(records(daemon, function)) == 2


def test_a_filter_drops_what_does_not_match(daemon, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops"), make_queue()
    pattern = json.dumps({"body": {"kind": ["order"], "total": [{"numeric": [">", 10]}]}})
    mapping(url, function, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    bodies = [
        '{"kind": "order", "total": 11}',
        '{"kind": "order", "total": 10}',
        '{"kind": "refund", "total": 99}',
        "no json",
    ]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    wait.until(
        "all are gone", lambda: count(sqs, url) + count(sqs, url, "ApproximateNumberOfMessagesNotVisible") == 0, 15
    )
    assert [record["body"] for record in got(daemon, function, 1)] == bodies[:1]


def test_maximum_concurrency(daemon, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops", Timeout=20), make_queue(VisibilityTimeout=60)
    mapping(url, function, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    for _ in range(12):
        sqs.send_message(QueueUrl=url, MessageBody='{"do": "sleep", "ms": 250}')
    most, deadline = 0, time.monotonic() + 30
    while len(records(daemon, function)) < 12 and time.monotonic() < deadline:
        most = max(most, int(daemon.metrics().sum("lamina_environments", function=function, state="busy")))
    assert len(records(daemon, function)) == 12 and 1 <= most <= 2


def test_a_fifo_queue_stays_in_order(daemon, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops"), make_queue(fifo=True, ContentBasedDeduplication="true")
    mapping(url, function, BatchSize=3)
    for index in range(9):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"n": index}), MessageGroupId="g")
    assert [json.loads(record["body"])["n"] for record in got(daemon, function, 9)] == list(range(9))


def test_a_disabled_mapping_takes_nothing(daemon, lam, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops"), make_queue()
    identity = mapping(url, function, Enabled=False)["UUID"]
    sqs.send_message(QueueUrl=url, MessageBody="wait")
    wait.steadily("it stays", lambda: count(sqs, url) == 1, 1)
    lam.update_event_source_mapping(UUID=identity, Enabled=True)
    assert len(got(daemon, function, 1)) == 1


def test_a_throttled_function_loses_no_message(daemon, lam, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops", Timeout=1), make_queue(VisibilityTimeout=1)
    lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    mapping(url, function)
    sent = {sqs.send_message(QueueUrl=url, MessageBody=str(index))["MessageId"] for index in range(5)}
    wait.until("it was throttled", lambda: daemon.metrics().sum("lamina_throttles_total", function=function) >= 1, 10)
    assert records(daemon, function) == []
    lam.delete_function_concurrency(FunctionName=function)
    assert {record["id"] for record in got(daemon, function, 5, 30)} == sent


def test_a_mapping_to_an_alias(daemon, lam, sqs, make, make_queue, mapping):
    function, url = make("invoke_ops", Publish=True), make_queue()
    lam.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    assert mapping(url, f"{function}:live")["FunctionArn"] == function_arn(function, "live")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert got(daemon, function, 1)[0]["version"] == "1"
