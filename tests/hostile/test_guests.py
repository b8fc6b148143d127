"""Hostile guests: each gets its error, ends alone, and leaves the daemon and other functions as they were."""

import statistics
import threading
import time

import pytest

from harness import packages, wait

# Guest, event, settings, and the errors that are right for it.
GUESTS = {
    "loop": ("hostile_loop.event", None, {"Timeout": 2}, {"Sandbox.Timedout"}),
    "recursion": ("hostile_recursion.event", None, {}, {"Runtime.ExitError"}),
    "memory bomb": ("hostile_memory.event", None, {"Timeout": 20}, {"Runtime.OutOfMemory"}),
    "table bomb": (
        "hostile_table.event",
        None,
        {"Timeout": 20},
        {"Runtime.OutOfMemory"},
    ),
    "log flood": ("hostile_output.command", None, {"Timeout": 2}, {"Sandbox.Timedout"}),
    "response flood": ("hostile_stdout.command", None, {"Timeout": 10}, {"Function.ResponseSizeTooLarge"}),
    "trap in init": ("hostile_init.event", None, {}, {"Runtime.ExitError"}),
    "endless init": ("hostile_init_loop.event", None, {"Timeout": 2}, {"Sandbox.Timedout"}),
    "answer out of bounds": ("hostile_answer.event", None, {}, {"Runtime.ExitError"}),
    "host-call flood": ("invoke_ops", {"op": "host_calls", "count": 10**12}, {"Timeout": 2}, {"Sandbox.Timedout"}),
    "many files": (
        "invoke_ops",
        {"op": "files", "path": "/tmp", "count": 10**9},
        {"Timeout": 2},
        {"Sandbox.Timedout", None},
    ),
    "log lines": (
        "invoke_ops",
        {"op": "log", "text": "x" * 1000, "lines": 10**9},
        {"Timeout": 2},
        {"Sandbox.Timedout"},
    ),
}


class Neighbour:
    """A function called all the while: how long its calls take, and that each succeeds."""

    def __init__(self, daemon, name):
        self.daemon, self.name = daemon, name
        self.failures = []
        self.daemon.invoke(self.name).ok()
        self.quiet = self.measure(100)

    def measure(self, calls, until=lambda: True):
        """The calls' median, in seconds: so many calls at least, and on until `until` is true.

        The first, which connects, does not count.
        """
        times = []
        connection = self.daemon.connection("api")
        while len(times) <= calls or not until():
            start = time.perf_counter()
            connection.request("POST", f"/2015-03-31/functions/{self.name}/invocations", b"{}")
            response = connection.getresponse()
            response.read()
            times.append(time.perf_counter() - start)
            if response.status != 200 or "X-Amz-Function-Error" in response.headers:
                self.failures.append(response.status)
        connection.close()
        return statistics.median(times[1:])


def hostile(daemon, work, neighbour, full, what):
    """Does `work` on a thread, again and again while the neighbour is called; answers what `work` answered first."""
    answers, enough = [], threading.Event()

    def again_and_again():
        answers.append(work())
        while not enough.wait(0.01):
            answers.append(work())

    thread = threading.Thread(target=again_and_again)
    thread.start()
    during = neighbour.measure(100, until=lambda: answers or not thread.is_alive())
    enough.set()
    thread.join(60)
    print(
        f"{what}: a neighbour's median call {during * 1e6:.0f} µs, {neighbour.quiet * 1e6:.0f} µs when quiet"
        f" ({during / neighbour.quiet:.2f}×)"
    )
    assert not neighbour.failures, neighbour.failures[:3]
    if full:
        assert during <= 2 * neighbour.quiet
    assert daemon.healthy()
    return answers[0] if answers else pytest.fail("the hostile call raised; see the thread's exception")


@pytest.mark.parametrize("what", GUESTS)
def test_a_hostile_guest_hurts_only_itself(daemon, make, full, what):
    guest, event, settings, errors = GUESTS[what]
    name = make(guest, **settings)
    neighbour = Neighbour(daemon, make())
    for _ in range(2):
        answer = hostile(daemon, lambda: daemon.invoke(name, event), neighbour, full, what)
        if answer.error is None:
            assert None in errors, f"succeeded: {answer.payload[:200]!r}"
        else:
            assert answer.json["errorType"] in errors, answer.json
    wait.until(
        "it left nothing busy", lambda: daemon.metrics().sum("lamina_environments", function=name, state="busy") == 0
    )


@pytest.mark.timeout(600)
def test_many_hostile_guests_at_once(daemon, make, full):
    """More spinning guests than there are cores: epochs let everybody through."""
    name = make("hostile_loop.event", Timeout=3)
    neighbour = Neighbour(daemon, make())

    def spin():
        threads = [threading.Thread(target=lambda: daemon.invoke(name).failed("Sandbox.Timedout")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return True

    hostile(daemon, spin, neighbour, False, "8 loops")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/tmp/../etc/passwd",
        "../etc/passwd",
        "/tmp/../../../../../../etc/passwd",
        "/proc/self/environ",
        "/dev/null",
        "/tmp/./../tmp/../etc/passwd",
        "/tmp//..//etc/passwd",
    ],
)
def test_no_path_leads_out_of_tmp(daemon, make, path):
    name = make("invoke_ops")
    answer = daemon.invoke(name, {"op": "read", "path": path}).ok()
    assert "error" in answer, answer
    assert "error" in daemon.invoke(name, {"op": "write", "path": path, "size": 1}).ok()


def test_no_link_leads_out_of_tmp(daemon, make):
    name = make("invoke_ops")
    for index, target in enumerate(("/etc/passwd", "../../../../../../etc/passwd", "..", "/")):
        link = f"/tmp/link{index}"
        daemon.invoke(name, {"op": "symlink", "to": target, "path": link}).ok()
        for path in (link, f"{link}/passwd", f"{link}/etc/passwd"):
            answer = daemon.invoke(name, {"op": "read", "path": path}).ok()
            assert "root:" not in str(answer) and "error" in answer, (target, path, answer)
            assert "error" in daemon.invoke(name, {"op": "list", "path": path}).ok()


def test_a_memory_bomb_leaves_the_daemon_its_memory(daemon, make):
    name = make("hostile_memory.event", MemorySize=1024, Timeout=20)
    before = daemon.resident_bytes()
    for _ in range(3):
        daemon.invoke(name).failed("Runtime.OutOfMemory")
    assert daemon.resident_bytes() < before + (200 << 20)


def test_a_log_flood_is_bounded_on_disk(daemon, make):
    name = make("hostile_output.command", Timeout=3)

    def used():
        return sum(path.stat().st_size for path in daemon.data.rglob("*") if path.is_file())

    before = used()
    daemon.invoke(name).failed("Sandbox.Timedout")
    assert used() - before < 512 << 20
    assert packages.wat("hostile_output.command")
