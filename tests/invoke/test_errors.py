"""What a failing function's caller is told, and that it fails alone."""

import re
import time

import pytest

from harness import wait


def test_an_error_of_the_functions_own(daemon, make):
    answer = daemon.invoke(make("invoke_ops"), {"op": "fail", "type": "Order.Missing", "message": "no order 7"})
    assert answer.status == 200
    document = answer.failed("Order.Missing")
    assert document["errorMessage"] == "no order 7"


def test_a_timeout(daemon, make):
    name = make("invoke_ops", Timeout=1)
    start = time.monotonic()
    answer = daemon.invoke(name, {"op": "sleep", "ms": 20_000})
    assert time.monotonic() - start < 10
    document = answer.failed("Sandbox.Timedout")
    assert re.fullmatch(r"RequestId: [0-9a-f-]{36} Error: Task timed out after 1\.00 seconds", document["errorMessage"])
    assert answer.error == "Unhandled"
    assert daemon.invoke(name, {"op": "count"}).ok()["calls"] == 1, "the environment was to die"


def test_a_timeout_of_a_busy_guest(daemon, make):
    name = make("invoke_ops", Timeout=1)
    daemon.invoke(name, {"op": "spin", "ms": 20_000}).failed("Sandbox.Timedout")
    assert daemon.invoke(name, {"op": "count"}).ok()["calls"] == 1


@pytest.mark.parametrize("guest", ["invoke_ops", "command_ops"])
def test_an_exit(daemon, make, guest):
    name = make(guest)
    # The preview 1 adapter tells the host only whether a guest succeeded.
    document = daemon.invoke(name, {"op": "exit", "code": 3}).failed("Runtime.ExitError")
    assert re.search(
        r"RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 1", document["errorMessage"]
    )
    assert daemon.invoke(name, {"plain": 1}).ok() == {"plain": 1}


@pytest.mark.parametrize("guest", ["invoke_ops", "command_ops"])
def test_a_panic(daemon, make, guest):
    name = make(guest)
    answer = daemon.invoke(name, {"op": "panic", "message": "at the disco"})
    assert answer.error == "Unhandled"
    answer.failed("Runtime.ExitError")
    assert daemon.invoke(name, {"plain": 1}).ok() == {"plain": 1}


def test_memory_past_the_functions_size(daemon, make):
    name = make("invoke_ops", MemorySize=128)
    daemon.invoke(name, {"op": "alloc", "mb": 300}).failed("Runtime.OutOfMemory")
    assert daemon.invoke(name, {"op": "count"}).ok()["calls"] == 1, "the environment was to die"
    assert daemon.invoke(name, {"op": "alloc", "mb": 64}).ok()["bytes"] == 64 << 20


def test_memory_within_the_functions_size(daemon, make):
    assert daemon.invoke(make("invoke_ops", MemorySize=512), {"op": "alloc", "mb": 300}).ok()["bytes"] == 300 << 20


def test_a_response_past_6_mb(daemon, make):
    name = make("invoke_ops", MemorySize=512)
    assert len(daemon.invoke(name, {"op": "text", "size": 6 * 1024 * 1024 - 2}).payload) == 6 * 1024 * 1024
    document = daemon.invoke(name, {"op": "text", "size": 7 * 1024 * 1024}).failed("Function.ResponseSizeTooLarge")
    assert "6291556" in document["errorMessage"] or "exceeded maximum allowed payload size" in document["errorMessage"]
    assert daemon.invoke(name, {"plain": 1}).ok() == {"plain": 1}


def test_cpu_time_past_its_limit(daemon, make):
    name = make("invoke_ops", environment={"LAMINA_CPU_TIME_LIMIT_MS": "200"}, Timeout=30)
    start = time.monotonic()
    document = daemon.invoke(name, {"op": "spin", "ms": 20_000}).failed("Sandbox.CpuTimeExceeded")
    assert time.monotonic() - start < 15, "the wall clock's limit is far away"
    assert "200 ms" in document["errorMessage"], document
    assert daemon.invoke(name, {"op": "sleep", "ms": 500}).ok(), "waiting costs no CPU time"
    assert daemon.invoke(name, {"op": "spin", "ms": 50}).ok()


@pytest.mark.parametrize("how", ["fail", "trap", "exit"])
def test_an_init_that_fails(daemon, make, how):
    name = make("invoke_ops", environment={"INIT": how})
    for _ in range(2):
        document = daemon.invoke(name, {"op": "count"}).failed()
        if how == "fail":
            assert (document["errorType"], document["errorMessage"]) == ("Init.Refused", "INIT is fail")
        else:
            assert document["errorType"] == "Runtime.ExitError", document


def test_errors_are_counted_by_type(daemon, make):
    name = make("invoke_ops", Timeout=1)
    daemon.invoke(name, {"op": "exit", "code": 1}).failed()
    daemon.invoke(name, {"op": "sleep", "ms": 5000}).failed()
    scrape = daemon.metrics()
    assert scrape.sum("lamina_invocation_errors_total", function=name, error_type="Runtime.ExitError") == 1
    assert scrape.sum("lamina_invocation_errors_total", function=name, error_type="Sandbox.Timedout") == 1
    assert scrape.sum("lamina_invocations_total", function=name) == 2


def test_a_client_that_goes_away_leaves_nothing_busy(daemon, make):
    name = make("invoke_ops", Timeout=3)
    connection = daemon.connection("api")
    connection.request("POST", f"/2015-03-31/functions/{name}/invocations", b'{"op":"sleep","ms":60000}')
    busy = lambda: daemon.metrics().sum("lamina_environments", function=name, state="busy")
    wait.until("it is running", lambda: busy() == 1)
    connection.close()
    wait.until("it has ended", lambda: busy() == 0, 10)
