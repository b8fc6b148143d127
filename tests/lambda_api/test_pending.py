"""Functions whose code takes long to compile: `Pending`, then `Active` or `Failed`, as AWS's waiters expect it."""

import botocore.exceptions
import pytest

from harness import packages, wait
from harness.functions import ROLE_AND_RUNTIME, create, zipped

AT_ONCE = {"LAMINA_SANDBOX_PENDING_AFTER_MS": "0"}

# A core module that imports what no host offers.
UNLINKABLE = '(module (import "nobody" "knows" (func)) (memory (export "memory") 1) (func (export "_start")))'


@pytest.fixture(scope="module")
def slow():
    """A package that is compiled for seconds."""
    return packages.archive({"bootstrap.wasm": packages.many_functions(1_500)})


@pytest.fixture
def eager(own_daemon):
    """A daemon that answers deployments before they are compiled."""
    return own_daemon(environment=AT_ONCE).start()


def raw_create(lam, name, package, **more):
    return lam.create_function(FunctionName=name, Code={"ZipFile": package}, **ROLE_AND_RUNTIME, **more)


def wat(text):
    return packages.archive({"bootstrap.wat": text.encode()})


def code_of(error):
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_pending_then_active(eager):
    lam = eager.lam
    answer = raw_create(lam, "f", zipped("invoke_ops"), Publish=True, Tags={"k": "v"})
    assert (answer["State"], answer["StateReasonCode"], answer["Version"]) == ("Pending", "Creating", "1")
    assert "LastUpdateStatus" not in answer
    lam.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    latest = lam.get_function_configuration(FunctionName="f")
    assert (latest["State"], latest["LastUpdateStatus"], latest["Version"]) == ("Active", "Successful", "$LATEST")
    assert "StateReason" not in latest
    assert latest["CodeSha256"] == answer["CodeSha256"]
    published = lam.get_function_configuration(FunctionName="f", Qualifier="1")
    assert (published["State"], published["CodeSha256"]) == ("Active", answer["CodeSha256"])
    assert eager.invoke("f", {"op": "context"}).error is None
    assert lam.get_function(FunctionName="f")["Tags"] == {"k": "v"}


def test_what_is_pending_can_be_seen_but_not_used(eager, slow):
    lam = eager.lam
    raw_create(lam, "f", slow, Publish=True)
    # Two states are right here, if the machine is fast enough; all of the rest is about the first.
    for described in (
        lam.get_function(FunctionName="f")["Configuration"],
        lam.get_function_configuration(FunctionName="f", Qualifier="1"),
        lam.list_functions()["Functions"][0],
    ):
        assert described["State"] == "Pending"
    listed = lam.list_versions_by_function(FunctionName="f")["Versions"]
    assert [(version["Version"], version["State"]) for version in listed] == [("$LATEST", "Pending"), ("1", "Pending")]
    everything = lam.list_functions(FunctionVersion="ALL")["Functions"]
    assert [version["Version"] for version in everything] == ["$LATEST", "1"]
    refused = (
        lambda: lam.invoke(FunctionName="f"),
        lambda: lam.invoke(FunctionName="f", Qualifier="1"),
        lambda: lam.invoke(FunctionName="f", InvocationType="Event"),
        lambda: lam.update_function_code(FunctionName="f", ZipFile=slow),
        lambda: lam.update_function_configuration(FunctionName="f", Timeout=9),
        lambda: lam.publish_version(FunctionName="f"),
    )
    for call in refused:
        with pytest.raises(lam.exceptions.ResourceConflictException, match="currently in the following state: Pending"):
            call()
    with pytest.raises(lam.exceptions.ResourceConflictException, match="already exist"):
        raw_create(lam, "f", zipped("invoke_ops"))
    lam.delete_function(FunctionName="f")
    with pytest.raises(lam.exceptions.ResourceNotFoundException):
        lam.get_function(FunctionName="f")
    # The name is free at once, and what is still compiled for the deleted one does not come back.
    create(lam, "f", zipped("invoke_ops"))
    assert lam.get_function_configuration(FunctionName="f")["CodeSize"] != len(slow)
    assert eager.invoke("f", {"op": "context"}).error is None


def test_an_update_in_progress(eager, slow):
    lam = eager.lam
    create(lam, "f", zipped("invoke_ops"))
    before = lam.get_function_configuration(FunctionName="f")
    updated = lam.update_function_code(FunctionName="f", ZipFile=slow, Publish=True)
    assert (updated["Version"], updated["State"]) == ("1", "Pending")
    now = lam.get_function_configuration(FunctionName="f")
    assert (now["State"], now["LastUpdateStatus"]) == ("Active", "InProgress")
    assert now["CodeSha256"] == updated["CodeSha256"] != before["CodeSha256"]
    # The code that was there goes on.
    assert eager.invoke("f", {"op": "context"}).error is None
    for call in (
        lambda: lam.update_function_code(FunctionName="f", ZipFile=slow),
        lambda: lam.update_function_configuration(FunctionName="f", Timeout=9),
        lambda: lam.publish_version(FunctionName="f"),
    ):
        with pytest.raises(lam.exceptions.ResourceConflictException, match="An update is in progress for resource"):
            call()
    # What does not touch code and configuration can be changed meanwhile.
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)
    lam.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    now = lam.get_function_configuration(FunctionName="f", Qualifier="1")
    assert (now["State"], now["CodeSha256"]) == ("Active", updated["CodeSha256"])
    assert lam.get_function(FunctionName="f")["Concurrency"] == {"ReservedConcurrentExecutions": 1}
    assert lam.publish_version(FunctionName="f")["Version"] == "1", "nothing changed since"


def test_a_creation_that_fails_says_why_and_can_be_mended(eager):
    lam = eager.lam
    assert raw_create(lam, "f", wat(UNLINKABLE), Publish=True)["State"] == "Pending"
    with pytest.raises(botocore.exceptions.WaiterError):
        lam.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    failed = lam.get_function_configuration(FunctionName="f")
    assert (failed["State"], failed["StateReasonCode"]) == ("Failed", "FunctionError")
    assert "nobody" in failed["StateReason"]
    with pytest.raises(lam.exceptions.ResourceConflictException, match="currently in the following state: Failed"):
        lam.invoke(FunctionName="f")
    with pytest.raises(lam.exceptions.ResourceConflictException, match="currently in the following state: Failed"):
        lam.update_function_configuration(FunctionName="f", Timeout=9)
    lam.update_function_code(FunctionName="f", ZipFile=zipped("invoke_ops"), Publish=True)
    lam.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    assert eager.invoke("f", {"op": "context"}).error is None
    # The number that was given to what failed is not given again.
    versions = [version["Version"] for version in lam.list_versions_by_function(FunctionName="f")["Versions"]]
    assert versions == ["$LATEST", "2"]


def test_an_update_that_fails_leaves_what_was_there(eager):
    lam = eager.lam
    create(lam, "f", zipped("invoke_ops"))
    before = lam.get_function_configuration(FunctionName="f")
    lam.update_function_code(FunctionName="f", ZipFile=wat(UNLINKABLE))
    with pytest.raises(botocore.exceptions.WaiterError):
        lam.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    now = lam.get_function_configuration(FunctionName="f")
    assert (now["State"], now["LastUpdateStatus"]) == ("Active", "Failed")
    assert "nobody" in now["LastUpdateStatusReason"]
    assert now["CodeSha256"] == before["CodeSha256"]
    assert eager.invoke("f", {"op": "context"}).error is None
    lam.update_function_configuration(FunctionName="f", Timeout=9)
    now = lam.get_function_configuration(FunctionName="f")
    assert (now["LastUpdateStatus"], now["Timeout"]) == ("Successful", 9)


def test_a_dry_run_is_waited_for(eager):
    lam = eager.lam
    create(lam, "f", zipped("invoke_ops"))
    with pytest.raises(lam.exceptions.InvalidParameterValueException, match="nobody"):
        lam.update_function_code(FunctionName="f", ZipFile=wat(UNLINKABLE), DryRun=True)
    assert lam.get_function_configuration(FunctionName="f")["LastUpdateStatus"] == "Successful"


@pytest.mark.parametrize("ending", ["kill", "stop"])
def test_compiling_goes_on_after_a_restart(own_daemon, slow, ending):
    daemon = own_daemon(environment=AT_ONCE).start()
    create(daemon.lam, "updated", zipped("invoke_ops"))
    wanted = raw_create(daemon.lam, "created", slow, Publish=True)["CodeSha256"]
    daemon.lam.update_function_code(FunctionName="updated", ZipFile=slow)
    getattr(daemon, ending)()
    daemon.start()
    assert daemon.lam.get_function_configuration(FunctionName="created")["State"] in ("Pending", "Active")

    def settled(name, qualifier):
        now = daemon.lam.get_function_configuration(FunctionName=name, Qualifier=qualifier)
        return now["State"] == "Active" and now["LastUpdateStatus"] == "Successful" and now["CodeSha256"] == wanted

    for name, qualifier in (("created", "$LATEST"), ("created", "1"), ("updated", "$LATEST")):
        wait.until(f"{name}:{qualifier} is compiled", lambda: settled(name, qualifier), 120)


def test_the_command_line_waits(eager, tmp_path):
    package = tmp_path / "f.zip"
    package.write_bytes(zipped("invoke_ops"))
    assert b"version 1" in eager.lamina("deploy", "f", str(package), "--publish").stdout
    assert eager.invoke("f", {"op": "context"}).error is None
    package.write_bytes(wat(UNLINKABLE))
    failed = eager.lamina("deploy", "f", str(package), check=False)
    assert failed.returncode == 1 and b"nobody" in failed.stderr
