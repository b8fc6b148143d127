"""Lists in pages lead to their end, of every operation that botocore pages.

All there is, each item once, no page longer than asked for.
"""

import contextlib
import itertools
import time

import botocore.session
import jmespath
import pytest

from harness.clients import ROLE, function_arn, queue_arn
from harness.packages import archive
from harness.parity import OFFERED
from harness.recorder import REFUSALS

COUNT = 5
SIZE = 2

PUBLISHER = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/0123456789"


class World:
    """Where a case makes what it lists; what `cleanup` has is undone in reverse order."""

    def __init__(self, daemon, make, make_queue, names):
        self.daemon, self.make, self.make_queue, self.names = daemon, make, make_queue, names
        self.lam, self.sqs, self.scheduler = daemon.lam, daemon.sqs, daemon.scheduler
        self.logs = daemon.client("logs")
        self.cleanup = contextlib.ExitStack()

    def function(self):
        return self.make()

    def versions(self, name):
        """`COUNT` versions of a function."""
        numbers = []
        for number in range(COUNT):
            self.lam.update_function_configuration(FunctionName=name, Description=f"{number}")
            numbers.append(self.lam.publish_version(FunctionName=name)["Version"])
        return numbers

    def aliases(self):
        """A function, and `COUNT` aliases of its."""
        name = self.function()
        version = self.lam.publish_version(FunctionName=name)["Version"]
        aliases = [f"alias-{number}" for number in range(COUNT)]
        for alias in aliases:
            self.lam.create_alias(FunctionName=name, Name=alias, FunctionVersion=version)
        return name, aliases

    def code_signing_config(self):
        made = self.lam.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [PUBLISHER]})
        arn = made["CodeSigningConfig"]["CodeSigningConfigArn"]
        self.cleanup.callback(self.lam.delete_code_signing_config, CodeSigningConfigArn=arn)
        return arn

    def layer_version(self, name):
        made = self.lam.publish_layer_version(LayerName=name, Content={"ZipFile": archive({"file": b""})})
        self.cleanup.callback(self.lam.delete_layer_version, LayerName=name, VersionNumber=made["Version"])
        return made["LayerVersionArn"]

    def log_group(self, name):
        self.logs.create_log_group(logGroupName=name)
        self.cleanup.callback(self.logs.delete_log_group, logGroupName=name)
        return name


# Each makes `COUNT` items, and answers the arguments to list them, what they are called, and where an item has that.


def list_aliases(world):
    name, aliases = world.aliases()
    return {"FunctionName": name}, aliases, "Name"


def list_code_signing_configs(world):
    return {}, [world.code_signing_config() for _ in range(COUNT)], "CodeSigningConfigArn"


def list_event_source_mappings(world):
    name, ids = world.function(), []
    for _ in range(COUNT):
        arn = queue_arn(world.make_queue().rpartition("/")[2])
        made = world.lam.create_event_source_mapping(FunctionName=name, EventSourceArn=arn, Enabled=False)
        world.cleanup.callback(world.lam.delete_event_source_mapping, UUID=made["UUID"])
        ids.append(made["UUID"])
    return {"FunctionName": name}, ids, "UUID"


def list_function_event_invoke_configs(world):
    name, aliases = world.aliases()
    for alias in aliases:
        world.lam.put_function_event_invoke_config(FunctionName=name, Qualifier=alias, MaximumRetryAttempts=0)
    return {"FunctionName": name}, [function_arn(name, alias) for alias in aliases], "FunctionArn"


def list_function_url_configs(world):
    name, aliases = world.aliases()
    for alias in aliases:
        world.lam.create_function_url_config(FunctionName=name, Qualifier=alias, AuthType="NONE")
    return {"FunctionName": name}, [function_arn(name, alias) for alias in aliases], "FunctionArn"


def list_functions(world):
    return {}, [world.function() for _ in range(COUNT)], "FunctionName"


def list_functions_by_code_signing_config(world):
    arn = world.code_signing_config()
    functions = [world.function() for _ in range(COUNT)]
    for name in functions:
        world.lam.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
        world.cleanup.callback(world.lam.delete_function_code_signing_config, FunctionName=name)
    return {"CodeSigningConfigArn": arn}, [function_arn(name) for name in functions], "@"


def list_layer_versions(world):
    name = world.names()
    return {"LayerName": name}, [world.layer_version(name) for _ in range(COUNT)], "LayerVersionArn"


def list_layers(world):
    names = [world.names() for _ in range(COUNT)]
    for name in names:
        world.layer_version(name)
    return {}, names, "LayerName"


def list_provisioned_concurrency_configs(world):
    name = world.function()
    numbers = world.versions(name)
    for number in numbers:
        world.lam.put_provisioned_concurrency_config(
            FunctionName=name, Qualifier=number, ProvisionedConcurrentExecutions=1
        )
    return {"FunctionName": name}, [function_arn(name, number) for number in numbers], "FunctionArn"


def list_versions_by_function(world):
    name = world.function()
    return {"FunctionName": name}, ["$LATEST", *world.versions(name)], "Version"


def list_queues(world):
    prefix = world.names()
    return {"QueueNamePrefix": prefix}, [world.make_queue(f"{prefix}-{number}") for number in range(COUNT)], "@"


def list_dead_letter_source_queues(world):
    dead = world.make_queue()
    policy = f'{{"deadLetterTargetArn": "{queue_arn(dead.rpartition("/")[2])}", "maxReceiveCount": 3}}'
    return {"QueueUrl": dead}, [world.make_queue(RedrivePolicy=policy) for _ in range(COUNT)], "@"


def list_schedules(world):
    prefix = world.names()
    names = [f"{prefix}-{number}" for number in range(COUNT)]
    for name in names:
        world.scheduler.create_schedule(
            Name=name,
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": function_arn("no-such-function"), "RoleArn": ROLE},
            State="DISABLED",
        )
        world.cleanup.callback(world.scheduler.delete_schedule, Name=name)
    return {"NamePrefix": prefix}, names, "Name"


def list_schedule_groups(world):
    prefix = world.names()
    names = [f"{prefix}-{number}" for number in range(COUNT)]
    for name in names:
        world.scheduler.create_schedule_group(Name=name)
        world.cleanup.callback(world.scheduler.delete_schedule_group, Name=name)
    return {"NamePrefix": prefix}, names, "Name"


def describe_log_groups(world):
    prefix = world.names()
    names = [world.log_group(f"{prefix}-{number}") for number in range(COUNT)]
    return {"logGroupNamePrefix": prefix}, names, "logGroupName"


def describe_log_streams(world):
    group = world.log_group(world.names())
    names = [f"stream-{number}" for number in range(COUNT)]
    for name in names:
        world.logs.create_log_stream(logGroupName=group, logStreamName=name)
    return {"logGroupName": group}, names, "logStreamName"


def describe_subscription_filters(world):
    # As many as a group may have.
    function, group, names = world.function(), world.log_group(world.names()), ["a", "b"]
    world.lam.add_permission(
        FunctionName=function, StatementId="s", Action="lambda:InvokeFunction", Principal="logs.amazonaws.com"
    )
    for name in names:
        world.logs.put_subscription_filter(
            logGroupName=group, filterName=name, filterPattern="", destinationArn=function_arn(function)
        )
    return {"logGroupName": group}, names, "filterName"


def filter_log_events(world):
    group = world.log_group(world.names())
    world.logs.create_log_stream(logGroupName=group, logStreamName="s")
    messages = [f"message {number}" for number in range(COUNT)]
    now = int(time.time() * 1000)
    # Of one moment, so that time alone does not tell where a page ends.
    events = [{"timestamp": now, "message": message} for message in messages]
    world.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    return {"logGroupName": group}, messages, "message"


CASES = {
    case.__name__: case
    for case in (
        list_aliases,
        list_code_signing_configs,
        list_event_source_mappings,
        list_function_event_invoke_configs,
        list_function_url_configs,
        list_functions,
        list_functions_by_code_signing_config,
        list_layer_versions,
        list_layers,
        list_provisioned_concurrency_configs,
        list_versions_by_function,
        list_queues,
        list_dead_letter_source_queues,
        list_schedules,
        list_schedule_groups,
        describe_log_groups,
        describe_log_streams,
        describe_subscription_filters,
        filter_log_events,
    )
}


def paged():
    models = botocore.session.get_session().get_component("data_loader")
    for service in OFFERED:
        for operation, rules in models.load_service_model(service, "paginators-1")["pagination"].items():
            yield pytest.param(service, operation, rules, id=operation)


@pytest.mark.parametrize("service, operation, rules", list(paged()))
def test_pages_lead_to_the_end(daemon, make, make_queue, names, service, operation, rules):
    client = daemon.client(service)
    method = botocore.xform_name(operation)
    if method not in CASES:
        _is_refused(client, operation)
        return
    world = World(daemon, make, make_queue, names)
    with world.cleanup:
        arguments, wanted, naming = CASES[method](world)
        keys = rules["result_key"]
        key = keys[0] if isinstance(keys, list) else keys
        paginator = client.get_paginator(method)
        pages = [
            [jmespath.search(naming, item) for item in page.get(key, [])]
            for page in itertools.islice(paginator.paginate(**arguments, PaginationConfig={"PageSize": SIZE}), 10_000)
        ]
    assert all(len(page) <= SIZE for page in pages), pages
    items = [item for page in pages for item in page]
    assert len(items) == len(set(items)), "an item came twice"
    assert set(wanted) <= set(items), set(wanted) - set(items)
    if arguments:
        assert set(wanted) == set(items), set(items) - set(wanted)


def _is_refused(client, operation):
    """What is not here needs no case; what is here does."""
    members = client.meta.service_model.operation_model(operation).input_shape.members
    uri = [name for name, member in members.items() if member.serialization.get("location") == "uri"]
    with pytest.raises(client.exceptions.ClientError) as refusal:
        client._make_api_call(operation, dict.fromkeys(uri, "no-such-thing"))
    assert refusal.value.response["Error"]["Code"] in REFUSALS, f"a list that is here, and no case for it: {operation}"
