"""`kill -9` under load: every acknowledged event is delivered at least once."""

import http.client
import json
import random
import threading
import time

import pytest

from harness import config, wait
from harness.functions import create, zipped

# Events to be accepted, clients, and kills on the way.
FORMS = {False: (1_500, 8, 3), True: (100_000, 32, 20)}
FILLER = "x" * 900


class Sender(threading.Thread):
    """Sends events and notes those that were acknowledged."""

    def __init__(self, daemon, worker, wanted, up, acknowledged, lock):
        super().__init__(daemon=True)
        self.harness, self.worker, self.wanted, self.up = daemon, worker, wanted, up
        self.acknowledged, self.lock = acknowledged, lock
        self.problems = []

    def run(self):
        count = 0
        connection = None
        while True:
            with self.lock:
                if len(self.acknowledged) >= self.wanted:
                    return
            self.up.wait(60)
            try:
                connection = connection or self.harness.connection("api")
                body = json.dumps({"id": f"{self.worker}-{count}", "filler": FILLER})
                headers = {"X-Amz-Invocation-Type": "Event"}
                connection.request("POST", "/2015-03-31/functions/f/invocations", body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status == 202:
                    with self.lock:
                        self.acknowledged.add(answer.getheader("x-amzn-RequestId"))
                elif answer.status != 503:
                    self.problems.append(answer.status)
            except (OSError, http.client.HTTPException):
                connection = None
                time.sleep(0.02)
            count += 1


@pytest.mark.timeout(3600)
def test_every_acknowledged_event_is_delivered(own_daemon, full):
    wanted, clients, kills = FORMS[full]
    settings = {"asynchronous": {"first_retry_pause_ms": 50}}
    daemon = own_daemon(config.render(settings)).start()
    create(daemon.lam, "f", zipped("invoke_echo.event"))
    url = daemon.sqs.create_queue(QueueName="delivered")["QueueUrl"]
    daemon.lam.put_function_event_invoke_config(
        FunctionName="f",
        DestinationConfig={"OnSuccess": {"Destination": "arn:aws:sqs:us-east-1:000000000000:delivered"}},
    )
    up, lock, acknowledged = threading.Event(), threading.Lock(), set()
    up.set()
    senders = [Sender(daemon, worker, wanted, up, acknowledged, lock) for worker in range(clients)]
    for sender in senders:
        sender.start()
    chance = random.Random(20_260_725)
    for kill in range(kills):
        at = wanted * (kill + chance.random()) / kills
        wait.until("some load", lambda: len(acknowledged) >= at, seconds=600)
        up.clear()
        daemon.kill()
        daemon.start()
        up.set()
    for sender in senders:
        sender.join(600)
        assert not sender.is_alive() and sender.problems == []
    empty = lambda: not json.loads(daemon.request("GET", "/lamina/async-events", listener="api").body)["Events"]
    wait.until("no event left", empty, seconds=600, every=0.5)

    # Records are as durable as the events were; the function's log is not meant to be.
    seen = set()
    threads = [threading.Thread(target=receive, args=(daemon, url, seen, lock)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(1200)
    lost = acknowledged - seen
    assert len(acknowledged) >= wanted and not lost, f"{len(lost)} of {len(acknowledged)} were lost: {sorted(lost)[:5]}"


def receive(daemon, url, seen, lock):
    """Empties the queue of records."""
    while True:
        messages = daemon.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not messages:
            return
        ids = {json.loads(message["Body"])["requestContext"]["requestId"] for message in messages}
        entries = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)
        ]
        daemon.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        with lock:
            seen |= ids
