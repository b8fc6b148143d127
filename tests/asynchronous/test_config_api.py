"""PutFunctionEventInvokeConfig and its Update, Get, List and Delete."""

import datetime

import pytest

from harness.clients import function_arn, queue_arn, refused


@pytest.fixture
def function(make):
    return make("invoke_echo.event")


def test_a_configuration_is_put_changed_and_deleted(lam, function, make_queue):
    arn = queue_arn(make_queue().rpartition("/")[2])
    put = lam.put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=0,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    assert put["FunctionArn"] == function_arn(function, "$LATEST")
    assert (put["MaximumRetryAttempts"], put["MaximumEventAgeInSeconds"]) == (0, 60)
    assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": arn}}
    assert abs(put["LastModified"].timestamp() - datetime.datetime.now().timestamp()) < 60

    changed = lam.update_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=2)
    assert (changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"]) == (2, 60)
    assert changed["DestinationConfig"]["OnFailure"] == {"Destination": arn}
    got = lam.get_function_event_invoke_config(FunctionName=function, Qualifier="$LATEST")
    assert got["MaximumRetryAttempts"] == 2

    replaced = lam.put_function_event_invoke_config(FunctionName=function, MaximumEventAgeInSeconds=21600)
    assert "MaximumRetryAttempts" not in replaced
    assert replaced["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}

    answer = lam.delete_function_event_invoke_config(FunctionName=function)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (lam.get_function_event_invoke_config, lam.delete_function_event_invoke_config):
        with refused("ResourceNotFoundException", 404, says="EventInvokeConfig"):
            call(FunctionName=function)
    with refused("ResourceNotFoundException", 404):
        lam.update_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=1)


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({}, "InvalidParameterValueException", "at least one"),
        ({"MaximumRetryAttempts": -1}, "ValidationException", "maximumRetryAttempts"),
        ({"MaximumRetryAttempts": 3}, "ValidationException", "less than or equal to 2"),
        ({"MaximumEventAgeInSeconds": 59}, "ValidationException", "greater than or equal to 60"),
        ({"MaximumEventAgeInSeconds": 21601}, "ValidationException", "less than or equal to 21600"),
    ],
)
def test_values_outside_their_constraints_are_refused(lam, function, settings, code, says):
    for call in (lam.put_function_event_invoke_config, lam.update_function_event_invoke_config):
        with refused(code, 400, says=says):
            call(FunctionName=function, **settings)


@pytest.mark.parametrize(
    ("arn", "code", "says"),
    [
        ("arn:aws:sns:us-east-1:000000000000:t", "InvalidParameterValueException", "SNS"),
        ("arn:aws:events:us-east-1:000000000000:event-bus/b", "InvalidParameterValueException", "EventBridge"),
        ("arn:aws:s3:::bucket", "InvalidParameterValueException", "S3"),
        (queue_arn("q.fifo"), "InvalidParameterValueException", "FIFO"),
        (queue_arn("q").replace("us-east-1", "eu-west-1"), "InvalidParameterValueException", "region"),
        ("nonsense", "ValidationException", "destination"),
        ("arn:aws:sqs:us-east-1:000000000000:" + "q" * 350, "ValidationException", "350"),
    ],
)
def test_other_destinations_are_refused(lam, function, arn, code, says):
    for which in ("OnSuccess", "OnFailure"):
        with refused(code, 400, says=says):
            lam.put_function_event_invoke_config(FunctionName=function, DestinationConfig={which: {"Destination": arn}})


def test_a_destination_has_to_be_there(lam, function, make, make_queue, sqs):
    url, other = make_queue(), make()
    queue = queue_arn(url.rpartition("/")[2])

    def put(arn, which="OnSuccess"):
        lam.put_function_event_invoke_config(FunctionName=function, DestinationConfig={which: {"Destination": arn}})

    for arn in (queue, function_arn(other), function_arn(other, "$LATEST")):
        put(arn)
    for arn in (queue_arn("no-such-queue"), function_arn("no-such-function"), function_arn(other, "none")):
        for which in ("OnSuccess", "OnFailure"):
            with refused("InvalidParameterValueException", 400, says=f"The destination ARN {arn} is invalid."):
                put(arn, which)
    foreign = queue.replace(":000000000000:", ":111111111111:")
    with refused("InvalidParameterValueException", 400, says="account"):
        put(foreign)
    # One that went afterwards stays configured, until it is set again.
    put(queue)
    sqs.delete_queue(QueueUrl=url)
    got = lam.get_function_event_invoke_config(FunctionName=function)
    assert got["DestinationConfig"]["OnSuccess"] == {"Destination": queue}
    lam.update_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=1)
    with refused("InvalidParameterValueException", 400):
        put(queue)


def test_a_function_is_not_its_own_destination(lam, function):
    with refused("InvalidParameterValueException", 400, says="own destination"):
        lam.put_function_event_invoke_config(
            FunctionName=function, DestinationConfig={"OnSuccess": {"Destination": function_arn(function)}}
        )


def test_what_is_not_there_is_not_found(lam, function):
    for name, more in ((f"{function}-none", {}), (function, {"Qualifier": "none"}), (function, {"Qualifier": "9"})):
        with refused("ResourceNotFoundException", 404):
            lam.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1, **more)
    with refused("ResourceNotFoundException", 404):
        lam.list_function_event_invoke_configs(FunctionName=f"{function}-none")


def test_each_qualifier_has_its_own_and_lists_go_to_the_end(lam, function):
    version = lam.publish_version(FunctionName=function)["Version"]
    names = [f"alias{number:02}" for number in range(7)]
    for name in names:
        lam.create_alias(FunctionName=function, Name=name, FunctionVersion=version)
        lam.put_function_event_invoke_config(FunctionName=function, Qualifier=name, MaximumRetryAttempts=1)
    lam.put_function_event_invoke_config(FunctionName=f"{function}:{version}", MaximumRetryAttempts=1)
    lam.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=1)
    expected = {function_arn(function, qualifier) for qualifier in [*names, version, "$LATEST"]}
    seen = []
    pages = lam.get_paginator("list_function_event_invoke_configs")
    for page in pages.paginate(FunctionName=function, PaginationConfig={"PageSize": 2}):
        assert len(page["FunctionEventInvokeConfigs"]) <= 2
        seen.extend(config["FunctionArn"] for config in page["FunctionEventInvokeConfigs"])
    assert len(seen) == 9 and set(seen) == expected
    for items in (0, 51):
        with refused("ValidationException", 400, says="maxItems"):
            lam.list_function_event_invoke_configs(FunctionName=function, MaxItems=items)
    with refused("InvalidParameterValueException", 400):
        lam.list_function_event_invoke_configs(FunctionName=function, Marker="nonsense")

    lam.delete_alias(FunctionName=function, Name=names[0])
    left = lam.list_function_event_invoke_configs(FunctionName=function)["FunctionEventInvokeConfigs"]
    assert {config["FunctionArn"] for config in left} == expected - {function_arn(function, names[0])}
