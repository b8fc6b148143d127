"""Members of a function's configuration beyond the everyday ones."""

import json

import pytest

from harness import wait
from harness.clients import REGION, function_arn, refused
from harness.functions import create, zipped

ECHO = "invoke_echo.event"


def logging(lam, name, **config):
    return lam.update_function_configuration(FunctionName=name, LoggingConfig=config)["LoggingConfig"]


def test_logging_config_is_kept(lam, make):
    name = make()
    group = f"/aws/lambda/{name}"
    plain = lam.get_function_configuration(FunctionName=name)["LoggingConfig"]
    assert plain == {"LogFormat": "Text", "LogGroup": group}
    info = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": group}
    assert logging(lam, name, LogFormat="JSON") == info
    assert logging(lam, name, ApplicationLogLevel="TRACE") == info | {"ApplicationLogLevel": "TRACE"}
    assert logging(lam, name, LogFormat="Text") == plain
    assert logging(lam, name, LogGroup="/my/group") == plain | {"LogGroup": "/my/group"}


@pytest.mark.parametrize(
    "config",
    [
        {"LogFormat": "XML"},
        {"ApplicationLogLevel": "INFO"},
        {"LogFormat": "Text", "SystemLogLevel": "WARN"},
        {"LogFormat": "JSON", "SystemLogLevel": "TRACE"},
        {"LogFormat": "JSON", "ApplicationLogLevel": "LOUD"},
        {"LogGroup": "with space"},
        {"LogGroup": "g" * 513},
        {"LogGroup": ""},
    ],
    ids=str,
)
def test_logging_config_is_checked(lam, make, config):
    with refused(("ValidationException", "InvalidParameterValueException"), 400):
        logging(lam, make(), **config)


def lines(daemon, group, expected):
    logs = daemon.client("logs")

    def read():
        events = logs.filter_log_events(logGroupName=group)["events"]
        texts = [event["message"].rstrip("\n") for event in events]
        return texts if len(texts) >= expected else None

    def there():
        try:
            return read()
        except logs.exceptions.ResourceNotFoundException:
            return None

    return wait.until(f"{expected} lines in {group}", there, 15)


def test_json_logs(daemon, make):
    name = make(
        "invoke_ops", LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "DEBUG", "ApplicationLogLevel": "WARN"}
    )
    answer = daemon.invoke(name, {"op": "log", "text": '{"level":"INFO"}'}, LogType="Tail")
    answer.ok()
    # start, the function's lines, runtimeDone, report
    texts = lines(daemon, f"/aws/lambda/{name}", 4)
    records = [json.loads(text) for text in texts if text.startswith('{"record"') or '"platform.' in text]
    kinds = {record["type"]: record["record"] for record in records if "type" in record}
    assert kinds["platform.start"] == {"requestId": answer.request_id, "version": "$LATEST"}
    report = kinds["platform.report"]
    assert report["requestId"] == answer.request_id and report["status"] == "success"
    assert report["metrics"]["memorySizeMB"] == 128 and report["metrics"]["billedDurationMs"] >= 1
    assert kinds["platform.runtimeDone"]["status"] == "success"
    environment = daemon.invoke(name, {"op": "env"}).ok()
    assert (environment["AWS_LAMBDA_LOG_FORMAT"], environment["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "WARN")


def test_another_log_group(daemon, make, name):
    group = f"/teams/{name}"
    function = make("invoke_ops", LoggingConfig={"LogGroup": group})
    daemon.invoke(function, {"op": "log", "text": "here"}).ok()
    assert any("here" in text for text in lines(daemon, group, 3))


def test_what_would_be_a_lie_is_refused_and_its_empty_form_taken(lam, make):
    name = make(VpcConfig={"SubnetIds": [], "SecurityGroupIds": []}, SnapStart={"ApplyOn": "None"})
    for settings in (
        {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
        {
            "FileSystemConfigs": [
                {"Arn": "arn:aws:elasticfilesystem:us-east-1:1:access-point/a", "LocalMountPath": "/mnt/a"}
            ]
        },
        {"SnapStart": {"ApplyOn": "PublishedVersions"}},
    ):
        with refused("InvalidParameterValueException", 400, says="not supported by Lamina"):
            lam.update_function_configuration(FunctionName=name, **settings)
    with refused("InvalidParameterValueException", 400, says="the intended function PackageType is Zip"):
        lam.update_function_configuration(FunctionName=name, ImageConfig={"Command": ["x"]})


@pytest.mark.parametrize("runtime", ["ruby3.4", "dotnet8", "java21"])
def test_runtimes_that_are_not_installed_are_named(lam, name, runtime):
    with refused("InvalidParameterValueException", 400, says="provided.al2023") as refusal:
        create(lam, name, zipped(ECHO), Runtime=runtime)
    assert f"{runtime} is a runtime of AWS that is not installed here" in refusal.message


def test_waiters_return(lam, make):
    name = make()
    for waiter in (
        "function_active_v2",
        "function_updated_v2",
        "function_active",
        "function_updated",
        "function_exists",
    ):
        lam.get_waiter(waiter).wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 2})


def test_lists_by_master_region(lam, make):
    name = make(Publish=True)
    every = lam.list_functions(MasterRegion="ALL", FunctionVersion="ALL")["Functions"]
    assert {item["Version"] for item in every if item["FunctionName"] == name} == {"$LATEST", "1"}
    assert lam.list_functions(MasterRegion="eu-west-1", FunctionVersion="ALL")["Functions"] == []
    assert lam.list_functions(MasterRegion=REGION, FunctionVersion="ALL")["Functions"] != []
    with refused("ValidationException", 400):
        lam.list_functions(MasterRegion="the moon")


def test_account_settings(lam, make):
    make()
    settings = lam.get_account_settings()
    assert set(settings["AccountLimit"]) == {
        "TotalCodeSize",
        "CodeSizeUnzipped",
        "CodeSizeZipped",
        "ConcurrentExecutions",
        "UnreservedConcurrentExecutions",
    }
    assert settings["AccountUsage"]["FunctionCount"] >= 1 and settings["AccountUsage"]["TotalCodeSize"] > 0


def test_runtime_management(lam, make):
    name = make(Publish=True)
    get, put = lam.get_runtime_management_config, lam.put_runtime_management_config
    first = get(FunctionName=name)
    assert (first["UpdateRuntimeOn"], first["FunctionArn"]) == ("Auto", function_arn(name, "$LATEST"))
    assert put(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")["UpdateRuntimeOn"] == "FunctionUpdate"
    assert get(FunctionName=name)["UpdateRuntimeOn"] == "FunctionUpdate"
    assert get(FunctionName=name, Qualifier="1")["UpdateRuntimeOn"] == "Auto"
    own = lam.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"]["RuntimeVersionArn"]
    manual = put(FunctionName=name, Qualifier="1", UpdateRuntimeOn="Manual", RuntimeVersionArn=own)
    assert (manual["RuntimeVersionArn"], manual["FunctionArn"]) == (own, function_arn(name, "1"))
    for settings in (
        {"UpdateRuntimeOn": "Manual"},
        {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": own},
        {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": own + "x"},
        {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": "nonsense"},
        {"UpdateRuntimeOn": "Sometimes"},
        {},
    ):
        with refused(("ValidationException", "InvalidParameterValueException"), 400):
            put(FunctionName=name, **settings)
    with refused("ResourceNotFoundException", 404):
        get(FunctionName=name, Qualifier="7")
