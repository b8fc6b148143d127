"""Tags of functions, event source mappings and code signing configurations."""

import pytest

from harness import clients
from harness.clients import function_arn, refused

PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/test/0123456789"


def test_tags_of_a_function(lam, make):
    name = make(Tags={"team": "blue"})
    arn = function_arn(name)
    assert lam.list_tags(Resource=arn)["Tags"] == {"team": "blue"}
    answer = lam.tag_resource(Resource=arn, Tags={"team": "red", "a b": "ü=1"})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert lam.get_function(FunctionName=name)["Tags"] == {"team": "red", "a b": "ü=1"}
    answer = lam.untag_resource(Resource=arn, TagKeys=["a b", "never there"])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert lam.list_tags(Resource=arn)["Tags"] == {"team": "red"}
    lam.untag_resource(Resource=arn, TagKeys=["team"])
    assert lam.list_tags(Resource=arn)["Tags"] == {}


def test_tags_do_not_touch_the_function(lam, make):
    name = make()
    before = lam.get_function_configuration(FunctionName=name)["RevisionId"]
    lam.tag_resource(Resource=function_arn(name), Tags={"a": "b"})
    assert lam.get_function_configuration(FunctionName=name)["RevisionId"] == before


def test_tags_of_a_mapping(lam, make, make_queue, sqs):
    url = make_queue()
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = lam.create_event_source_mapping(FunctionName=make(), EventSourceArn=queue, Enabled=False, Tags={"k": "v"})
    arn = mapping["EventSourceMappingArn"]
    try:
        assert lam.list_tags(Resource=arn)["Tags"] == {"k": "v"}
        lam.tag_resource(Resource=arn, Tags={"l": ""})
        lam.untag_resource(Resource=arn, TagKeys=["k"])
        assert lam.list_tags(Resource=arn)["Tags"] == {"l": ""}
    finally:
        lam.delete_event_source_mapping(UUID=mapping["UUID"])
    with refused("ResourceNotFoundException", 404):
        lam.list_tags(Resource=arn)


def test_tags_of_a_code_signing_config(lam):
    config = lam.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}, Tags={"k": "v"}
    )["CodeSigningConfig"]
    arn = config["CodeSigningConfigArn"]
    lam.tag_resource(Resource=arn, Tags={"l": "w"})
    assert lam.list_tags(Resource=arn)["Tags"] == {"k": "v", "l": "w"}
    lam.delete_code_signing_config(CodeSigningConfigArn=arn)
    with refused("ResourceNotFoundException", 404):
        lam.tag_resource(Resource=arn, Tags={"a": "b"})


def test_fifty_tags_fit_and_no_more(lam, make):
    arn = function_arn(make(Tags={f"k{number}": "v" for number in range(49)}))
    lam.tag_resource(Resource=arn, Tags={"k49": "v"})
    with refused("InvalidParameterValueException", 400):
        lam.tag_resource(Resource=arn, Tags={"k50": "v"})
    # One that is there may change.
    lam.tag_resource(Resource=arn, Tags={"k0": "w"})
    tags = lam.list_tags(Resource=arn)["Tags"]
    assert len(tags) == 50 and tags["k0"] == "w"


@pytest.mark.parametrize(
    "tags",
    [{"": "v"}, {"k" * 129: "v"}, {"k": "v" * 257}, {"aws:k": "v"}, {"AWS:k": "v"}, {"k<": "v"}, {"k": "v;"}],
    ids=lambda tags: str(list(tags.items())[0])[:20],
)
def test_tags_out_of_bounds_are_refused(lam, make, tags):
    arn = function_arn(make())
    with refused(("ValidationException", "InvalidParameterValueException"), 400):
        lam.tag_resource(Resource=arn, Tags=tags)
    assert lam.list_tags(Resource=arn)["Tags"] == {}


def test_tags_at_their_bounds(lam, make):
    arn = function_arn(make())
    lam.tag_resource(Resource=arn, Tags={"k" * 128: "v" * 256})
    assert lam.list_tags(Resource=arn)["Tags"] == {"k" * 128: "v" * 256}


def test_what_has_no_tags_is_refused(lam, make):
    name = make(Publish=True)
    with refused("InvalidParameterValueException", 400):
        lam.list_tags(Resource=function_arn(name, "1"))
    for resource in (
        name,
        "arn:aws:sqs:us-east-1:000000000000:q",
        f"arn:aws:lambda:us-east-1:000000000000:layer:{name}",
    ):
        with refused("ValidationException", 400):
            lam.list_tags(Resource=resource)
    for resource in (
        function_arn("no-such-function"),
        f"arn:aws:lambda:eu-west-1:{clients.ACCOUNT}:function:{name}",
        f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
        "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:00000000-0000-0000-0000-000000000000",
    ):
        with refused("ResourceNotFoundException", 404):
            lam.list_tags(Resource=resource)


def test_required_members(daemon, make):
    path = f"/2017-03-31/tags/{function_arn(make())}"
    for method, body in (("POST", b"{}"), ("DELETE", b"")):
        answer = daemon.request(method, path, body, listener="api")
        assert answer.status == 400 and b"must not be null" in answer.body, answer
