"""Provisioned concurrency: ready before it says so, used first, spilled over, replaced, there again after a restart."""

import threading

import pytest

from harness import wait
from harness.clients import function_arn, refused
from harness.functions import active, create, zipped


def config_of(lam, name, qualifier):
    return lam.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)


def ready(lam, name, qualifier, seconds=30):
    def check():
        now = config_of(lam, name, qualifier)
        assert now["Status"] in ("IN_PROGRESS", "READY"), now
        return now if now["Status"] == "READY" else None

    return wait.until(f"{name}:{qualifier} is READY", check, seconds)


def start_kinds(daemon, name):
    scrape = daemon.metrics()
    return {
        kind: int(scrape.sum("lamina_invocation_duration_seconds_count", function=name, start=kind))
        for kind in ("cold", "warm", "provisioned")
    }


def test_in_progress_then_ready_then_used(daemon, lam, make):
    name = make("invoke_ops", environment={"INIT": "sleep:1500"}, Publish=True, Timeout=20)
    put = lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=2)
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (put["Status"], put["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2)
    now = config_of(lam, name, "1")
    assert (now["Status"], now["AvailableProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 0), "init takes 1.5 s"
    now = ready(lam, name, "1")
    assert now["AllocatedProvisionedConcurrentExecutions"] == 2 and now["AvailableProvisionedConcurrentExecutions"] == 2
    assert daemon.metrics().sum("lamina_environments", function=name, state="provisioned") == 2
    answer = daemon.invoke(name, {"op": "count"}, Qualifier="1").ok()
    assert (answer["calls"], answer["inits"]) == (1, 1)
    assert start_kinds(daemon, name) == {"cold": 0, "warm": 0, "provisioned": 1}


def test_more_than_provisioned_spills_over(daemon, lam, make):
    name = make("invoke_ops", Publish=True, Timeout=20)
    lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1)
    ready(lam, name, "1")
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(daemon.invoke(name, {"op": "sleep", "ms": 1500}, Qualifier="1")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all(answer.ok() for answer in answers) and len(answers) == 3
    kinds = start_kinds(daemon, name)
    assert kinds["provisioned"] == 1 and kinds["cold"] + kinds["warm"] == 2, kinds


def test_a_dead_one_is_replaced(daemon, lam, make):
    name = make("invoke_ops", Publish=True)
    lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1)
    ready(lam, name, "1")
    first = daemon.invoke(name, {"op": "count"}, Qualifier="1").ok()["instance"]
    daemon.invoke(name, {"op": "exit", "code": 1}, Qualifier="1").failed("Runtime.ExitError")
    wait.until(
        "one is available again",
        lambda: config_of(lam, name, "1")["AvailableProvisionedConcurrentExecutions"] == 1,
        20,
    )
    assert daemon.invoke(name, {"op": "count"}, Qualifier="1").ok()["instance"] != first


def test_an_init_that_fails_is_told(lam, make):
    name = make("invoke_ops", environment={"INIT": "fail"}, Publish=True)
    lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1)
    failed = wait.until("FAILED", lambda: (now := config_of(lam, name, "1"))["Status"] == "FAILED" and now, 30)
    assert failed["StatusReason"] and failed["AvailableProvisionedConcurrentExecutions"] == 0


def test_an_alias_moves_its_provisioned_ones_with_it(daemon, lam, make):
    name = make("invoke_ops", environment={"MARK": "1"}, Publish=True)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier="live", ProvisionedConcurrentExecutions=1)
    ready(lam, name, "live")
    lam.update_function_configuration(FunctionName=name, Environment={"Variables": {"MARK": "2"}})
    active(lam, name)
    lam.publish_version(FunctionName=name)
    lam.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    ready(lam, name, "live")
    before = start_kinds(daemon, name)["provisioned"]
    assert daemon.invoke(name, {"op": "mark"}, Qualifier="live").ok()["mark"] == "2"
    assert start_kinds(daemon, name)["provisioned"] == before + 1


def test_list_change_and_delete(daemon, lam, make):
    name = make("invoke_ops", Publish=True)
    lam.update_function_configuration(FunctionName=name, Timeout=9)
    active(lam, name)
    lam.publish_version(FunctionName=name)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="2")
    for qualifier in ("1", "live"):
        lam.put_provisioned_concurrency_config(
            FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=1
        )
    seen = []
    for page in lam.get_paginator("list_provisioned_concurrency_configs").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 1}
    ):
        assert len(page["ProvisionedConcurrencyConfigs"]) <= 1
        seen += [config["FunctionArn"] for config in page["ProvisionedConcurrencyConfigs"]]
    assert sorted(seen) == sorted([function_arn(name, "1"), function_arn(name, "live")])
    lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=3)
    assert ready(lam, name, "1")["AllocatedProvisionedConcurrentExecutions"] == 3
    for qualifier in ("1", "live"):
        answer = lam.delete_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        with refused("ProvisionedConcurrencyConfigNotFoundException", 404):
            config_of(lam, name, qualifier)
    wait.until(
        "they are gone", lambda: daemon.metrics().sum("lamina_environments", function=name, state="provisioned") == 0
    )


def test_refusals(lam, make):
    name = make("invoke_ops", Publish=True)
    put = lam.put_provisioned_concurrency_config
    with refused("InvalidParameterValueException", 400):
        put(FunctionName=name, Qualifier="$LATEST", ProvisionedConcurrentExecutions=1)
    with refused("ResourceNotFoundException", 404):
        put(FunctionName=name, Qualifier="9", ProvisionedConcurrentExecutions=1)
    with refused(("InvalidParameterValueException", "ValidationException"), 400):
        put(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=0)
    with refused("InvalidParameterValueException", 400):
        put(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=10_000_000)
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    with refused("InvalidParameterValueException", 400):
        put(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=3)
    with refused("ProvisionedConcurrencyConfigNotFoundException", 404):
        config_of(lam, name, "1")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_it_is_there_after_a_restart(own_daemon, how):
    daemon = own_daemon().start()
    create(daemon.lam, "kept", zipped("invoke_ops"), Publish=True)
    daemon.lam.put_provisioned_concurrency_config(FunctionName="kept", Qualifier="1", ProvisionedConcurrentExecutions=2)
    ready(daemon.lam, "kept", "1")
    getattr(daemon, how)()
    daemon.start()
    now = ready(daemon.lam, "kept", "1")
    assert now["RequestedProvisionedConcurrentExecutions"] == now["AvailableProvisionedConcurrentExecutions"] == 2
    daemon.invoke("kept", {"op": "count"}, Qualifier="1").ok()
    assert start_kinds(daemon, "kept")["provisioned"] == 1
