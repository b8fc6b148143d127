"""Functions over Lambda's API: create, read, list, update, delete, and the documented refusals."""

import base64
import hashlib
import time

import pytest

from harness import clients, packages
from harness.clients import function_arn, refused
from harness.functions import active, create, zipped

ECHO = "invoke_echo.event"
INVALID = ("InvalidParameterValueException", "ValidationException")


def sha(package):
    return base64.b64encode(hashlib.sha256(package).digest()).decode()


def test_create_answers_the_configuration(lam, make, name):
    package = zipped(ECHO)
    answer = create(
        lam,
        name,
        package,
        {"STAGE": "1"},
        Description="echoes",
        Timeout=7,
        MemorySize=256,
        EphemeralStorage={"Size": 1024},
        Tags={"team": "blue"},
    )
    try:
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
        expected = {
            "FunctionName": name,
            "FunctionArn": function_arn(name),
            "Runtime": "provided.al2023",
            "Role": clients.ROLE,
            "Handler": "bootstrap",
            "CodeSize": len(package),
            "CodeSha256": sha(package),
            "Description": "echoes",
            "Timeout": 7,
            "MemorySize": 256,
            "EphemeralStorage": {"Size": 1024},
            "Version": "$LATEST",
            "Environment": {"Variables": {"STAGE": "1"}},
            "PackageType": "Zip",
        }
        assert {key: answer.get(key) for key in expected} == expected
        assert answer["State"] in ("Pending", "Active") and answer["RevisionId"]
        read = lam.get_function(FunctionName=name)
        assert {key: read["Configuration"].get(key) for key in expected} == expected
        assert read["Configuration"]["State"] == "Active"
        assert read["Tags"] == {"team": "blue"}
        assert read["Code"]["RepositoryType"] == "S3"
    finally:
        lam.delete_function(FunctionName=name)


def test_get_function_links_to_the_package(daemon, make):
    name = make(ECHO)
    location = daemon.lam.get_function(FunctionName=name)["Code"]["Location"]
    assert location.startswith(daemon.api)
    answer = daemon.request("GET", location.removeprefix(daemon.api), listener="api")
    assert answer.status == 200 and answer.body == zipped(ECHO)


def test_last_modified_has_lambdas_form(lam, make):
    modified = lam.get_function_configuration(FunctionName=make())["LastModified"]
    time.strptime(modified.partition(".")[0], "%Y-%m-%dT%H:%M:%S")
    assert modified.endswith("+0000")


@pytest.mark.parametrize(
    "form", ["{name}", "000000000000:function:{name}", "arn:aws:lambda:us-east-1:000000000000:function:{name}"]
)
def test_every_form_of_a_name_is_taken(lam, make, form):
    name = make()
    assert lam.get_function_configuration(FunctionName=form.format(name=name))["FunctionName"] == name


def test_create_twice_is_a_conflict(lam, make):
    name = make()
    with refused("ResourceConflictException", 409):
        create(lam, name, zipped(ECHO))


@pytest.mark.parametrize(
    "settings",
    [
        {"MemorySize": 127},
        {"MemorySize": 10_241},
        {"Timeout": 0},
        {"Timeout": 901},
        {"EphemeralStorage": {"Size": 511}},
        {"EphemeralStorage": {"Size": 10_241}},
        {"Runtime": "cobol85"},
        {"Description": "x" * 257},
        {"Role": "not an arn"},
    ],
    ids=lambda settings: f"{list(settings)[0]}={str(list(settings.values())[0])[:20]}",
)
def test_settings_out_of_bounds_are_refused(lam, name, settings):
    more = {key: value for key, value in settings.items()}
    with refused(INVALID, 400):
        lam.create_function(
            **{
                "FunctionName": name,
                "Code": {"ZipFile": zipped(ECHO)},
                "Runtime": "provided.al2023",
                "Handler": "bootstrap",
                "Role": clients.ROLE,
                **more,
            }
        )
    with refused("ResourceNotFoundException", 404):
        lam.get_function(FunctionName=name)


@pytest.mark.parametrize("bad", ["a b", "x" * 65, "né", "a/b"])
def test_malformed_names_are_refused(lam, bad):
    with refused((*INVALID, "ResourceNotFoundException"), None) as refusal:
        lam.create_function(
            FunctionName=bad, Code={"ZipFile": zipped(ECHO)}, Runtime="provided.al2023", Handler="h", Role=clients.ROLE
        )
    assert refusal.status in (400, 404)


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "_HANDLER"])
def test_reserved_environment_variables_are_refused(lam, name, variable):
    with refused("InvalidParameterValueException", 400):
        create(lam, name, zipped(ECHO), {variable: "x"})


def test_an_environment_past_4_kb_is_refused(lam, name):
    with refused("InvalidParameterValueException", 400):
        create(lam, name, zipped(ECHO), {"BIG": "x" * 4096})


@pytest.mark.parametrize(
    "variable,value",
    [("LAMINA_SANDBOX", "sometimes"), ("LAMINA_CPU_TIME_LIMIT_MS", "soon"), ("LAMINA_IDLE_TIMEOUT_S", "-1")],
)
def test_sandbox_settings_that_make_no_sense_are_refused(lam, name, variable, value):
    with refused("InvalidParameterValueException", 400, says=variable):
        create(lam, name, zipped(ECHO), {variable: value})


def test_unknown_functions_are_not_found(lam):
    for call in (
        lambda: lam.get_function(FunctionName="nope"),
        lambda: lam.get_function_configuration(FunctionName="nope"),
        lambda: lam.update_function_code(FunctionName="nope", ZipFile=zipped(ECHO)),
        lambda: lam.update_function_configuration(FunctionName="nope", Timeout=3),
        lambda: lam.delete_function(FunctionName="nope"),
        lambda: lam.publish_version(FunctionName="nope"),
        lambda: lam.list_versions_by_function(FunctionName="nope"),
        lambda: lam.create_alias(FunctionName="nope", Name="a", FunctionVersion="1"),
        lambda: lam.list_aliases(FunctionName="nope"),
        lambda: lam.put_function_concurrency(FunctionName="nope", ReservedConcurrentExecutions=1),
        lambda: lam.get_function_concurrency(FunctionName="nope"),
        lambda: lam.invoke(FunctionName="nope"),
    ):
        with refused("ResourceNotFoundException", 404, says=function_arn("nope")):
            call()


def test_list_pages_through_all(lam, make):
    made = {make() for _ in range(5)}
    seen, marker, pages = [], None, 0
    while True:
        page = lam.list_functions(MaxItems=2, **({"Marker": marker} if marker else {}))
        assert len(page["Functions"]) <= 2
        seen += [function["FunctionName"] for function in page["Functions"]]
        pages += 1
        marker = page.get("NextMarker")
        if not marker:
            break
    assert pages >= 3 and len(seen) == len(set(seen)) and made <= set(seen)
    assert all(function["Version"] == "$LATEST" for function in lam.list_functions()["Functions"])


def test_list_with_all_versions(lam, make):
    name = make()
    lam.publish_version(FunctionName=name)
    versions = [
        function["Version"]
        for page in lam.get_paginator("list_functions").paginate(FunctionVersion="ALL")
        for function in page["Functions"]
        if function["FunctionName"] == name
    ]
    assert sorted(versions) == ["$LATEST", "1"]


def test_a_marker_that_is_none_is_refused(lam):
    with refused(INVALID, 400):
        lam.list_functions(Marker="\x00nonsense")


def test_update_configuration_changes_what_is_named(lam, make):
    name = make(environment={"STAGE": "1"}, Timeout=5, Description="one")
    before = lam.get_function_configuration(FunctionName=name)
    answer = lam.update_function_configuration(FunctionName=name, Timeout=6, Environment={"Variables": {"STEP": "2"}})
    assert answer["Timeout"] == 6 and answer["Environment"]["Variables"] == {"STEP": "2"}
    assert answer["Description"] == "one" and answer["CodeSha256"] == before["CodeSha256"]
    assert answer["RevisionId"] != before["RevisionId"]
    active(lam, name)
    assert lam.get_function_configuration(FunctionName=name)["Timeout"] == 6


def test_update_code_replaces_the_code(daemon, lam, make):
    name = make(packages.text_package("invoke_constant.event", "one"))
    assert daemon.invoke(name).ok() == "one"
    package = packages.text_package("invoke_constant.event", "two")
    answer = lam.update_function_code(FunctionName=name, ZipFile=package)
    assert answer["CodeSha256"] == sha(package)
    active(lam, name)
    assert daemon.invoke(name).ok() == "two"


def test_update_code_dry_run_changes_nothing(daemon, lam, make):
    name = make(packages.text_package("invoke_constant.event", "one"))
    before = lam.get_function_configuration(FunctionName=name)
    package = packages.text_package("invoke_constant.event", "two")
    assert lam.update_function_code(FunctionName=name, ZipFile=package, DryRun=True)["CodeSha256"] == sha(package)
    after = lam.get_function_configuration(FunctionName=name)
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])
    assert daemon.invoke(name).ok() == "one"


def test_a_stale_revision_is_refused(lam, make):
    name = make()
    old = lam.get_function_configuration(FunctionName=name)["RevisionId"]
    lam.update_function_configuration(FunctionName=name, Timeout=4, RevisionId=old)
    active(lam, name)
    for call in (
        lambda: lam.update_function_configuration(FunctionName=name, Timeout=3, RevisionId=old),
        lambda: lam.update_function_code(FunctionName=name, ZipFile=zipped(ECHO), RevisionId=old),
        lambda: lam.publish_version(FunctionName=name, RevisionId=old),
    ):
        with refused("PreconditionFailedException", 412):
            call()
    assert lam.get_function_configuration(FunctionName=name)["Timeout"] == 4


def test_delete_ends_the_function(lam, make):
    name = make()
    lam.publish_version(FunctionName=name)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert lam.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (
        lambda: lam.get_function(FunctionName=name),
        lambda: lam.get_function(FunctionName=name, Qualifier="1"),
        lambda: lam.get_alias(FunctionName=name, Name="live"),
        lambda: lam.invoke(FunctionName=name),
        lambda: lam.delete_function(FunctionName=name),
    ):
        with refused("ResourceNotFoundException", 404):
            call()


@pytest.mark.parametrize("where", ["bootstrap.wat", "bootstrap.wasm", "my_handler.wasm"])
def test_where_a_package_keeps_its_guest(daemon, make, where):
    content = packages.wat("invoke_echo.event") if where.endswith("wat") else packages.built("invoke_ops")
    name = make(packages.archive({"README": "x", where: content}), Handler="my_handler")
    assert daemon.invoke(name, {"hello": 1}).ok() == {"hello": 1}


def test_a_new_handler_takes_its_guest_from_the_package_there_is(daemon, lam, make):
    files = {f"{mark}.wat": packages.wat("invoke_constant.event", mark) for mark in ("first", "second")}
    name = make(packages.archive(files), Handler="first")
    assert daemon.invoke(name, {}).ok() == "first"
    before = lam.get_function_configuration(FunctionName=name)
    after = lam.update_function_configuration(FunctionName=name, Handler="second")
    assert (after["Handler"], after["CodeSha256"]) == ("second", before["CodeSha256"])
    assert daemon.invoke(name, {}).ok() == "second"
    with refused("InvalidParameterValueException", 400, says="third"):
        lam.update_function_configuration(FunctionName=name, Handler="third")
    assert daemon.invoke(name, {}).ok() == "second"


def test_a_package_without_a_guest_is_refused(lam, name):
    with refused("InvalidParameterValueException", 400, says="bootstrap.wasm"):
        create(lam, name, packages.archive({"index.py": "print(1)"}))


def test_a_member_the_api_does_not_know_is_ignored_and_bad_json_refused(daemon, make):
    name = make()
    path = f"/2015-03-31/functions/{name}/configuration"
    headers = {"Content-Type": "application/json"}
    answer = daemon.request("PUT", path, b'{"Timeout": 9, "FromTheFuture": 1}', headers, listener="api")
    assert answer.status == 200, answer
    answer = daemon.request("PUT", path, b'{"Timeout": ', headers, listener="api")
    assert answer.status == 400 and answer.headers["x-amzn-ErrorType"], answer


def test_unknown_paths_and_methods_get_an_aws_error(daemon):
    for method, path in (("GET", "/2015-03-31/nothing"), ("PATCH", "/2015-03-31/functions"), ("GET", "/")):
        answer = daemon.request(method, path, listener="api")
        assert 400 <= answer.status < 500, answer
        assert daemon.healthy()
