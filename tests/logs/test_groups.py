"""Log groups, streams, retention and tags, over the wire."""

import time

import pytest

from harness.clients import ACCOUNT, REGION, refused


@pytest.fixture
def group(logs, name):
    """A log group that ends with the test."""
    logs.create_log_group(logGroupName=name)
    yield name
    try:
        logs.delete_log_group(logGroupName=name)
    except logs.exceptions.ResourceNotFoundException:
        pass


def arn(group):
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"


def described(logs, group):
    found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    return next((g for g in found if g["logGroupName"] == group), None)


def test_a_group_is_made_described_and_deleted(logs, group):
    shape = described(logs, group)
    assert shape["arn"] == arn(group) + ":*" and shape["logGroupArn"] == arn(group)
    assert abs(shape["creationTime"] - time.time() * 1000) < 60_000
    with refused("ResourceAlreadyExistsException", 400):
        logs.create_log_group(logGroupName=group)
    logs.delete_log_group(logGroupName=group)
    assert described(logs, group) is None
    with refused("ResourceNotFoundException", 400):
        logs.delete_log_group(logGroupName=group)


@pytest.mark.parametrize("bad", ["", "a b", "a" * 513, "ü"])
def test_a_groups_name_has_limits(logs, bad):
    for call in (logs.create_log_group, logs.delete_log_group):
        with refused("InvalidParameterException", 400):
            call(logGroupName=bad)


def test_the_longest_name(logs, name):
    longest = (name + "x" * 512)[:512]
    logs.create_log_group(logGroupName=longest)
    logs.delete_log_group(logGroupName=longest)


def test_what_a_group_cannot_have_is_refused(logs, name):
    for more in ({"kmsKeyId": "k"}, {"logGroupClass": "INFREQUENT_ACCESS"}, {"tags": {"aws:x": "y"}}):
        with refused("InvalidParameterException", 400):
            logs.create_log_group(logGroupName=name, **more)


def test_groups_are_paged_by_prefix_pattern_and_list(logs, name):
    made = [f"{name}/{place:02}" for place in range(12)]
    for group in made:
        logs.create_log_group(logGroupName=group)
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name, limit=5)
    pages = [[g["logGroupName"] for g in page["logGroups"]] for page in pages]
    assert sum(pages, []) == made and len(pages) == 3
    pattern = name[3:] + "/0"
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePattern=pattern, limit=3)
    assert [g["logGroupName"] for page in pages for g in page["logGroups"]] == made[:10]
    with refused("InvalidParameterException", 400):
        logs.describe_log_groups(logGroupNamePattern="abc", logGroupNamePrefix="abc")
    for limit in (0, 51):
        with refused("InvalidParameterException", 400):
            logs.describe_log_groups(limit=limit)
    listed, token = [], {}
    while True:
        page = logs.list_log_groups(logGroupNamePattern="^" + name[:20], limit=5, **token)
        listed += [g["logGroupName"] for g in page["logGroups"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert [g for g in listed if g in made] == made
    with refused("InvalidParameterException", 400):
        logs.list_log_groups(logGroupNamePattern="a|b")
    for group in made:
        logs.delete_log_group(logGroupName=group)


def test_streams(logs, group):
    for stream in ("b", "a", "c/1"):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    with refused("ResourceAlreadyExistsException", 400):
        logs.create_log_stream(logGroupName=group, logStreamName="a")
    with refused("ResourceNotFoundException", 400):
        logs.create_log_stream(logGroupName=group + "x", logStreamName="a")
    for bad in ("", "a:b", "a*", "a" * 513):
        with refused("InvalidParameterException", 400):
            logs.create_log_stream(logGroupName=group, logStreamName=bad)

    def names(**more):
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group, limit=2, **more)
        return [s["logStreamName"] for page in pages for s in page["logStreams"]]

    assert names() == ["a", "b", "c/1"]
    assert names(descending=True) == ["c/1", "b", "a"]
    assert names(logStreamNamePrefix="c") == ["c/1"]
    now = int(time.time() * 1000)
    for age, stream in enumerate(("c/1", "a", "b")):
        logs.put_log_events(
            logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": now - age * 1000, "message": "m"}]
        )
    assert names(orderBy="LastEventTime", descending=True) == ["c/1", "a", "b"]
    assert names(orderBy="LastEventTime") == ["b", "a", "c/1"]
    with refused("InvalidParameterException", 400):
        names(orderBy="LastEventTime", logStreamNamePrefix="a")
    logs.delete_log_stream(logGroupName=group, logStreamName="a")
    assert names() == ["b", "c/1"]
    assert len(logs.filter_log_events(logGroupName=group)["events"]) == 2
    with refused("ResourceNotFoundException", 400):
        logs.delete_log_stream(logGroupName=group, logStreamName="a")
    with refused("ResourceNotFoundException", 400):
        logs.get_log_events(logGroupName=group, logStreamName="a")


def test_retention(logs, group):
    assert "retentionInDays" not in described(logs, group)
    for days in (1, 30, 3653):
        logs.put_retention_policy(logGroupName=group, retentionInDays=days)
        assert described(logs, group)["retentionInDays"] == days
    for days in (0, 2, -1, 100_000):
        with refused("InvalidParameterException", 400):
            logs.put_retention_policy(logGroupName=group, retentionInDays=days)
    logs.delete_retention_policy(logGroupName=group)
    assert "retentionInDays" not in described(logs, group)
    for call, more in ((logs.put_retention_policy, {"retentionInDays": 1}), (logs.delete_retention_policy, {})):
        with refused("ResourceNotFoundException", 400):
            call(logGroupName=group + "x", **more)


def test_tags(logs, group):
    logs.tag_resource(resourceArn=arn(group), tags={"a": "1", "b": "2"})
    logs.tag_log_group(logGroupName=group, tags={"b": "3", "c": ""})
    assert logs.list_tags_for_resource(resourceArn=arn(group))["tags"] == {"a": "1", "b": "3", "c": ""}
    logs.untag_resource(resourceArn=arn(group) + ":*", tagKeys=["a"])
    logs.untag_log_group(logGroupName=group, tags=["c", "none"])
    assert logs.list_tags_log_group(logGroupName=group)["tags"] == {"b": "3"}
    logs.tag_resource(resourceArn=arn(group), tags={f"k{n}": "v" for n in range(49)})
    with refused("TooManyTagsException", 400):
        logs.tag_resource(resourceArn=arn(group), tags={"one": "more"})
    for tags in ({"": "x"}, {"k" * 129: "x"}, {"k": "v" * 257}, {"k!": "v"}):
        with refused("InvalidParameterException", 400):
            logs.tag_resource(resourceArn=arn(group), tags=tags)
    with refused("InvalidParameterException", 400):
        logs.tag_resource(resourceArn=group, tags={"a": "b"})
    with refused("ResourceNotFoundException", 400):
        logs.list_tags_for_resource(resourceArn=arn(group + "x"))


def test_what_is_not_there_is_refused_by_name(logs):
    with refused("UnknownOperationException", 400, says="DescribeResourcePolicies"):
        logs.describe_resource_policies()
    with refused("UnknownOperationException", 400, says="PutMetricFilter"):
        logs.put_metric_filter(logGroupName="a", filterName="b", filterPattern="", metricTransformations=[])


@pytest.mark.parametrize(
    "operation, more",
    [
        ("create_log_stream", {"logGroupName": "no-such-group", "logStreamName": "s"}),
        ("delete_log_stream", {"logGroupName": "no-such-group", "logStreamName": "s"}),
        ("describe_log_streams", {"logGroupName": "no-such-group"}),
        ("filter_log_events", {"logGroupName": "no-such-group"}),
        ("list_tags_for_resource", {"resourceArn": arn("no-such-group")}),
        ("list_tags_log_group", {"logGroupName": "no-such-group"}),
        ("tag_log_group", {"logGroupName": "no-such-group", "tags": {"a": "1"}}),
        ("tag_resource", {"resourceArn": arn("no-such-group"), "tags": {"a": "1"}}),
        ("untag_log_group", {"logGroupName": "no-such-group", "tags": ["a"]}),
        ("untag_resource", {"resourceArn": arn("no-such-group"), "tagKeys": ["a"]}),
    ],
)
def test_a_group_has_to_be_there(logs, operation, more):
    with refused("ResourceNotFoundException", 400):
        getattr(logs, operation)(**more)
