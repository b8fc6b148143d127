"""`aws logs tail --follow`: the calls that version 2 of the AWS CLI makes for it, while a function runs.

Version 1, which pip has, knows no `tail`. Version 2 asks FilterLogEvents, `interleaved`, from a start time on, page by
page; then it waits, and begins anew from the latest timestamp it saw, dropping the events of that timestamp which it
printed already.
"""

import subprocess
import sys
import threading
import time

import pytest

from harness import wait

ROUNDS = 150


def now():
    return int(time.time() * 1000)


class Tail:
    """`aws logs tail GROUP --follow --since …` in as far as it talks to the service."""

    def __init__(self, logs, group, since_ms, limit=None):
        self.logs, self.group, self.limit = logs, group, limit
        self.start_ms, self.known = since_ms, set()
        self.events, self.calls = [], 0

    def look(self):
        """One round: all pages, until there is no further token."""
        token = {}
        while True:
            more = {"limit": self.limit} if self.limit else {}
            answer = self.logs.filter_log_events(
                logGroupName=self.group, interleaved=True, startTime=self.start_ms, **token, **more
            )
            self.calls += 1
            for event in answer["events"]:
                if event["eventId"] not in self.known:
                    self.events.append(event)
                self.known.add(event["eventId"])
            if "nextToken" not in answer:
                break
            token = {"nextToken": answer["nextToken"]}
        if self.events:
            latest = max(event["timestamp"] for event in self.events)
            # What came with an earlier timestamp is not asked for again.
            self.known = {event["eventId"] for event in self.events if event["timestamp"] >= latest}
            self.start_ms = latest
        return self

    def messages(self):
        return [event["message"] for event in self.events]


def test_the_cli_of_pip_has_no_tail(daemon):
    """Should it ever learn it, it belongs here instead of its calls."""
    program = sys.executable.rsplit("/", 1)[0] + "/aws"
    done = subprocess.run([program, "logs", "tail", "g"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "Invalid choice" in done.stderr + done.stdout


@pytest.mark.parametrize("limit", [None, 7], ids=["whole", "paged"])
def test_each_line_of_a_function_comes_once(daemon, logs, make, limit):
    function = make("invoke_ops")
    group = f"/aws/lambda/{function}"
    logs.create_log_group(logGroupName=group)
    tail = Tail(logs, group, now() - 60_000, limit)
    failed = []

    def run():
        for n in range(ROUNDS):
            try:
                daemon.invoke(function, {"op": "log", "text": f"line {n}"}).ok()
            except Exception as error:
                failed.append(error)

    running = threading.Thread(target=run)
    running.start()
    while running.is_alive():
        tail.look()
    running.join()
    assert failed == []

    def of(word):
        return [message for message in tail.messages() if message.startswith(word)]

    wait.until("all has been seen", lambda: tail.look() and len(of("REPORT")) >= ROUNDS, 20)
    for word in ("START", "END", "REPORT"):
        assert len(of(word)) == ROUNDS == len(set(of(word))), word
    ids = [event["eventId"] for event in tail.look().events]
    assert len(ids) == len(set(ids))
    # Nothing is there that was not seen.
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    whole = [event for page in pages for event in page["events"]]
    assert sorted(ids) == sorted(event["eventId"] for event in whole)
    assert tail.calls > 2
    if limit:
        assert tail.calls > len(whole) / limit


def test_events_of_one_millisecond_come_once(daemon, logs, name):
    """What is put with the timestamp that was the latest a moment ago is neither missed nor shown twice."""
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    at = now()
    tail = Tail(logs, name, at - 1_000, limit=3)
    for n in range(20):
        logs.put_log_events(
            logGroupName=name, logStreamName="s", logEvents=[{"timestamp": at + n // 10, "message": str(n)}]
        )
        tail.look()
    assert tail.messages() == [str(n) for n in range(20)]
    logs.delete_log_group(logGroupName=name)
