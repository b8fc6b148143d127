"""The API of layers: shapes, numbers, filters, pages, policies, and what is refused."""

import base64
import hashlib
import json
import urllib.request

import pytest

from harness import packages
from harness.clients import ACCOUNT, REGION, refused, request

INVALID = "InvalidParameterValueException"
VALIDATION = "ValidationException"
MISSING = "ResourceNotFoundException"


def arn(name, version=None):
    base = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{name}"
    return base if version is None else f"{base}:{version}"


def publish(lam, name, files=None, **more):
    zipped = packages.archive(files or {"data.txt": name})
    return lam.publish_layer_version(LayerName=name, Content={"ZipFile": zipped}, **more)


def test_a_version_is_published_and_read_by_number_name_and_arn(lam, name):
    zipped = packages.archive({"data.txt": "content"})
    published = lam.publish_layer_version(
        LayerName=name,
        Description="what it is",
        Content={"ZipFile": zipped},
        CompatibleRuntimes=["provided.al2023", "python3.13"],
        CompatibleArchitectures=["arm64"],
        LicenseInfo="MIT",
    )
    assert published["ResponseMetadata"]["HTTPStatusCode"] == 201
    expected = {
        "LayerArn": arn(name),
        "LayerVersionArn": arn(name, 1),
        "Version": 1,
        "Description": "what it is",
        "CompatibleRuntimes": ["provided.al2023", "python3.13"],
        "CompatibleArchitectures": ["arm64"],
        "LicenseInfo": "MIT",
    }
    for answer in (
        published,
        lam.get_layer_version(LayerName=name, VersionNumber=1),
        lam.get_layer_version(LayerName=arn(name), VersionNumber=1),
        lam.get_layer_version_by_arn(Arn=arn(name, 1)),
    ):
        assert {key: answer[key] for key in expected} == expected
        assert answer["CreatedDate"] == published["CreatedDate"]
        content = answer["Content"]
        assert content["CodeSize"] == len(zipped)
        assert content["CodeSha256"] == base64.b64encode(hashlib.sha256(zipped).digest()).decode()
        with urllib.request.urlopen(content["Location"]) as fetched:
            assert fetched.read() == zipped


def test_numbers_go_up_and_are_never_used_again(lam, name):
    assert [publish(lam, name)["Version"] for _ in range(3)] == [1, 2, 3]
    for version in (3, 2, 1):
        lam.delete_layer_version(LayerName=name, VersionNumber=version)
        with refused(MISSING, 404):
            lam.get_layer_version(LayerName=name, VersionNumber=version)
    assert lam.list_layer_versions(LayerName=name)["LayerVersions"] == []
    assert publish(lam, arn(name))["Version"] == 4


def test_deleting_what_is_not_there_succeeds(lam, name):
    answer = lam.delete_layer_version(LayerName=name, VersionNumber=7)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_lists_are_filtered(lam, name):
    publish(lam, name, CompatibleRuntimes=["python3.13"], CompatibleArchitectures=["x86_64"])
    publish(lam, name, CompatibleRuntimes=["provided.al2023"], CompatibleArchitectures=["arm64"])

    def versions(**filters):
        return [item["Version"] for item in lam.list_layer_versions(LayerName=name, **filters)["LayerVersions"]]

    def latest(**filters):
        pages = lam.get_paginator("list_layers").paginate(**filters)
        found = [item for page in pages for item in page["Layers"] if item["LayerName"] == name]
        return [(item["LayerArn"], item["LatestMatchingVersion"]["Version"]) for item in found]

    assert versions() == [2, 1]
    assert versions(CompatibleRuntime="python3.13") == [1]
    assert versions(CompatibleArchitecture="arm64") == [2]
    assert versions(CompatibleRuntime="python3.13", CompatibleArchitecture="arm64") == []
    assert latest() == [(arn(name), 2)]
    assert latest(CompatibleRuntime="python3.13") == [(arn(name), 1)]
    assert latest(CompatibleRuntime="python3.12") == []
    for filters in ({"CompatibleRuntime": "cobol"}, {"CompatibleArchitecture": "riscv"}):
        with refused(VALIDATION, 400, says="enum value set"):
            lam.list_layers(**filters)
        with refused(VALIDATION, 400, says="enum value set"):
            lam.list_layer_versions(LayerName=name, **filters)


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_pages_lead_to_the_end(lam, name, size):
    for _ in range(5):
        publish(lam, name)
    pages = lam.get_paginator("list_layer_versions").paginate(LayerName=name, MaxItems=size)
    seen, marker = [], None
    while True:
        more = {"Marker": marker} if marker else {}
        page = lam.list_layer_versions(LayerName=name, MaxItems=size, **more)
        assert len(page["LayerVersions"]) <= size
        seen += [item["Version"] for item in page["LayerVersions"]]
        marker = page.get("NextMarker")
        if marker is None:
            break
    assert seen == [5, 4, 3, 2, 1]
    assert pages is not None


def test_layers_are_paged_by_name(lam, names):
    made = sorted(names() for _ in range(3))
    for name in made:
        publish(lam, name)
    seen, marker = [], None
    while True:
        page = lam.list_layers(MaxItems=1, **({"Marker": marker} if marker else {}))
        assert len(page["Layers"]) == 1
        seen += [item["LayerName"] for item in page["Layers"]]
        marker = page.get("NextMarker")
        if marker is None:
            break
    assert seen == sorted(seen) and [name for name in seen if name in made] == made


@pytest.mark.parametrize("items", [0, 51])
def test_page_sizes_have_bounds(lam, name, items):
    with refused(VALIDATION, 400, says="maxItems"):
        lam.list_layers(MaxItems=items)
    with refused(VALIDATION, 400, says="maxItems"):
        lam.list_layer_versions(LayerName=name, MaxItems=items)


def test_a_marker_of_another_list_is_refused(lam, name):
    with refused(INVALID, 400):
        lam.list_layers(Marker="!")
    with refused(INVALID, 400):
        lam.list_layer_versions(LayerName=name, Marker="bm8")


@pytest.mark.parametrize("bad", ["a b", "a:1", "x" * 141, "arn:aws:s3:::bucket", "arn:aws:lambda:us-east-1:1:layer:a"])
def test_bad_names_are_refused(lam, bad):
    for call in (
        lambda: publish(lam, bad, {"a": "b"}),
        lambda: lam.get_layer_version(LayerName=bad, VersionNumber=1),
        lambda: lam.list_layer_versions(LayerName=bad),
        lambda: lam.delete_layer_version(LayerName=bad, VersionNumber=1),
        lambda: lam.get_layer_version_policy(LayerName=bad, VersionNumber=1),
    ):
        with refused(VALIDATION, 400, says="layerName"):
            call()


def test_names_of_140_characters_are_fine(lam, name):
    long = (name + "-" + "n" * 140)[:140]
    assert publish(lam, long)["LayerVersionArn"] == arn(long, 1)


def test_layers_of_others_are_not_there(lam, name):
    publish(lam, name)
    for other in (arn(name).replace(ACCOUNT, "1" * 12), arn(name).replace(REGION, "eu-west-1")):
        with refused(MISSING, 404):
            lam.get_layer_version(LayerName=other, VersionNumber=1)
    with refused(INVALID, 400):
        lam.get_layer_version_by_arn(Arn=arn(name, 1).replace(ACCOUNT, "1" * 12))


def test_versions_that_are_not_there(lam, name):
    publish(lam, name)
    for version in (2, 9_223_372_036_854_775_807):
        with refused(MISSING, 404, says="does not exist"):
            lam.get_layer_version(LayerName=name, VersionNumber=version)
    with refused(MISSING, 404):
        lam.get_layer_version_by_arn(Arn=arn(name, 2))
    for version in (0, -1):
        with refused(VALIDATION, 400, says="versionNumber"):
            lam.get_layer_version(LayerName=name, VersionNumber=version)
    with refused(INVALID, 400, says="not a number"):
        lam.get_layer_version(LayerName=name, VersionNumber="one")


@pytest.mark.parametrize("bad", ["", "nonsense", "arn:aws:lambda:us-east-1:000000000000:layer:a", "arn:aws:sqs:::q:1"])
def test_bad_arns_are_refused(lam, bad):
    with refused(VALIDATION, 400, says="arn"):
        lam.get_layer_version_by_arn(Arn=bad)


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("Description", "d" * 257, VALIDATION),
        ("LicenseInfo", "l" * 513, VALIDATION),
        ("CompatibleRuntimes", ["cobol"], VALIDATION),
        ("CompatibleRuntimes", ["python3.13"] * 16, VALIDATION),
        ("CompatibleArchitectures", ["riscv"], VALIDATION),
        ("CompatibleArchitectures", ["arm64"] * 3, VALIDATION),
    ],
)
def test_members_outside_their_bounds_are_refused(lam, name, member, value, code):
    with refused(code, 400):
        publish(lam, name, **{member: value})
    assert lam.list_layer_versions(LayerName=name)["LayerVersions"] == []


def test_members_at_their_bounds_are_taken(lam, name):
    published = publish(
        lam,
        name,
        Description="d" * 256,
        LicenseInfo="l" * 512,
        CompatibleRuntimes=["python3.13"] * 15,
        CompatibleArchitectures=["arm64", "x86_64"],
    )
    assert len(published["Description"]) == 256 and len(published["LicenseInfo"]) == 512


@pytest.mark.parametrize("content", [{"S3Bucket": "b", "S3Key": "k"}, {"S3ObjectStorageMode": "COPY"}])
def test_content_in_s3_is_refused(lam, name, content):
    with refused(INVALID, 400, says="not supported by Lamina"):
        lam.publish_layer_version(LayerName=name, Content=content)


def test_a_layer_needs_content(daemon, lam, name):
    with refused(INVALID, 400):
        lam.publish_layer_version(LayerName=name, Content={})
    answer = request(daemon.api, "POST", f"/2018-10-31/layers/{name}/versions", b"{}")
    assert answer.status == 400 and b"content" in answer.body
    answer = request(daemon.api, "POST", f"/2018-10-31/layers/{name}/versions", b'{"Content": {"ZipFile": "??"}}')
    assert answer.status == 400
    answer = request(daemon.api, "POST", f"/2018-10-31/layers/{name}/versions", b"{")
    assert answer.status == 400


# Policies


def allow(lam, name, statement="all", principal="*", **more):
    return lam.add_layer_version_permission(
        LayerName=name,
        VersionNumber=1,
        StatementId=statement,
        Action=more.pop("Action", "lambda:GetLayerVersion"),
        Principal=principal,
        **more,
    )


def test_statements_are_added_read_and_removed(lam, name):
    publish(lam, name)
    with refused(MISSING, 404, says="No policy"):
        lam.get_layer_version_policy(LayerName=name, VersionNumber=1)
    everyone = allow(lam, name, OrganizationId="o-" + "a1" * 5)
    assert everyone["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert json.loads(everyone["Statement"]) == {
        "Sid": "all",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "lambda:GetLayerVersion",
        "Resource": arn(name, 1),
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1a1a1a1a1"}},
    }
    one = allow(lam, name, "one", "1" * 12, RevisionId=everyone["RevisionId"])
    assert json.loads(one["Statement"])["Principal"] == {"AWS": f"arn:aws:iam::{'1' * 12}:root"}
    allow(lam, name, "root", f"arn:aws:iam::{'2' * 12}:root")
    got = lam.get_layer_version_policy(LayerName=name, VersionNumber=1)
    policy = json.loads(got["Policy"])
    assert policy["Version"] == "2012-10-17"
    assert sorted(statement["Sid"] for statement in policy["Statement"]) == ["all", "one", "root"]
    with refused("PreconditionFailedException", 412):
        allow(lam, name, "late", RevisionId=everyone["RevisionId"])
    with refused("PreconditionFailedException", 412):
        lam.remove_layer_version_permission(
            LayerName=name, VersionNumber=1, StatementId="one", RevisionId=everyone["RevisionId"]
        )
    lam.remove_layer_version_permission(
        LayerName=name, VersionNumber=1, StatementId="one", RevisionId=got["RevisionId"]
    )
    for statement in ("all", "root"):
        lam.remove_layer_version_permission(LayerName=name, VersionNumber=1, StatementId=statement)
    with refused(MISSING, 404):
        lam.get_layer_version_policy(LayerName=name, VersionNumber=1)


def test_what_a_policy_cannot_take_is_refused(lam, name):
    publish(lam, name)
    allow(lam, name)
    with refused("ResourceConflictException", 409, says="already exists"):
        allow(lam, name)
    with refused(MISSING, 404, says="not found in resource policy"):
        lam.remove_layer_version_permission(LayerName=name, VersionNumber=1, StatementId="other")
    for bad in ({"statement": "a b"}, {"statement": "s" * 101}, {"principal": "me"}, {"Action": "lambda:*"}):
        with refused(VALIDATION, 400):
            allow(lam, name, **({"statement": "next"} | bad))
    with refused(VALIDATION, 400, says="organizationId"):
        allow(lam, name, "next", OrganizationId="o-short")
    with refused(INVALID, 400):
        allow(lam, name, "next", "1" * 12, OrganizationId="o-" + "a" * 10)
    for call in (
        lambda: lam.get_layer_version_policy(LayerName=name, VersionNumber=2),
        lambda: lam.add_layer_version_permission(
            LayerName=name, VersionNumber=2, StatementId="s", Action="lambda:GetLayerVersion", Principal="*"
        ),
        lambda: lam.remove_layer_version_permission(LayerName=name, VersionNumber=2, StatementId="s"),
    ):
        with refused(MISSING, 404):
            call()


def test_a_policy_has_a_size(lam, name):
    publish(lam, name)
    added = 0
    with refused("PolicyLengthExceededException", 400):
        for number in range(200):
            allow(lam, name, f"{number:0>100}")
            added += 1
    assert added > 20
    policy = json.loads(lam.get_layer_version_policy(LayerName=name, VersionNumber=1)["Policy"])
    assert len(policy["Statement"]) == added


def test_layers_survive_kill(own_daemon):
    daemon = own_daemon().start()
    published = publish(daemon.lam, "kept")
    publish(daemon.lam, "kept")
    daemon.lam.delete_layer_version(LayerName="kept", VersionNumber=2)
    revision = allow(daemon.lam, "kept")["RevisionId"]
    daemon.kill()
    daemon.start()
    again = daemon.lam.get_layer_version(LayerName="kept", VersionNumber=1)
    assert again["Content"]["CodeSha256"] == published["Content"]["CodeSha256"]
    with urllib.request.urlopen(again["Content"]["Location"]) as fetched:
        assert fetched.read().startswith(b"PK")
    assert daemon.lam.get_layer_version_policy(LayerName="kept", VersionNumber=1)["RevisionId"] == revision
    assert publish(daemon.lam, "kept")["Version"] == 3
