"""Events that clients put, and those that functions print: putting, reading, filtering, tailing."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import boto3
import botocore.config
import pytest

from harness import wait
from harness.clients import ACCOUNT, REGION, refused

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.fixture
def group(logs, name):
    """A log group with the stream `s`."""
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    yield name
    logs.delete_log_group(logGroupName=name)


def now():
    return int(time.time() * 1000)


def put(logs, group, *events, stream="s"):
    """Puts `(timestamp, message)`."""
    events = [{"timestamp": timestamp, "message": message} for timestamp, message in events]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def read(logs, group, **more):
    return [e["message"] for e in logs.filter_log_events(logGroupName=group, **more)["events"]]


def test_events_are_read_as_they_were_put_and_in_order_of_time(logs, group):
    base = now()
    answer = put(logs, group, (base, "third"), (base, "fourth\n"))
    assert "nextSequenceToken" in answer and "rejectedLogEventsInfo" not in answer
    put(logs, group, (base - DAY, "first"), (base - HOUR, "second"))
    whole = ["first", "second", "third", "fourth\n"]
    assert read(logs, group) == whole
    got = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)["events"]
    assert [e["message"] for e in got] == whole
    assert [e["timestamp"] for e in got] == [base - DAY, base - HOUR, base, base]
    assert all(abs(e["ingestionTime"] - base) < 60_000 for e in got)
    assert read(logs, group, startTime=base - HOUR, endTime=base - 1) == ["second"]
    got = logs.get_log_events(logGroupName=group, logStreamName="s", startTime=base - HOUR, endTime=base)["events"]
    assert [e["message"] for e in got] == ["second"]
    stream = logs.describe_log_streams(logGroupName=group)["logStreams"][0]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (base - DAY, base)


def test_pages_of_a_stream_go_both_ways_and_end_where_they_are(logs, group):
    base = now()
    put(logs, group, *[(base + n, f"m{n}") for n in range(25)])

    def page(**more):
        answer = logs.get_log_events(logGroupName=group, logStreamName="s", limit=10, **more)
        return [e["message"] for e in answer["events"]], answer["nextForwardToken"], answer["nextBackwardToken"]

    seen, token = [], None
    while True:
        messages, forward, _ = page(startFromHead=True, **({"nextToken": token} if token else {}))
        if forward == token:
            break
        seen, token = seen + messages, forward
    assert seen == [f"m{n}" for n in range(25)] and messages == []
    messages, _, backward = page()
    assert messages == [f"m{n}" for n in range(15, 25)]
    messages, _, backward = page(nextToken=backward)
    assert messages == [f"m{n}" for n in range(5, 15)]
    messages, _, backward = page(nextToken=backward)
    assert messages == [f"m{n}" for n in range(5)]
    messages, _, last = page(nextToken=backward)
    assert messages == [] and last == backward
    with refused("InvalidParameterException", 400):
        page(nextToken="nonsense")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, limit=10)
    assert [e["message"] for p in pages for e in p["events"]] == [f"m{n}" for n in range(25)]


def test_events_out_of_the_window_are_rejected_one_by_one(logs, group):
    base = now()
    answer = put(logs, group, (base - 14 * DAY - HOUR, "old"), (base - 14 * DAY + HOUR, "kept"))
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    answer = put(logs, group, (base, "now"), (base + HOUR, "soon"), (base + 3 * HOUR, "late"))
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 2}
    assert read(logs, group) == ["kept", "now", "soon"]
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    answer = put(logs, group, (base - DAY - HOUR, "expired"), (base - HOUR * 2, "young"))
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert "young" in read(logs, group) and "expired" not in read(logs, group)


def test_a_batch_has_limits(logs, group):
    base = now()
    most = 1_048_576 - 26
    put(logs, group, (base, "x" * most))
    for says, events in [
        ("too large", [(base, "x" * (most + 1))]),
        ("too large", [(base, "x" * (most // 2)), (base, "x" * (most // 2 + 1))]),
        ("chronological", [(base, "a"), (base - 1, "b")]),
        ("24 hours", [(base - DAY - 1, "a"), (base, "b")]),
        ("logEvents", []),
        ("logEvents", [(base, "m")] * 10_001),
        ("message", [(base, "")]),
        ("timestamp", [(-1, "a")]),
    ]:
        with refused("InvalidParameterException", 400, says=says):
            put(logs, group, *events)
    put(logs, group, *[(base, f"{n}") for n in range(10_000)])
    put(logs, group, (base - DAY, "a"), (base, "b"))
    with refused("ResourceNotFoundException", 400, says="log stream"):
        put(logs, group, (base, "a"), stream="none")
    with refused("ResourceNotFoundException", 400, says="log group"):
        put(logs, group + "x", (base, "a"))


def test_what_was_put_survives_a_kill(own_daemon):
    daemon = own_daemon().start()
    logs = daemon.client("logs")
    logs.create_log_group(logGroupName="g", tags={"a": "b"})
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    logs.put_retention_policy(logGroupName="g", retentionInDays=7)
    for n in range(20):
        put(logs, "g", (now(), f"m{n}"))
    daemon.kill()
    logs = daemon.start().client("logs")
    assert read(logs, "g") == [f"m{n}" for n in range(20)]
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 7
    assert logs.list_tags_log_group(logGroupName="g")["tags"] == {"a": "b"}


def test_filter_patterns(logs, group):
    base = now()
    lines = [
        "an ERROR here",
        json.dumps({"level": "info", "ms": 12, "user": {"id": 1}, "tags": ["a"]}),
        json.dumps({"level": "error", "ms": 120, "user": None}),
        '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534',
    ]
    put(logs, group, *[(base, line) for line in lines])
    for pattern, expected in [
        ("", [0, 1, 2, 3]),
        ("ERROR", [0]),
        ("?ERROR ?frank", [0, 3]),
        ("%[Ee][Rr]{2}or|ERROR%", [0, 2]),
        ('{ $.level = "err*" }', [2]),
        ("{ $.ms > 100 || $.user.id = 1 }", [1, 2]),
        ("{ $.user IS NULL }", [2]),
        ('{ $.tags[0] = "a" }', [1]),
        ("{ $.tags NOT EXISTS }", [2]),
        ("[ip, , user, time, request, status=4*, bytes>1000]", [3]),
        ("[..., status=404, bytes<1000]", []),
    ]:
        assert read(logs, group, filterPattern=pattern) == [lines[n] for n in expected], pattern
    for pattern in ("{ $.a }", "[a", "%(a)%", '"open', "x" * 1025):
        with refused("InvalidParameterException", 400):
            read(logs, group, filterPattern=pattern)
    answer = logs.test_metric_filter(filterPattern="[..., status=4*, bytes]", logEventMessages=lines)
    assert [m["eventNumber"] for m in answer["matches"]] == [4]
    assert answer["matches"][0]["extractedValues"]["status"] == "404"


def tail_client(daemon):
    session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    return session.client(
        "logs", endpoint_url=daemon.api, config=botocore.config.Config(inject_host_prefix=False, read_timeout=30)
    )


def test_live_tail(daemon, logs, group):
    client = tail_client(daemon)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    stream = client.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="wanted")["responseStream"]
    events = iter(stream)
    start = next(events)["sessionStart"]
    assert start["logGroupIdentifiers"] == [arn] and start["logEventFilterPattern"] == "wanted"
    put(logs, group, (now(), "wanted 1"), (now(), "other"), (now(), "wanted 2"))
    results = []
    while len(results) < 2:
        update = next(events)["sessionUpdate"]
        assert update["sessionMetadata"] == {"sampled": False}
        results += update["sessionResults"]
    assert [r["message"] for r in results] == ["wanted 1", "wanted 2"]
    assert results[0]["logStreamName"] == "s" and results[0]["logGroupIdentifier"] == f"{ACCOUNT}:{group}"
    stream.close()


def test_a_live_tail_of_too_much_is_sampled(daemon, logs, group):
    stream = tail_client(daemon).start_live_tail(logGroupIdentifiers=[group])["responseStream"]
    events = iter(stream)
    next(events)
    put(logs, group, *[(now(), f"{n}") for n in range(2_000)])
    while not (results := (update := next(events)["sessionUpdate"])["sessionResults"]):
        pass
    assert update["sessionMetadata"]["sampled"] and len(results) == 500
    stream.close()


def test_live_tails_are_counted(daemon, logs, group):
    def counted(outcome):
        return daemon.metrics().sum("lamina_log_tail_events_total", outcome=outcome)

    sessions = lambda: daemon.metrics().sum("lamina_log_tail_sessions")
    wait.until("no session is open", lambda: sessions() == 0)
    sent, left_out = counted("sent"), counted("left_out")
    stream = tail_client(daemon).start_live_tail(logGroupIdentifiers=[group], logEventFilterPattern="-no")[
        "responseStream"
    ]
    events = iter(stream)
    next(events)
    assert sessions() == 1
    put(logs, group, (now(), "a"), (now(), "b"), (now(), "no"))
    while not next(events)["sessionUpdate"]["sessionResults"]:
        pass
    assert (counted("sent"), counted("left_out")) == (sent + 2, left_out)
    put(logs, group, *[(now(), f"{n}") for n in range(2_000)])
    while not next(events)["sessionUpdate"]["sessionResults"]:
        pass
    assert (counted("sent"), counted("left_out")) == (sent + 502, left_out + 1_500)
    stream.close()
    wait.until("the session has ended", lambda: sessions() == 0)


def test_live_tails_that_are_refused(daemon, logs, group):
    client = tail_client(daemon)
    for code, more in [
        ("ResourceNotFoundException", {"logGroupIdentifiers": [group + "x"]}),
        ("InvalidParameterException", {"logGroupIdentifiers": [group], "logEventFilterPattern": "{"}),
        ("InvalidParameterException", {"logGroupIdentifiers": [group, group], "logStreamNames": ["s"]}),
        (
            "InvalidParameterException",
            {"logGroupIdentifiers": [group], "logStreamNames": ["s"], "logStreamNamePrefixes": ["s"]},
        ),
    ]:
        with refused(code, 400):
            client.start_live_tail(**more)
    streams = [client.start_live_tail(logGroupIdentifiers=[group])["responseStream"] for _ in range(15)]
    with refused("LimitExceededException", 400):
        client.start_live_tail(logGroupIdentifiers=[group])
    for stream in streams:
        stream.close()

    def free():
        try:
            client.start_live_tail(logGroupIdentifiers=[group])["responseStream"].close()
        except client.exceptions.LimitExceededException:
            return False
        return True

    wait.until("sessions are free again", free, 10)


def test_a_functions_lines_are_tailed_and_read(daemon, logs, make):
    function = make("invoke_echo.event")
    daemon.invoke(function, {"a": 1}).ok()
    group = f"/aws/lambda/{function}"
    wait.until("the group is there", lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"])
    stream = tail_client(daemon).start_live_tail(logGroupIdentifiers=[group])["responseStream"]
    events = iter(stream)
    next(events)
    daemon.invoke(function, {"a": 2}).ok()
    results = []
    while not any(r["message"].startswith("REPORT") for r in results):
        results += next(events)["sessionUpdate"]["sessionResults"]
    assert results[0]["message"].startswith("START RequestId:") and results[0]["message"].endswith("\n")
    stream.close()
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"] == 1
    assert b"REPORT" in daemon.lamina("logs", function).stdout


def aws(daemon, *arguments, **more):
    """The AWS CLI as users have it, but for where it looks."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(daemon.directory),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "PYTHONUNBUFFERED": "1",
    }
    program = pathlib.Path(sys.executable).with_name("aws")
    return subprocess.Popen(
        [program, "--endpoint-url", daemon.api, "logs", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )


def test_the_aws_cli(daemon, logs, group):
    put(logs, group, (now(), "hello cli"))
    done = aws(daemon, "filter-log-events", "--log-group-name", group, "--filter-pattern", "hello")
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 0, out
    assert json.loads(out)["events"][0]["message"] == "hello cli"


def test_the_aws_cli_tails(daemon, logs, group):
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    process = aws(daemon, "start-live-tail", "--log-group-identifiers", arn)
    seen, stop = [], threading.Event()

    def keep_putting():
        # The session begins at some time after the process does.
        while not stop.wait(0.5):
            put(logs, group, (now(), "hello tail"))

    putting = threading.Thread(target=keep_putting)
    putting.start()
    killer = threading.Timer(60, process.kill)
    killer.start()
    try:
        for line in process.stdout:
            seen.append(line)
            if "hello tail" in line:
                break
    finally:
        stop.set()
        killer.cancel()
        process.kill()
        process.wait()
        putting.join()
    assert any("hello tail" in line for line in seen), seen
