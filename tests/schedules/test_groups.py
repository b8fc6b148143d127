"""Schedule groups and their tags, and what Scheduler documents as errors."""

import pytest

from harness.clients import ACCOUNT, REGION, ROLE, function_arn, refused

SCHEDULE = {
    "ScheduleExpression": "rate(1 day)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {"Arn": function_arn("no-such-function"), "RoleArn": ROLE},
    "State": "DISABLED",
}


def arn(group):
    return f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{group}"


@pytest.fixture
def group(scheduler, name):
    """A group that ends with the test, with what is in it."""
    scheduler.create_schedule_group(Name=name)
    yield name
    try:
        scheduler.delete_schedule_group(Name=name)
    except scheduler.exceptions.ResourceNotFoundException:
        pass


def test_a_group_is_made_read_and_goes_with_its_schedules(scheduler, group):
    read = scheduler.get_schedule_group(Name=group)
    assert (read["Arn"], read["Name"], read["State"]) == (arn(group), group, "ACTIVE")
    assert read["CreationDate"] == read["LastModificationDate"]
    scheduler.create_schedule(Name="s", GroupName=group, **SCHEDULE)
    assert scheduler.get_schedule(Name="s", GroupName=group)["GroupName"] == group
    assert [s["Name"] for s in scheduler.list_schedules(GroupName=group)["Schedules"]] == ["s"]
    with refused("ConflictException", 409):
        scheduler.create_schedule_group(Name=group)
    scheduler.delete_schedule_group(Name=group)
    for call, more in (
        (scheduler.get_schedule, {"Name": "s", "GroupName": group}),
        (scheduler.get_schedule_group, {"Name": group}),
        (scheduler.delete_schedule_group, {"Name": group}),
        (scheduler.list_schedules, {"GroupName": group}),
        (scheduler.create_schedule, {"Name": "s", "GroupName": group} | SCHEDULE),
        (scheduler.list_tags_for_resource, {"ResourceArn": arn(group)}),
        (scheduler.tag_resource, {"ResourceArn": arn(group), "Tags": [{"Key": "a", "Value": "1"}]}),
        (scheduler.untag_resource, {"ResourceArn": arn(group), "TagKeys": ["a"]}),
    ):
        with refused("ResourceNotFoundException", 404):
            call(**more)


def test_the_default_group_stays(scheduler):
    assert scheduler.get_schedule_group(Name="default")["State"] == "ACTIVE"
    with refused("ValidationException", 400):
        scheduler.delete_schedule_group(Name="default")


def test_tags(scheduler, name):
    scheduler.create_schedule_group(Name=name, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])

    def tags():
        return {tag["Key"]: tag["Value"] for tag in scheduler.list_tags_for_resource(ResourceArn=arn(name))["Tags"]}

    assert tags() == {"a": "1", "b": "2"}
    scheduler.tag_resource(ResourceArn=arn(name), Tags=[{"Key": "b", "Value": "3"}, {"Key": "c", "Value": "4"}])
    scheduler.untag_resource(ResourceArn=arn(name), TagKeys=["a", "never"])
    assert tags() == {"b": "3", "c": "4"}
    many = [{"Key": f"tag-{number}", "Value": "v"} for number in range(198)]
    scheduler.tag_resource(ResourceArn=arn(name), Tags=many)
    with refused("ValidationException", 400):
        scheduler.tag_resource(ResourceArn=arn(name), Tags=[{"Key": "one-more", "Value": "v"}])
    assert len(tags()) == 200
    scheduler.delete_schedule_group(Name=name)


@pytest.mark.parametrize(
    "operation, arguments",
    [
        ("create_schedule_group", {"Name": "a b"}),
        ("create_schedule_group", {"Name": "g" * 65}),
        ("create_schedule_group", {"Name": "g", "Tags": [{"Key": "a", "Value": ""}]}),
        ("get_schedule_group", {"Name": "a b"}),
        ("delete_schedule_group", {"Name": "a b"}),
        ("list_schedule_groups", {"MaxResults": 101}),
        ("list_schedule_groups", {"NextToken": "nonsense"}),
        ("get_schedule", {"Name": "a b"}),
        ("get_schedule", {"Name": "s", "GroupName": "a b"}),
        ("delete_schedule", {"Name": "a b"}),
        ("update_schedule", {"Name": "a b"} | SCHEDULE),
        ("list_schedules", {"MaxResults": 101}),
        ("list_schedules", {"NextToken": "nonsense"}),
        ("list_tags_for_resource", {"ResourceArn": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"}),
        ("tag_resource", {"ResourceArn": arn("default"), "Tags": [{"Key": "", "Value": "v"}]}),
        ("untag_resource", {"ResourceArn": arn("default"), "TagKeys": [""]}),
    ],
)
def test_what_breaks_a_constraint_is_refused(scheduler, operation, arguments):
    with refused("ValidationException", 400):
        getattr(scheduler, operation)(**arguments)


def test_a_token_is_good_for_one_request(scheduler, name):
    def token(operation):
        return f"{name[-30:]}-{operation}"

    for operation, first, other in (
        ("create_schedule_group", {"Name": name}, {"Name": name + "x"}),
        (
            "create_schedule",
            {"Name": name, "GroupName": name} | SCHEDULE,
            {"Name": name + "x", "GroupName": name} | SCHEDULE,
        ),
        ("delete_schedule", {"Name": name, "GroupName": name}, {"Name": name + "x", "GroupName": name}),
        ("delete_schedule_group", {"Name": name}, {"Name": name + "x"}),
    ):
        call = getattr(scheduler, operation)
        made = call(**first, ClientToken=token(operation))
        again = call(**first, ClientToken=token(operation))
        assert {**made, "ResponseMetadata": 0} == {**again, "ResponseMetadata": 0}, operation
        with refused("ConflictException", 409):
            call(**other, ClientToken=token(operation))
