"""Reserved concurrency: a cap, a guarantee, and 429s with AWS's reasons."""

import json
import threading

import pytest

from harness import config, wait
from harness.clients import refused
from harness.functions import create, zipped


def running(daemon, name):
    return int(daemon.metrics().sum("lamina_environments", function=name, state="busy"))


class Sleepers:
    """Invocations that sleep until the block ends."""

    def __init__(self, daemon, name, count, ms=3000):
        self.answers = []
        self.threads = [threading.Thread(target=self._call, args=(daemon, name, ms)) for _ in range(count)]
        self.daemon, self.name, self.count = daemon, name, count

    def _call(self, daemon, name, ms):
        self.answers.append(daemon.invoke(name, {"op": "sleep", "ms": ms}))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait.until("all are running", lambda: running(self.daemon, self.name) == self.count)
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            thread.join(30)
        for answer in self.answers:
            answer.ok()
        assert len(self.answers) == self.count


def test_put_get_delete(lam, make):
    name = make()
    assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(FunctionName=name)
    assert (
        lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=7)["ReservedConcurrentExecutions"]
        == 7
    )
    assert lam.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 7
    assert lam.get_function(FunctionName=name)["Concurrency"] == {"ReservedConcurrentExecutions": 7}
    assert lam.delete_function_concurrency(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(FunctionName=name)


@pytest.mark.parametrize("count", [-1, 10_000_000])
def test_what_cannot_be_reserved_is_refused(lam, make, count):
    with refused(("InvalidParameterValueException", "ValidationException"), 400):
        lam.put_function_concurrency(FunctionName=make(), ReservedConcurrentExecutions=count)


def test_the_unreserved_minimum_cannot_be_reserved(lam, make):
    """Lambda keeps 100 executions for functions that reserve none."""
    one = make()
    low, high = 0, 1_000_000
    while low < high:
        middle = (low + high + 1) // 2
        try:
            lam.put_function_concurrency(FunctionName=one, ReservedConcurrentExecutions=middle)
            low = middle
        except lam.exceptions.InvalidParameterValueException as error:
            assert "UnreservedConcurrentExecution" in str(error)
            high = middle - 1
    try:
        with refused("InvalidParameterValueException", 400, says="UnreservedConcurrentExecution"):
            lam.put_function_concurrency(FunctionName=make(), ReservedConcurrentExecutions=1)
    finally:
        lam.delete_function_concurrency(FunctionName=one)


def test_reserved_is_a_cap(daemon, lam, make):
    name = make("invoke_ops", Timeout=30)
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    with Sleepers(daemon, name, 2):
        with refused("TooManyRequestsException", 429) as refusal:
            daemon.invoke(name, {"op": "count"})
        assert refusal.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert refusal.response["ResponseMetadata"]["HTTPHeaders"].get("retry-after")
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert daemon.metrics().sum("lamina_throttles_total", function=name, reason=reason) == 1
    daemon.invoke(name, {"op": "count"}).ok()


def test_zero_reserved_switches_a_function_off(daemon, lam, make):
    name = make()
    daemon.invoke(name).ok()
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with refused("TooManyRequestsException", 429) as refusal:
        daemon.invoke(name)
    assert refusal.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    lam.delete_function_concurrency(FunctionName=name)
    daemon.invoke(name).ok()


def test_the_cap_holds_over_versions_and_aliases_together(daemon, lam, make):
    name = make("invoke_ops", Timeout=30, Publish=True)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with Sleepers(daemon, name, 1):
        for qualifier in ("1", "live"):
            with refused("TooManyRequestsException", 429):
                daemon.invoke(name, {"op": "count"}, Qualifier=qualifier)


def test_never_more_than_the_cap_at_once(daemon, lam, make):
    name = make("invoke_ops", Timeout=30)
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
    most, statuses, stop = [0], [], threading.Event()

    def watch():
        while not stop.is_set():
            most[0] = max(most[0], running(daemon, name))

    def call():
        connection = daemon.connection("api")
        for _ in range(20):
            connection.request(
                "POST", f"/2015-03-31/functions/{name}/invocations", json.dumps({"op": "sleep", "ms": 20})
            )
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    stop.set()
    watcher.join(10)
    assert set(statuses) <= {200, 429} and statuses.count(200) > 0 and statuses.count(429) > 0, statuses
    assert most[0] <= 3


def test_reserved_for_one_is_kept_from_others(own_daemon):
    """A host of 4: 3 reserved leave 1 for the rest, and the reserved 3 stay free for their function."""
    daemon = own_daemon(config.render({"concurrency": {"ceiling": 4, "unreserved_minimum": 1}})).start()
    create(daemon.lam, "kept", zipped("invoke_ops"), Timeout=30)
    create(daemon.lam, "rest", zipped("invoke_ops"), Timeout=30)
    daemon.lam.put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=3)
    with Sleepers(daemon, "rest", 1, 4000):
        with refused("TooManyRequestsException", 429) as refusal:
            daemon.invoke("rest", {"op": "count"})
        assert refusal.response["Reason"] == "ConcurrentInvocationLimitExceeded"
        with Sleepers(daemon, "kept", 3, 500):
            pass
