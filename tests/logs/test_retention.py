"""Retention under load: what is too old goes while clients put events and functions run, which do not stall."""

import contextlib
import sqlite3
import threading
import time

import pytest

from harness import wait
from harness.functions import create, zipped

OLD = 1_000_000
AT_ONCE = 10_000
DAY = 24 * 3_600_000

# A put may wait for one step of the deletion and for one commit, on a machine that does other things too.
STALL_SECONDS = 2.0


def now():
    return int(time.time() * 1000)


class Load(threading.Thread):
    """Does something again and again, and notes when it began and how long it took."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work, self.took, self.ended = work, [], threading.Event()

    def run(self):
        while not self.ended.is_set():
            begun = time.monotonic()
            self.work()
            self.took.append((begun, time.monotonic() - begun))

    def between(self, begin, end):
        """Calls a second, the 99th percentile and the longest, in milliseconds."""
        took = sorted(length for begun, length in self.took if begin <= begun < end)
        assert took, "it stood still"
        return len(took) / (end - begin), took[int(len(took) * 0.99)] * 1000, took[-1] * 1000


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_million_old_events_go_while_others_come(own_daemon, capsys):
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_echo.event"))
    logs = daemon.client("logs")
    for group in ("old", "new"):
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
    base = now() - 13 * DAY
    for batch in range(OLD // AT_ONCE):
        events = [{"timestamp": base + batch, "message": f"{batch} {n} {'x' * 60}"} for n in range(AT_ONCE)]
        logs.put_log_events(logGroupName="old", logStreamName="s", logEvents=events)

    def put():
        events = [{"timestamp": now(), "message": f"{n} {'y' * 90}"} for n in range(10)]
        daemon.client("logs").put_log_events(logGroupName="new", logStreamName="s", logEvents=events)

    def invoke():
        daemon.invoke("f", {"a": 1}).ok()

    with contextlib.closing(sqlite3.connect(f"file:{daemon.data}/logs.db?mode=ro", uri=True)) as database:
        (of_old,) = database.execute("SELECT id FROM log_groups WHERE name = 'old'").fetchone()

        def oldest():
            return database.execute("SELECT min(id) FROM log_events WHERE group_id = ?", (of_old,)).fetchone()[0]

        first = oldest()
        puts, invocations = [Load(put) for _ in range(2)], [Load(invoke) for _ in range(2)]
        for load in puts + invocations:
            load.start()
        begun = time.monotonic()
        logs.put_retention_policy(logGroupName="old", retentionInDays=1)
        wait.until("the deletion begins", lambda: oldest() != first, 90)
        began = time.monotonic()
        wait.until("the deletion ends", lambda: oldest() is None, 300, 0.1)
        ended = time.monotonic()
    for load in puts + invocations:
        load.ended.set()
        load.join(60)
    with capsys.disabled():
        print(f"\n{OLD} events deleted in {ended - began:.1f} s")
        for what, loads in (("puts", puts), ("invocations", invocations)):
            for phase, begin, end in (("before", begun, began), ("meanwhile", began, ended)):
                figures = [load.between(begin, end) for load in loads]
                rate, slow, slowest = (
                    sum(f[0] for f in figures),
                    max(f[1] for f in figures),
                    max(f[2] for f in figures),
                )
                print(f"{what} {phase}: {rate:.0f}/s, p99 {slow:.0f} ms, longest {slowest:.0f} ms")
    for load in puts + invocations:
        assert load.between(began, ended)[2] < STALL_SECONDS * 1000
    assert daemon.metrics().sum("lamina_log_lines_dropped_total") == 0
