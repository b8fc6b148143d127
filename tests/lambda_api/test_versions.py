"""Versions: immutable, numbered once, and published only where something changed."""

import pytest

from harness import packages
from harness.clients import function_arn, refused
from harness.functions import active, create, zipped


def constant(mark):
    return packages.text_package("invoke_constant.event", mark)


def publish(lam, name, mark, **more):
    lam.update_function_code(FunctionName=name, ZipFile=constant(mark))
    active(lam, name)
    return lam.publish_version(FunctionName=name, **more)["Version"]


def test_publish_takes_a_snapshot_of_code_and_configuration(daemon, lam, make):
    name = make(constant("one"), environment={"STAGE": "1"}, Timeout=5)
    answer = lam.publish_version(FunctionName=name, Description="first")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert answer["Version"] == "1" and answer["FunctionArn"] == function_arn(name, "1")
    assert answer["Description"] == "first"
    assert publish(lam, name, "two") == "2"
    lam.update_function_configuration(FunctionName=name, Timeout=9, Environment={"Variables": {}})
    active(lam, name)
    assert daemon.invoke(name, Qualifier="1").ok() == "one"
    assert daemon.invoke(name, Qualifier="2").ok() == "two"
    first = lam.get_function_configuration(FunctionName=name, Qualifier="1")
    assert (first["Timeout"], first["Environment"]["Variables"], first["Version"]) == (5, {"STAGE": "1"}, "1")
    assert lam.get_function_configuration(FunctionName=name)["Version"] == "$LATEST"


def test_nothing_changed_is_no_new_version(lam, make):
    name = make()
    assert lam.publish_version(FunctionName=name)["Version"] == "1"
    assert lam.publish_version(FunctionName=name)["Version"] == "1"
    assert lam.publish_version(FunctionName=name, Description="other words")["Version"] == "1"
    lam.update_function_code(FunctionName=name, ZipFile=zipped("invoke_echo.event"))
    active(lam, name)
    assert lam.publish_version(FunctionName=name)["Version"] == "1"
    lam.update_function_configuration(FunctionName=name, Timeout=8)
    active(lam, name)
    assert lam.publish_version(FunctionName=name)["Version"] == "2"
    versions = [v["Version"] for v in lam.list_versions_by_function(FunctionName=name)["Versions"]]
    assert versions == ["$LATEST", "1", "2"]


def test_publish_with_create_and_with_update(lam, make):
    name = make(constant("one"), Publish=True)
    versions = [v["Version"] for v in lam.list_versions_by_function(FunctionName=name)["Versions"]]
    assert versions == ["$LATEST", "1"]
    assert lam.update_function_code(FunctionName=name, ZipFile=constant("two"), Publish=True)["Version"] == "2"


def test_publish_checks_the_code_it_is_told(lam, make):
    name = make()
    with refused("InvalidParameterValueException", 400):
        lam.publish_version(FunctionName=name, CodeSha256="bm90IGl0")
    digest = lam.get_function_configuration(FunctionName=name)["CodeSha256"]
    assert lam.publish_version(FunctionName=name, CodeSha256=digest)["Version"] == "1"


def test_numbers_are_never_used_again(daemon, lam, make):
    name = make(constant("one"), Publish=True)
    assert publish(lam, name, "two") == "2"
    lam.delete_function(FunctionName=name, Qualifier="2")
    assert publish(lam, name, "three") == "3"
    with refused("ResourceNotFoundException", 404):
        daemon.invoke(name, Qualifier="2")
    lam.delete_function(FunctionName=name)
    create(lam, name, constant("four"))
    assert lam.publish_version(FunctionName=name)["Version"] == "4"
    with refused("ResourceNotFoundException", 404):
        daemon.invoke(name, Qualifier="1")


def test_versions_list_in_pages(lam, make):
    name = make(constant("v0"), Publish=True)
    for number in range(1, 5):
        publish(lam, name, f"v{number}")
    seen = []
    for page in lam.get_paginator("list_versions_by_function").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 2}
    ):
        assert len(page["Versions"]) <= 2
        seen += [version["Version"] for version in page["Versions"]]
    assert seen == ["$LATEST", "1", "2", "3", "4", "5"]


def test_a_version_in_use_is_not_deleted(lam, make):
    name = make(Publish=True)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    with refused("ResourceConflictException", 409):
        lam.delete_function(FunctionName=name, Qualifier="1")
    lam.delete_alias(FunctionName=name, Name="live")
    lam.delete_function(FunctionName=name, Qualifier="1")
    with refused("ResourceNotFoundException", 404):
        lam.get_function(FunctionName=name, Qualifier="1")


@pytest.mark.parametrize("qualifier", ["$LATEST", "live"])
def test_only_numbers_are_deleted(lam, make, qualifier):
    name = make(Publish=True)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    with refused(("InvalidParameterValueException", "ValidationException"), 400):
        lam.delete_function(FunctionName=name, Qualifier=qualifier)
