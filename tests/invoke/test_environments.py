"""Execution environments: reuse and fresh, `/tmp`, idle retirement, start kinds."""

import threading

from harness import wait
from harness.functions import active

ENOSPC = 51  # WASI's number


def starts(daemon, name):
    """How many invocations of each start kind a function has had."""
    scrape = daemon.metrics()
    return {
        kind: int(scrape.sum("lamina_invocation_duration_seconds_count", function=name, start=kind))
        for kind in ("cold", "warm", "provisioned")
    }


def test_reuse_keeps_globals_and_starts_warm(daemon, make):
    name = make("invoke_ops")
    answers = [daemon.invoke(name, {"op": "count"}).ok() for _ in range(3)]
    assert [answer["calls"] for answer in answers] == [1, 2, 3]
    assert {answer["inits"] for answer in answers} == {1}
    assert starts(daemon, name) == {"cold": 1, "warm": 2, "provisioned": 0}


def test_fresh_starts_anew_each_time(daemon, make):
    name = make("invoke_ops", environment={"LAMINA_SANDBOX": "fresh"})
    daemon.invoke(name, {"op": "append", "path": "/tmp/left", "text": "x"}).ok()
    answers = [daemon.invoke(name, {"op": "count"}).ok() for _ in range(3)]
    assert [answer["calls"] for answer in answers] == [1, 1, 1]
    assert "error" in daemon.invoke(name, {"op": "read", "path": "/tmp/left"}).ok()


def test_a_command_is_one_instance_an_invocation(daemon, make):
    name = make("command_ops")
    assert daemon.invoke(name, {"op": "stderr"}).ok() is None
    assert daemon.invoke(name, {"n": 1}).ok() == {"n": 1}


def test_tmp_is_kept_by_the_environment_and_private_to_it(daemon, make):
    name = make("invoke_ops")
    daemon.invoke(name, {"op": "append", "path": "/tmp/mine", "text": "a"}).ok()
    daemon.invoke(name, {"op": "append", "path": "/tmp/mine", "text": "b"}).ok()
    assert daemon.invoke(name, {"op": "read", "path": "/tmp/mine"}).ok() == {"ok": "ab"}
    busy = threading.Thread(target=lambda: daemon.invoke(name, {"op": "sleep", "ms": 3000}))
    busy.start()
    wait.until("one is busy", lambda: daemon.metrics().sum("lamina_environments", function=name, state="busy") == 1)
    assert "error" in daemon.invoke(name, {"op": "read", "path": "/tmp/mine"}).ok()
    busy.join(20)
    other = make("invoke_ops")
    assert daemon.invoke(other, {"op": "list", "path": "/tmp"}).ok() == {"ok": []}


def test_tmp_dies_with_its_environment(daemon, make):
    name = make("invoke_ops")
    daemon.invoke(name, {"op": "append", "path": "/tmp/mine", "text": "a"}).ok()
    daemon.invoke(name, {"op": "exit", "code": 1}).failed()
    assert daemon.invoke(name, {"op": "list", "path": "/tmp"}).ok() == {"ok": []}


def test_tmp_is_full_at_its_quota_and_can_be_freed(daemon, make):
    name = make("invoke_ops", Timeout=60, EphemeralStorage={"Size": 512})
    mb = 1 << 20
    assert daemon.invoke(name, {"op": "write", "path": "/tmp/a", "size": 400 * mb}).ok() == {"ok": None}
    refused = daemon.invoke(name, {"op": "write", "path": "/tmp/b", "size": 200 * mb}).ok()
    assert refused.get("os") == ENOSPC, refused
    daemon.invoke(name, {"op": "remove", "path": "/tmp/b"}).ok()
    assert daemon.invoke(name, {"op": "write", "path": "/tmp/c", "size": 100 * mb}).ok() == {"ok": None}
    daemon.invoke(name, {"op": "remove", "path": "/tmp/a"}).ok()
    daemon.invoke(name, {"op": "remove", "path": "/tmp/c"}).ok()
    assert daemon.invoke(name, {"op": "write", "path": "/tmp/d", "size": 400 * mb}).ok() == {"ok": None}


def test_an_idle_environment_is_retired(daemon, make):
    name = make("invoke_ops", environment={"LAMINA_IDLE_TIMEOUT_S": "1"})
    first = daemon.invoke(name, {"op": "count"}).ok()["instance"]
    alive = lambda: sum(
        daemon.metrics().sum("lamina_environments", function=name, state=state)
        for state in ("idle", "busy", "initializing")
    )
    assert alive() == 1
    wait.until("it is retired", lambda: alive() == 0, 15)
    assert daemon.invoke(name, {"op": "count"}).ok()["instance"] != first
    assert starts(daemon, name)["cold"] == 2


def test_the_last_used_environment_is_used_first(daemon, make):
    name = make("invoke_ops")
    threads = [threading.Thread(target=lambda: daemon.invoke(name, {"op": "sleep", "ms": 1500})) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    instances = {daemon.invoke(name, {"op": "count"}).ok()["instance"] for _ in range(10)}
    assert len(instances) == 1


def test_an_update_retires_environments_of_the_old_configuration(daemon, lam, make):
    name = make("invoke_ops", environment={"STAGE": "1"})
    assert daemon.invoke(name, {"op": "env"}).ok()["STAGE"] == "1"
    lam.update_function_configuration(FunctionName=name, Environment={"Variables": {"STAGE": "2"}})
    active(lam, name)
    assert daemon.invoke(name, {"op": "env"}).ok()["STAGE"] == "2"
    assert daemon.invoke(name, {"op": "count"}).ok()["inits"] == 1
