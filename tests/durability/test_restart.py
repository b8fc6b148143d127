"""A restart, orderly or not, changes nothing that a client can see."""

import json

import pytest

from harness import packages
from harness.clients import ROLE, function_arn, queue_arn
from harness.functions import active, create, zipped


def everything(daemon):
    """What the APIs say, in full, of the few things this test makes."""
    lam, sqs, scheduler = daemon.lam, daemon.sqs, daemon.scheduler

    def plain(answer, *dropped):
        return {k: v for k, v in answer.items() if k not in ("ResponseMetadata", *dropped)}

    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    return json.dumps(
        {
            "functions": lam.list_functions()["Functions"],
            "versions": lam.list_versions_by_function(FunctionName="f")["Versions"],
            "aliases": lam.list_aliases(FunctionName="f")["Aliases"],
            "concurrency": plain(lam.get_function_concurrency(FunctionName="f")),
            "tags": lam.get_function(FunctionName="f")["Tags"],
            "mappings": [plain(m, "State") for m in lam.list_event_source_mappings()["EventSourceMappings"]],
            "queue": sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"],
            "schedule": plain(scheduler.get_schedule(Name="s")),
        },
        default=str,
        indent=1,
        sort_keys=True,
    )


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_all_is_as_it_was(own_daemon, how):
    daemon = own_daemon().start()
    create(
        daemon.lam,
        "f",
        packages.text_package("invoke_constant.event", "one"),
        {"STAGE": "1"},
        Tags={"a": "b"},
        Publish=True,
    )
    daemon.lam.update_function_code(FunctionName="f", ZipFile=packages.text_package("invoke_constant.event", "two"))
    active(daemon.lam, "f")
    daemon.lam.publish_version(FunctionName="f")
    daemon.lam.create_alias(
        FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}}
    )
    daemon.lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=5)
    daemon.sqs.create_queue(QueueName="other")
    daemon.sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "77"})
    daemon.lam.create_event_source_mapping(EventSourceArn=queue_arn("other"), FunctionName="f", BatchSize=3)
    daemon.scheduler.create_schedule(
        Name="s",
        ScheduleExpression="rate(9 days)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": function_arn("f"), "RoleArn": ROLE, "Input": "{}"},
    )
    url = daemon.sqs.get_queue_url(QueueName="q")["QueueUrl"]
    for index in range(3):
        daemon.sqs.send_message(QueueUrl=url, MessageBody=str(index))
    before = everything(daemon).replace(daemon.api, "API")
    getattr(daemon, how)()
    daemon.start()
    assert everything(daemon).replace(daemon.api, "API") == before
    assert daemon.invoke("f", Qualifier="1").ok() == "one" and daemon.invoke("f", Qualifier="2").ok() == "two"


def test_a_receive_counts_and_hides_over_a_kill(own_daemon):
    daemon = own_daemon().start()
    url = daemon.sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
    daemon.sqs.send_message(QueueUrl=url, MessageBody="x")
    handle = daemon.sqs.receive_message(QueueUrl=url)["Messages"][0]["ReceiptHandle"]
    daemon.kill()
    daemon.start()
    url = daemon.sqs.get_queue_url(QueueName="q")["QueueUrl"]
    assert "Messages" not in daemon.sqs.receive_message(QueueUrl=url)
    daemon.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    [message] = daemon.sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"


def test_native_code_is_kept_over_a_restart(own_daemon):
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_ops"))
    daemon.invoke("f", {"op": "count"}).ok()
    daemon.stop()
    daemon.start()
    daemon.invoke("f", {"op": "count"}).ok()
    scrape = daemon.metrics()
    assert scrape.sum("lamina_code_cache_misses_total") == 0 and scrape.sum("lamina_code_cache_hits_total") >= 1


def test_a_damaged_database_is_told_not_guessed(own_daemon):
    from harness.daemon import NotReady

    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_echo.event"))
    daemon.stop()
    databases = [
        path for path in daemon.data.rglob("*") if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"
    ]
    assert databases
    for path in databases:
        with path.open("r+b") as file:
            file.write(b"\0" * 4096)
    with pytest.raises(NotReady):
        daemon.start(20)
    assert daemon.process.returncode not in (0, None, -6, 134, 101), "a message, not a panic"
    assert daemon.tail().strip()
