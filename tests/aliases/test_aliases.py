"""Aliases: one version, or several with weights, at random or by a header's or cookie's hash."""

import collections
import json

import pytest

from harness import packages
from harness.clients import function_arn, refused
from harness.functions import active


def constant(mark):
    return packages.text_package("invoke_constant.event", mark)


@pytest.fixture
def three(lam, make):
    """A function whose versions 1, 2 and 3 answer `v1`, `v2`, `v3`."""
    name = make(constant("v1"), Publish=True)
    for mark in ("v2", "v3"):
        lam.update_function_code(FunctionName=name, ZipFile=constant(mark))
        active(lam, name)
        lam.publish_version(FunctionName=name)
    return name


def put_alias(daemon, function, alias, body):
    """UpdateAlias with members that boto3 does not know."""
    return daemon.request(
        "PUT",
        f"/2015-03-31/functions/{function}/aliases/{alias}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        listener="api",
    )


def test_create_get_update_delete(daemon, lam, three):
    created = lam.create_alias(FunctionName=three, Name="live", FunctionVersion="1", Description="d")
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert created["AliasArn"] == function_arn(three, "live")
    assert (created["Name"], created["FunctionVersion"], created["Description"]) == ("live", "1", "d")
    assert daemon.invoke(three, Qualifier="live").ok() == "v1"
    updated = lam.update_alias(FunctionName=three, Name="live", FunctionVersion="2")
    assert updated["RevisionId"] != created["RevisionId"] and updated["Description"] == "d"
    invoked = daemon.invoke(three, Qualifier="live")
    assert (invoked.ok(), invoked.version) == ("v2", "2")
    assert lam.get_alias(FunctionName=three, Name="live")["FunctionVersion"] == "2"
    assert lam.get_function_configuration(FunctionName=three, Qualifier="live")["Version"] == "2"
    assert lam.delete_alias(FunctionName=three, Name="live")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with refused("ResourceNotFoundException", 404):
        daemon.invoke(three, Qualifier="live")
    with refused("ResourceNotFoundException", 404):
        lam.get_alias(FunctionName=three, Name="live")


def test_refusals(lam, three):
    lam.create_alias(FunctionName=three, Name="live", FunctionVersion="1")
    with refused("ResourceConflictException", 409):
        lam.create_alias(FunctionName=three, Name="live", FunctionVersion="2")
    with refused("ResourceNotFoundException", 404):
        lam.create_alias(FunctionName=three, Name="other", FunctionVersion="99")
    with refused(("ValidationException", "InvalidParameterValueException"), 400):
        lam.create_alias(FunctionName=three, Name="123", FunctionVersion="1")
    with refused("ResourceNotFoundException", 404):
        lam.update_alias(FunctionName=three, Name="nope", FunctionVersion="1")
    stale = lam.get_alias(FunctionName=three, Name="live")["RevisionId"]
    lam.update_alias(FunctionName=three, Name="live", FunctionVersion="2")
    with refused("PreconditionFailedException", 412):
        lam.update_alias(FunctionName=three, Name="live", FunctionVersion="3", RevisionId=stale)
    assert lam.get_alias(FunctionName=three, Name="live")["FunctionVersion"] == "2"


@pytest.mark.parametrize(
    "version,weights",
    [
        ("1", {"2": 1.5}),
        ("1", {"2": -0.1}),
        ("1", {"2": 0.6, "3": 0.6}),
        ("1", {"1": 0.5}),
        ("$LATEST", {"2": 0.5}),
        ("1", {"$LATEST": 0.5}),
    ],
)
def test_weights_that_make_no_sense_are_refused(lam, three, version, weights):
    with refused(("InvalidParameterValueException", "ValidationException"), 400):
        lam.create_alias(
            FunctionName=three,
            Name="split",
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": weights},
        )


def test_a_weight_of_an_unknown_version_is_refused(lam, three):
    with refused(("ResourceNotFoundException", "InvalidParameterValueException")):
        lam.create_alias(
            FunctionName=three,
            Name="split",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {"99": 0.5}},
        )


def test_list_in_pages_and_by_version(lam, three):
    for index in range(5):
        lam.create_alias(FunctionName=three, Name=f"a{index}", FunctionVersion=str(index % 2 + 1))
    seen = []
    for page in lam.get_paginator("list_aliases").paginate(FunctionName=three, PaginationConfig={"PageSize": 2}):
        assert len(page["Aliases"]) <= 2
        seen += [alias["Name"] for alias in page["Aliases"]]
    assert sorted(seen) == [f"a{index}" for index in range(5)]
    of_two = lam.list_aliases(FunctionName=three, FunctionVersion="2")["Aliases"]
    assert sorted(alias["Name"] for alias in of_two) == ["a1", "a3"]


def test_weights_split_among_three_versions(daemon, lam, three):
    lam.create_alias(
        FunctionName=three,
        Name="split",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.3, "3": 0.2}},
    )
    assert lam.get_alias(FunctionName=three, Name="split")["RoutingConfig"] == {
        "AdditionalVersionWeights": {"2": 0.3, "3": 0.2}
    }
    connection = daemon.connection("api")
    counts = collections.Counter()
    for _ in range(1000):
        connection.request("POST", f"/2015-03-31/functions/{three}/invocations?Qualifier=split", b"{}")
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200 and answer == f"v{response.headers['X-Amz-Executed-Version']}"
        counts[answer] += 1
    connection.close()
    # Five standard deviations of a binomial: an honest split fails once in more than a million runs.
    for mark, share in (("v1", 0.5), ("v2", 0.3), ("v3", 0.2)):
        slack = 5 * (1000 * share * (1 - share)) ** 0.5
        assert abs(counts[mark] - 1000 * share) < slack, counts


def test_an_update_keeps_or_clears_the_weights(lam, three):
    lam.create_alias(
        FunctionName=three, Name="split", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )
    assert lam.update_alias(FunctionName=three, Name="split", Description="x")["RoutingConfig"] == {
        "AdditionalVersionWeights": {"2": 0.5}
    }
    cleared = lam.update_alias(FunctionName=three, Name="split", RoutingConfig={"AdditionalVersionWeights": {}})
    assert not cleared.get("RoutingConfig", {}).get("AdditionalVersionWeights")


def test_sticky_is_stored_and_refused_when_malformed(daemon, lam, three):
    lam.create_alias(FunctionName=three, Name="split", FunctionVersion="1")
    weights = {"2": 0.5}
    for sticky in ({"Header": "x-user"}, {"Cookie": "session"}):
        routing = {"AdditionalVersionWeights": weights, "Sticky": sticky}
        answer = put_alias(daemon, three, "split", {"RoutingConfig": routing})
        assert answer.status == 200 and json.loads(answer.body)["RoutingConfig"] == routing, answer
    for sticky in ({"Header": ""}, {"Header": "a b"}, {"Query": "x"}, {"Header": "a", "Cookie": "b"}, "x-user"):
        answer = put_alias(
            daemon, three, "split", {"RoutingConfig": {"AdditionalVersionWeights": weights, "Sticky": sticky}}
        )
        assert answer.status == 400, (sticky, answer)
