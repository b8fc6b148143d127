"""Subscription filters: set, described, deleted; what matches reaches a function, whatever happens meanwhile."""

import base64
import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import pytest

from harness import clients, config, queues, wait
from harness.clients import ACCOUNT, REGION, function_arn, queue_arn, refused
from harness.functions import create, zipped


@pytest.fixture
def group(logs, name):
    """A log group with the stream `s`."""
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    yield name
    try:
        logs.delete_log_group(logGroupName=name)
    except logs.exceptions.ResourceNotFoundException:
        pass


@pytest.fixture
def sink(daemon, make, make_queue, sqs):
    """Makes functions whose events can be read: answers the function's name and its queue's URL."""

    def one(package="invoke_echo.event"):
        function, url = make(package), make_queue()
        record_to(daemon.lam, function, url.rsplit("/", 1)[1])
        return function, url

    return one


def record_to(lam, function, queue):
    destination = {"OnSuccess": {"Destination": queue_arn(queue)}}
    lam.put_function_event_invoke_config(FunctionName=function, DestinationConfig=destination)


def now():
    return int(time.time() * 1000)


def put(logs, group, *messages, stream="s"):
    events = [{"timestamp": now(), "message": message} for message in messages]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def subscribe(logs, group, function, name="f", pattern="", qualifier=None, **more):
    arn = function_arn(function, qualifier)
    allow(logs, function, qualifier)
    logs.put_subscription_filter(logGroupName=group, filterName=name, filterPattern=pattern, destinationArn=arn, **more)
    return arn


def allow(logs, function, qualifier=None):
    """CloudWatch Logs may invoke the function."""
    lam = clients.boto("lambda", logs.meta.endpoint_url)
    more = {"Qualifier": qualifier} if qualifier else {}
    statement = {"StatementId": "logs", "Action": "lambda:InvokeFunction", "Principal": "logs.amazonaws.com"}
    try:
        lam.add_permission(FunctionName=function, SourceArn=f"arn:aws:logs:{REGION}:{ACCOUNT}:*", **statement, **more)
    except lam.exceptions.ResourceConflictException:
        pass


def described(logs, group, **more):
    return logs.describe_subscription_filters(logGroupName=group, **more)["subscriptionFilters"]


def data(message):
    """What a function was given, out of the record of its invocation."""
    event = json.loads(message["Body"])["requestPayload"]
    assert set(event) == {"awslogs"} and set(event["awslogs"]) == {"data"}
    return json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))


class Received:
    """What functions were given so far."""

    def __init__(self, sqs, url):
        self.sqs, self.url, self.data = sqs, url, []

    def look(self):
        for message in queues.receive(self.sqs, self.url, MaxNumberOfMessages=10):
            self.data.append(data(message))
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self

    def messages(self):
        return [event["message"] for one in self.data for event in one["logEvents"]]

    def until(self, expected, seconds=20):
        """Waits for so many events; their messages."""
        wait.until(f"{expected} events", lambda: len(self.look().messages()) >= expected, seconds)
        return self.messages()


def test_what_clients_put_is_delivered(logs, group, sink, sqs):
    function, url = sink()
    put(logs, group, "before")
    subscribe(logs, group, function, name="mine")
    base = now()
    put(logs, group, "one", "two\n")
    received = Received(sqs, url)
    assert received.until(2) == ["one", "two\n"]
    only = received.data[0]
    events = only.pop("logEvents")
    assert only == {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": group,
        "logStream": "s",
        "subscriptionFilters": ["mine"],
    }
    assert [set(event) for event in events] == [{"id", "timestamp", "message"}] * 2
    assert all(abs(event["timestamp"] - base) < 60_000 for event in events)
    read = logs.filter_log_events(logGroupName=group)["events"]
    assert [event["eventId"] for event in read][1:] == [event["id"] for event in events]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("ERROR", [0]),
        ("?ERROR ?frank", [0, 2]),
        ("%4[0-9]{2}%", [2]),
        ('{ $.level = "err*" }', [1]),
        ("[ip, user, status=4*, bytes]", [2]),
    ],
)
def test_only_what_matches_is_delivered(daemon, logs, group, sink, sqs, pattern, expected):
    function, url = sink()
    subscribe(logs, group, function, pattern=pattern)
    lines = ["an ERROR here", json.dumps({"level": "error"}), "10.0.0.1 frank 404 1534", "other"]
    put(logs, group, *lines)
    received = Received(sqs, url)
    assert received.until(len(expected)) == [lines[n] for n in expected]
    if pattern.startswith("["):
        fields = received.data[0]["logEvents"][0]["extractedFields"]
        assert fields == {"ip": "10.0.0.1", "user": "frank", "status": "404", "bytes": "1534"}
    waiting = lambda: daemon.metrics().sum("lamina_log_subscription_lag_seconds") == 0
    wait.until("nothing waits", waiting)
    assert received.look().messages() == [lines[n] for n in expected]


def test_what_a_function_prints_is_delivered(daemon, logs, make, sink, sqs):
    printing = make("invoke_ops")
    source = f"/aws/lambda/{printing}"
    logs.create_log_group(logGroupName=source)
    function, url = sink()
    subscribe(logs, source, function, pattern="?START ?REPORT")
    for _ in range(3):
        daemon.invoke(printing, {"op": "context"}).ok()
    received = Received(sqs, url)
    messages = received.until(6)
    assert [message.split()[0] for message in messages] == ["START", "REPORT"] * 3
    assert all(message.endswith("\n") for message in messages)
    stream = received.data[0]["logStream"]
    assert stream.startswith(time.strftime("%Y/", time.gmtime())) and "[$LATEST]" in stream


def test_streams_have_messages_of_their_own_and_two_filters_see_the_same(logs, group, sink, sqs):
    (first, first_url), (second, second_url) = sink(), sink()
    logs.create_log_stream(logGroupName=group, logStreamName="t")
    subscribe(logs, group, first, name="a")
    subscribe(logs, group, second, name="b", pattern="even")
    for n in range(20):
        put(logs, group, f"{n} {'even' if n % 2 == 0 else 'odd'}", stream="st"[n // 10])
    received = Received(sqs, first_url)
    assert sorted(received.until(20)) == sorted(f"{n} {'even' if n % 2 == 0 else 'odd'}" for n in range(20))
    for one in received.data:
        numbers = [int(event["message"].split()[0]) for event in one["logEvents"]]
        assert numbers == sorted(numbers) and {"st"[n // 10] for n in numbers} == {one["logStream"]}
        assert one["subscriptionFilters"] == ["a"]
    other = Received(sqs, second_url)
    assert {int(message.split()[0]) for message in other.until(10)} == set(range(0, 20, 2))
    assert all(one["subscriptionFilters"] == ["b"] for one in other.data)


def test_much_at_once_comes_in_messages_that_a_function_takes(logs, group, sink, sqs):
    function, url = sink()
    subscribe(logs, group, function)
    chance = random.Random(7)
    # The record of the invocation has to find room in a message of the queue, compressed and twice.
    largest = "".join(chance.choices("ab", k=1_048_576 - 26))
    put(logs, group, largest)
    put(logs, group, *[f"{n}" for n in range(10_000)])
    assert set(Received(sqs, url).until(10_001, 60)) >= {f"{n}" for n in range(10_000)} | {largest}


def test_a_version_and_an_alias_are_destinations(daemon, lam, logs, group, sink, sqs):
    function, url = sink()
    version = lam.publish_version(FunctionName=function)["Version"]
    lam.create_alias(FunctionName=function, Name="live", FunctionVersion=version)
    queue = url.rsplit("/", 1)[1]
    for qualifier in (version, "live"):
        lam.put_function_event_invoke_config(
            FunctionName=function,
            Qualifier=qualifier,
            DestinationConfig={"OnSuccess": {"Destination": queue_arn(queue)}},
        )
    arns = [subscribe(logs, group, function, name=q, qualifier=q) for q in (version, "live")]
    assert [f["destinationArn"] for f in described(logs, group)] == arns
    put(logs, group, "both")
    received = Received(sqs, url)
    assert received.until(2) == ["both", "both"]
    assert {one["subscriptionFilters"][0] for one in received.data} == {version, "live"}


def test_filters_are_described_changed_and_deleted(logs, group, make):
    function, other = make(), make()
    assert described(logs, group) == []
    arn = subscribe(logs, group, function, name="web/a", pattern="ERROR", distribution="Random")
    made = described(logs, group)
    assert made == [
        {
            "filterName": "web/a",
            "logGroupName": group,
            "filterPattern": "ERROR",
            "destinationArn": arn,
            "distribution": "Random",
            "applyOnTransformedLogs": False,
            "creationTime": made[0]["creationTime"],
        }
    ]
    assert abs(made[0]["creationTime"] - now()) < 60_000
    subscribe(logs, group, other, name="app")
    with refused("LimitExceededException", 400, says="Resource limit exceeded."):
        subscribe(logs, group, function, name="third")
    # One that is there is changed, also where there are two.
    changed = subscribe(logs, group, other, name="web/a", pattern="WARN")
    names = [(f["filterName"], f["filterPattern"], f["distribution"]) for f in described(logs, group)]
    assert names == [("app", "", "ByLogStream"), ("web/a", "WARN", "ByLogStream")]
    assert described(logs, group, filterNamePrefix="web")[0]["destinationArn"] == changed
    assert described(logs, group, filterNamePrefix="x") == []
    assert described(logs, group, filterNamePrefix="web")[0]["creationTime"] == made[0]["creationTime"]
    pages = logs.get_paginator("describe_subscription_filters").paginate(
        logGroupName=group, PaginationConfig={"PageSize": 1}
    )
    pages = [[f["filterName"] for f in page["subscriptionFilters"]] for page in pages]
    assert pages == [["app"], ["web/a"]]
    for limit in (0, 51):
        with refused("InvalidParameterException", 400):
            described(logs, group, limit=limit)
    logs.delete_subscription_filter(logGroupName=group, filterName="app")
    with refused("ResourceNotFoundException", 400, says="The specified subscription filter does not exist."):
        logs.delete_subscription_filter(logGroupName=group, filterName="app")
    assert [f["filterName"] for f in described(logs, group)] == ["web/a"]
    # A group made again has none.
    logs.delete_log_group(logGroupName=group)
    logs.create_log_group(logGroupName=group)
    assert described(logs, group) == []


@pytest.mark.parametrize("bad", ["", "a:b", "a*", "a" * 513])
def test_a_filters_name_has_limits(logs, group, make, bad):
    function = make()
    with refused("InvalidParameterException", 400):
        subscribe(logs, group, function, name=bad)
    with refused("InvalidParameterException", 400):
        logs.delete_subscription_filter(logGroupName=group, filterName=bad)
    with refused("InvalidParameterException", 400):
        described(logs, group, filterNamePrefix=bad)


def test_what_is_refused(logs, group, make):
    function = make()
    subscribe(logs, group, function, name="a" * 512, pattern="x" * 1024)
    logs.delete_subscription_filter(logGroupName=group, filterName="a" * 512)
    given = {"logGroupName": group, "filterName": "f", "filterPattern": "", "destinationArn": function_arn(function)}
    for missing in given:
        with refused("InvalidParameterException", 400, says=missing):
            logs.put_subscription_filter(**{name: value for name, value in given.items() if name != missing})
    no_permission = "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission"
    prefix = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
    for says, more in [
        ("filter pattern", {"filterPattern": "{"}),
        ("filter pattern", {"filterPattern": "x" * 1025}),
        ("distribution", {"distribution": "Even"}),
        ("for vendor lambda cannot be used with roleArn", {"roleArn": "arn:aws:iam::000000000000:role/r"}),
        ("applyOnTransformedLogs", {"applyOnTransformedLogs": True}),
        ("fieldSelectionCriteria", {"fieldSelectionCriteria": '@aws.region = "us-east-1"'}),
        ("emitSystemFields", {"emitSystemFields": ["@aws.account"]}),
        ("destinationArn", {"destinationArn": ""}),
        ("destinationArn", {"destinationArn": function}),
        ("destinationArn", {"destinationArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:x:1"}),
        ("vendor sqs", {"destinationArn": queue_arn("q")}),
        ("vendor kinesis is not supported", {"destinationArn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"}),
        ("vendor firehose is not supported", {"destinationArn": f"arn:aws:firehose:{REGION}:{ACCOUNT}:x/s"}),
        ("vendor logs is not supported", {"destinationArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:destination:d"}),
        (no_permission, {"destinationArn": f"{prefix}:no-such-function"}),
        (no_permission, {"destinationArn": f"{prefix}:{function}:7"}),
        (no_permission, {"destinationArn": f"{prefix}:{function}:none"}),
        (no_permission, {"destinationArn": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:{function}"}),
        (no_permission, {"destinationArn": f"arn:aws:lambda:{REGION}:111111111111:function:{function}"}),
    ]:
        with refused("InvalidParameterException", 400, says=says):
            logs.put_subscription_filter(**given | more)
    nowhere = given | {"logGroupName": group + "x"}
    with refused("ResourceNotFoundException", 400, says="The specified log group does not exist."):
        logs.put_subscription_filter(**nowhere)
    with refused("ResourceNotFoundException", 400, says="log group"):
        described(logs, group + "x")
    with refused("ResourceNotFoundException", 400, says="log group"):
        logs.delete_subscription_filter(logGroupName=group + "x", filterName="f")
    assert described(logs, group) == []
    lam = clients.boto("lambda", logs.meta.endpoint_url)
    lam.remove_permission(FunctionName=function, StatementId="logs")
    with refused("InvalidParameterException", 400, says=no_permission):
        logs.put_subscription_filter(**given)
    # Regular expressions: two in a pattern, five in the filters of a group.
    two = "{ $.a = %x% && $.b = %y% }"
    subscribe(logs, group, function, name="a", pattern=two)
    subscribe(logs, group, function, name="b", pattern=two)
    logs.delete_subscription_filter(logGroupName=group, filterName="a")
    logs.delete_subscription_filter(logGroupName=group, filterName="b")
    with refused("UnknownOperationException", 400, says="PutAccountPolicy"):
        logs.put_account_policy(policyName="p", policyType="SUBSCRIPTION_FILTER_POLICY", policyDocument="{}")


def outcome(daemon, outcome):
    return daemon.metrics().sum("lamina_log_subscription_events_total", outcome=outcome)


def test_a_function_that_is_gone_gets_nothing_and_one_that_is_back_gets_what_comes(daemon, lam, logs, group, sink, sqs):
    function, url = sink()
    subscribe(logs, group, function)
    lam.delete_function(FunctionName=function)
    before = outcome(daemon, "refused")
    put(logs, group, "missed")
    wait.until("it is counted", lambda: outcome(daemon, "refused") == before + 1)
    create(lam, function, zipped("invoke_echo.event"))
    record_to(lam, function, url.rsplit("/", 1)[1])
    # The policy went with the function.
    put(logs, group, "not allowed")
    wait.until("it is counted", lambda: outcome(daemon, "refused") == before + 2)
    allow(logs, function)
    put(logs, group, "seen")
    assert Received(sqs, url).until(1) == ["seen"]


def test_a_function_that_reads_its_own_log_stops(daemon, logs, sink, sqs):
    function, url = sink()
    own = f"/aws/lambda/{function}"
    logs.create_log_group(logGroupName=own)
    subscribe(logs, own, function, pattern="REPORT")
    before = outcome(daemon, "recursive")
    daemon.invoke(function, {"a": 1}).ok()
    wait.until("the loop is stopped", lambda: outcome(daemon, "recursive") > before, 60)
    received = Received(sqs, url)
    # The sixteenth run is the last one, and the first was no delivery.
    assert len(received.until(15)) == 15
    logs.delete_log_group(logGroupName=own)


def test_a_loop_that_is_allowed_goes_on(daemon, lam, logs, sink, sqs):
    function, url = sink()
    lam.put_function_recursion_config(FunctionName=function, RecursiveLoop="Allow")
    own = f"/aws/lambda/{function}"
    logs.create_log_group(logGroupName=own)
    subscribe(logs, own, function, pattern="REPORT")
    daemon.invoke(function, {"a": 1}).ok()
    assert len(Received(sqs, url).until(18, 60)) >= 18
    logs.delete_log_group(logGroupName=own)


def test_what_a_function_puts_belongs_to_its_chain(daemon, logs, group, sink, sqs):
    function, url = sink("invoke_ops")
    subscribe(logs, group, function)
    trace = None
    for _ in range(16):
        headers = {"X-Amzn-Trace-Id": trace} if trace else {}
        path = f"/2015-03-31/functions/{function}/invocations"
        answer = daemon.request("POST", path, b'{"op":"context"}', headers, listener="api")
        trace = json.loads(answer.body)["trace_id"]
    before = outcome(daemon, "recursive")
    body = {
        "logGroupName": group,
        "logStreamName": "s",
        "logEvents": [{"timestamp": now(), "message": "of the loop"}],
    }
    headers = {
        "X-Amz-Target": "Logs_20140328.PutLogEvents",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amzn-Trace-Id": trace,
    }
    answer = daemon.request("POST", "/", json.dumps(body).encode(), headers, listener="api")
    assert answer.status == 200, answer
    put(logs, group, "of another")
    assert Received(sqs, url).until(1) == ["of another"]
    assert outcome(daemon, "recursive") == before + 1


def test_metrics(daemon, logs, group, sink, sqs):
    function, url = sink()
    subscribe(logs, group, function)
    before = outcome(daemon, "delivered")
    put(logs, group, "a", "b", "c")
    Received(sqs, url).until(3)
    wait.until("they are counted", lambda: outcome(daemon, "delivered") == before + 3)
    assert daemon.metrics().sum("lamina_log_subscription_lag_seconds") == 0


@pytest.mark.timeout(900)
def test_nothing_put_is_lost_by_kills(own_daemon, full):
    """`kill -9` while events come in: each that was acknowledged is delivered, and not over and over."""
    kills, wanted = (12, 6_000) if full else (3, 300)
    daemon = own_daemon(config.render({"asynchronous": {"first_retry_pause_ms": 50}})).start()
    create(daemon.lam, "f", zipped("invoke_echo.event"))
    url = daemon.sqs.create_queue(QueueName="seen")["QueueUrl"]
    record_to(daemon.lam, "f", "seen")
    logs = daemon.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    subscribe(logs, "g", "f", pattern="kept")
    acknowledged, up, done = [], threading.Event(), threading.Event()

    def keep_putting():
        count = 0
        while not done.is_set():
            up.wait(60)
            text = f"kept {count}"
            count += 1
            try:
                put(daemon.client("logs"), "g", text, f"other {count}")
            except Exception:
                # The daemon is down; what became of it is not known.
                time.sleep(0.02)
                continue
            acknowledged.append(text)

    up.set()
    putting = threading.Thread(target=keep_putting, daemon=True)
    putting.start()
    chance = random.Random(20_261_124)
    try:
        for kill in range(kills):
            at = wanted * (kill + chance.random()) / kills
            wait.until("some load", lambda: len(acknowledged) >= at, 120)
            up.clear()
            daemon.kill()
            daemon.start()
            up.set()
        wait.until("all the load", lambda: len(acknowledged) >= wanted, 120)
    finally:
        done.set()
        up.set()
        putting.join(60)
    received = Received(daemon.sqs, url)
    missing = lambda: set(acknowledged) - set(received.look().messages())
    wait.until("all are delivered", lambda: not missing(), 120)
    assert all(message.startswith("kept ") for message in received.messages())
    again = len(received.messages()) - len(set(received.messages()))
    # A kill between a delivery and the note of it repeats the events of one round.
    assert again <= wanted / 2, f"{again} events came again"


@pytest.mark.timeout(900)
def test_nothing_in_a_functions_log_is_lost_by_kills(own_daemon, full):
    """What is in the function's log after a kill is delivered, whether it was before or not."""
    kills = 10 if full else 2
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_ops"))
    create(daemon.lam, "sink", zipped("invoke_echo.event"))
    url = daemon.sqs.create_queue(QueueName="seen")["QueueUrl"]
    record_to(daemon.lam, "sink", "seen")
    daemon.client("logs").create_log_group(logGroupName="/aws/lambda/f")
    subscribe(daemon.client("logs"), "/aws/lambda/f", "sink", pattern="REPORT")
    received = Received(daemon.sqs, url)
    chance = random.Random(20_261_125)
    for _ in range(kills):
        for _ in range(chance.randrange(50, 150)):
            daemon.invoke("f", {"op": "context"}).ok()
        daemon.kill()
        daemon.start()
        received.sqs = daemon.sqs
    pages = daemon.client("logs").get_paginator("filter_log_events")
    pages = pages.paginate(logGroupName="/aws/lambda/f", filterPattern="REPORT")
    written = {event["message"] for page in pages for event in page["events"]}
    assert len(written) > 50
    wait.until("all are delivered", lambda: written <= set(received.look().messages()), 60)


def test_filters_and_what_waits_survive_a_kill(own_daemon):
    """What was put and not delivered yet waits in the feed."""
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_echo.event"))
    url = daemon.sqs.create_queue(QueueName="seen")["QueueUrl"]
    record_to(daemon.lam, "f", "seen")
    logs = daemon.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    subscribe(logs, "g", "f")
    # Faster than events are gathered: they are in the log, and not delivered.
    put(logs, "g", *[f"m{n}" for n in range(100)])
    daemon.kill()
    daemon.start()
    assert [f["filterName"] for f in described(daemon.client("logs"), "g")] == ["f"]
    assert sorted(set(Received(daemon.sqs, url).until(100))) == sorted(f"m{n}" for n in range(100))
    put(daemon.client("logs"), "g", "after")
    wait.until("it goes on", lambda: "after" in Received(daemon.sqs, url).until(1))


def test_the_aws_cli(daemon, logs, group, sink, sqs):
    function, url = sink()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(daemon.directory),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }

    def aws(*arguments):
        program = pathlib.Path(sys.executable).with_name("aws")
        done = subprocess.run(
            [program, "--endpoint-url", daemon.api, "logs", *arguments, "--log-group-name", group],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    arn = function_arn(function)
    allow(logs, function)
    assert (
        aws("put-subscription-filter", "--filter-name", "cli", "--filter-pattern", "ERROR", "--destination-arn", arn)
        == ""
    )
    put(logs, group, "an ERROR")
    assert Received(sqs, url).until(1) == ["an ERROR"]
    found = json.loads(aws("describe-subscription-filters"))["subscriptionFilters"]
    assert [(f["filterName"], f["destinationArn"]) for f in found] == [("cli", arn)]
    aws("delete-subscription-filter", "--filter-name", "cli")
    assert described(logs, group) == []
