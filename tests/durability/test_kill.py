"""`kill -9` at random moments under load: what was acknowledged is there, numbers are used once, no message vanishes.

Writers note what was acknowledged, with its answer, after it was answered. After each kill the checker compares a
restarted daemon with the notes. What was under way when the kill came may be there or not.
"""

import itertools
import json
import random
import threading
import time

import botocore.exceptions
import pytest

from harness import wait
from harness.functions import active, create, zipped

KILLS = {False: 5, True: 50}
GONE = (
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ConnectionClosedError,
    botocore.exceptions.ReadTimeoutError,
    botocore.exceptions.HTTPClientError,
)


class Notes:
    """What the daemon acknowledged, and what was under way."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = {}  # message id → body, acknowledged sends
        self.deleting = set()  # message ids whose delete was asked for
        self.deleted = set()  # … and acknowledged
        self.moved = set()  # message ids seen by a receive
        self.versions = {}  # number → description of the acknowledged version
        self.schedules = set()  # names, acknowledged and not deleted
        self.alias = ["1"]  # versions the alias was told to have since the last acknowledgement, that one first
        self.concurrency = [0]  # the same for reserved concurrency
        self.timeouts = itertools.cycle(range(3, 900))  # what makes each version differ from the one before
        self.problems = []

    def problem(self, text):
        with self.lock:
            self.problems.append(text)


def sender(daemon, notes, url, stop, worker):
    count = 0
    while not stop.is_set():
        body = f"{worker}-{count}"
        if count % 3:
            sent = {daemon.sqs.send_message(QueueUrl=url, MessageBody=body)["MessageId"]: body}
        else:
            entries = [{"Id": str(index), "MessageBody": f"{body}-{index}"} for index in range(5)]
            answer = daemon.sqs.send_message_batch(QueueUrl=url, Entries=entries)
            sent = {entry["MessageId"]: f"{body}-{entry['Id']}" for entry in answer["Successful"]}
        with notes.lock:
            notes.sent.update(sent)
        count += 1


def receiver(daemon, notes, url, stop):
    while not stop.is_set():
        for message in daemon.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=5).get("Messages", []):
            identity = message["MessageId"]
            with notes.lock:
                notes.moved.add(identity)
                if identity in notes.deleted:
                    notes.problems.append(f"{identity} was received after its delete was acknowledged")
                notes.deleting.add(identity)
            daemon.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            with notes.lock:
                notes.deleted.add(identity)
        time.sleep(0.01)


def publisher(daemon, notes, stop, seed):
    count = 0
    while not stop.is_set():
        description = f"{seed}-{count}"
        daemon.lam.update_function_configuration(
            FunctionName="f", Description=description, Timeout=next(notes.timeouts)
        )
        active(daemon.lam, "f")
        answer = daemon.lam.publish_version(FunctionName="f")
        with notes.lock:
            number = int(answer["Version"])
            if number in notes.versions:
                notes.problems.append(
                    f"version {number} was given to {notes.versions[number]} and to {answer['Description']}"
                )
            if notes.versions and number <= max(notes.versions):
                notes.problems.append(f"version {number} after {max(notes.versions)}")
            notes.versions[number] = answer["Description"]
            notes.alias.append(str(number))
        daemon.lam.update_alias(FunctionName="f", Name="live", FunctionVersion=str(number))
        with notes.lock:
            notes.alias = [str(number)]
            notes.concurrency.append(count % 7 + 1)
        daemon.lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=count % 7 + 1)
        with notes.lock:
            notes.concurrency = [count % 7 + 1]
        count += 1


def scheduler(daemon, notes, stop, seed):
    count = 0
    while not stop.is_set():
        name = f"s-{seed}-{count}"
        daemon.scheduler.create_schedule(
            Name=name,
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
                "RoleArn": "arn:aws:iam::000000000000:role/r",
            },
        )
        with notes.lock:
            notes.schedules.add(name)
        if count % 2:
            with notes.lock:
                notes.schedules.discard(name)
            daemon.scheduler.delete_schedule(Name=name)
            time.sleep(0.02)
        count += 1


def until_killed(notes, dying, work, *arguments):
    """Runs a writer; a broken connection is right only once the kill is on its way."""
    try:
        work(*arguments)
    except GONE as error:
        if not dying.is_set():
            notes.problem(f"{work.__name__}: {error!r} while nothing was killed")
    except Exception as error:  # a thread's exception would go unseen
        notes.problem(f"{work.__name__}: {error!r}")


def check_control(daemon, notes):
    """Versions, alias, concurrency and schedules after a restart."""
    versions = {}
    for page in daemon.lam.get_paginator("list_versions_by_function").paginate(FunctionName="f"):
        for version in page["Versions"]:
            if version["Version"] != "$LATEST":
                versions[int(version["Version"])] = version["Description"]
    lost = {number: text for number, text in notes.versions.items() if versions.get(number) != text}
    assert not lost, f"acknowledged versions that are missing or another's: {lost}"
    # A version that was published but not acknowledged counts as used from now on.
    notes.versions = versions
    alias = daemon.lam.get_alias(FunctionName="f", Name="live")["FunctionVersion"]
    assert alias in notes.alias, f"the alias points at {alias}, told were {notes.alias}"
    notes.alias = [alias]
    reserved = daemon.lam.get_function_concurrency(FunctionName="f").get("ReservedConcurrentExecutions", 0)
    assert reserved in notes.concurrency, f"{reserved} reserved, told were {notes.concurrency}"
    notes.concurrency = [reserved]
    schedules = {
        item["Name"]
        for page in daemon.scheduler.get_paginator("list_schedules").paginate(PaginationConfig={"PageSize": 100})
        for item in page["Schedules"]
    }
    assert notes.schedules <= schedules, f"lost schedules: {sorted(notes.schedules - schedules)[:5]}"
    if reserved != 0:
        assert daemon.invoke("f", {"op": "mark"}, Qualifier="live").ok()["version"] == alias


def check_messages(daemon, notes, url):
    """Drains the queue at the end: each acknowledged message was deleted or is there, with its body."""
    seen = {}

    def drained():
        for message in daemon.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            identity = message["MessageId"]
            seen[identity] = message["Body"]
            assert identity not in notes.deleted, f"{identity} came after its delete was acknowledged"
            daemon.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        attributes = daemon.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return attributes["ApproximateNumberOfMessages"] == attributes["ApproximateNumberOfMessagesNotVisible"] == "0"

    wait.until("the queue is empty", drained, 120, every=0)
    lost = [identity for identity in notes.sent if identity not in seen and identity not in notes.deleting]
    assert not lost, f"{len(lost)} acknowledged messages vanished, {lost[:3]} among them"
    wrong = [identity for identity, body in seen.items() if notes.sent.get(identity, body) != body]
    assert not wrong, f"messages with another's body: {wrong[:3]}"
    return seen


@pytest.mark.timeout(1800)
def test_nothing_acknowledged_is_lost(own_daemon, full, request):
    kills = KILLS[full]
    seed = int(time.time())
    print(f"seed {seed}, {kills} kills")
    chance = random.Random(seed)
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_ops"), Description="first", Publish=True)
    daemon.lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    name = "q"
    daemon.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "1"})
    notes = Notes()
    notes.versions[1] = "first"
    for round_number in range(kills):
        url = daemon.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        stop, dying = threading.Event(), threading.Event()
        work = [
            *((sender, daemon, notes, url, stop, f"{round_number}-{worker}") for worker in range(3)),
            (receiver, daemon, notes, url, stop),
            (publisher, daemon, notes, stop, f"p{round_number}"),
            (scheduler, daemon, notes, stop, f"{round_number}"),
        ]
        threads = [threading.Thread(target=until_killed, args=(notes, dying, *arguments)) for arguments in work]
        before = len(notes.sent)
        for thread in threads:
            thread.start()
        wait.until("load has begun", lambda: len(notes.sent) > before + 5 or notes.problems, 30)
        time.sleep(chance.uniform(0.0, 1.5))  # the random moment; whatever it is, the check must hold
        dying.set()
        daemon.kill()
        stop.set()
        for thread in threads:
            thread.join(30)
        assert not notes.problems, notes.problems[:5]
        daemon.start()
        check_control(daemon, notes)
    url = daemon.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    remaining = check_messages(daemon, notes, url)
    print(
        f"{kills} kills: {len(notes.sent)} sends, {len(notes.deleted)} deletes, {max(notes.versions)} versions and"
        f" {len(notes.schedules)} schedules acknowledged; {len(remaining)} messages left at the end; nothing lost"
    )
    assert len(notes.sent) > 20 * kills and max(notes.versions) > kills, "the load was too light to show anything"


@pytest.mark.timeout(900)
def test_a_batch_taken_by_a_mapping_is_not_lost(own_daemon, full):
    """Messages that a function works on when the kill comes are delivered again; each is worked on at least once."""
    daemon = own_daemon().start()
    create(daemon.lam, "w", zipped("invoke_ops"), Timeout=1)
    url = daemon.sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    daemon.lam.create_event_source_mapping(
        EventSourceArn="arn:aws:sqs:us-east-1:000000000000:q", FunctionName="w", BatchSize=1
    )
    bodies = [json.dumps({"do": "sleep", "ms": 20, "n": index}) for index in range(60)]
    for body in bodies:
        daemon.sqs.send_message(QueueUrl=url, MessageBody=body)
    for _ in range(10 if full else 3):
        daemon.kill()
        daemon.start()
    url = daemon.sqs.get_queue_url(QueueName="q")["QueueUrl"]

    def empty():
        attributes = daemon.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return attributes["ApproximateNumberOfMessages"] == attributes["ApproximateNumberOfMessagesNotVisible"] == "0"

    wait.until("all are worked on", empty, 60)
