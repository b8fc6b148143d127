"""Resource policies: AddPermission, RemovePermission, GetPolicy."""

import json

import pytest

from harness.clients import function_arn, refused


def statements(lam, name, **more):
    answer = lam.get_policy(FunctionName=name, **more)
    document = json.loads(answer["Policy"])
    assert document["Version"] == "2012-10-17" and document["Id"] == "default" and answer["RevisionId"]
    return document["Statement"]


def add(lam, name, sid="s", **more):
    settings = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"} | more
    answer = lam.add_permission(FunctionName=name, StatementId=sid, **settings)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    return json.loads(answer["Statement"])


def test_a_statement_is_rendered_as_lambda_renders_it(lam, make):
    name = make()
    added = add(
        lam,
        name,
        SourceArn="arn:aws:s3:::bucket",
        SourceAccount="123456789012",
        EventSourceToken="token.1",
        PrincipalOrgID="o-a1b2c3d4e5",
    )
    assert added == {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": function_arn(name),
        "Condition": {
            "StringEquals": {
                "AWS:SourceAccount": "123456789012",
                "lambda:EventSourceToken": "token.1",
                "aws:PrincipalOrgID": "o-a1b2c3d4e5",
            },
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    }
    assert statements(lam, name) == [added]


@pytest.mark.parametrize(
    ("principal", "rendered"),
    [
        ("*", "*"),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:user/u", {"AWS": "arn:aws:iam::123456789012:user/u"}),
        ("apigateway.amazonaws.com", {"Service": "apigateway.amazonaws.com"}),
    ],
)
def test_principals(lam, make, principal, rendered):
    assert add(lam, make(), Principal=principal)["Principal"] == rendered


def test_function_url_conditions(lam, make):
    name = make()
    url = add(lam, name, "url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    assert url["Condition"] == {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}
    via = add(lam, name, "via", Principal="*", InvokedViaFunctionUrl=True)
    assert via["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    with refused("InvalidParameterValueException", 400, says="FunctionUrlAuthType"):
        add(lam, name, "bad", FunctionUrlAuthType="NONE")


def test_statements_are_removed_and_the_policy_with_the_last(lam, make):
    name = make()
    add(lam, name, "a")
    add(lam, name, "b")
    with refused("ResourceNotFoundException", 404, says="Statement c is not found"):
        lam.remove_permission(FunctionName=name, StatementId="c")
    answer = lam.remove_permission(FunctionName=name, StatementId="a")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert [statement["Sid"] for statement in statements(lam, name)] == ["b"]
    lam.remove_permission(FunctionName=name, StatementId="b")
    with refused("ResourceNotFoundException", 404):
        lam.get_policy(FunctionName=name)
    with refused("ResourceNotFoundException", 404):
        lam.remove_permission(FunctionName=name, StatementId="b")


def test_a_statement_id_is_taken_once(lam, make):
    name = make()
    add(lam, name)
    with refused("ResourceConflictException", 409, says="already exists"):
        add(lam, name)


def test_versions_and_aliases_have_policies_of_their_own(lam, make):
    name = make(Publish=True)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    for qualifier in (None, "1", "live"):
        more = {"Qualifier": qualifier} if qualifier else {}
        assert add(lam, name, **more)["Resource"] == function_arn(name, qualifier)
        assert len(statements(lam, name, **more)) == 1
    lam.delete_alias(FunctionName=name, Name="live")
    with refused("ResourceNotFoundException", 404):
        lam.get_policy(FunctionName=name, Qualifier="live")
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    with refused("ResourceNotFoundException", 404):
        lam.get_policy(FunctionName=name, Qualifier="live")
    with refused("InvalidParameterValueException", 400, says="$LATEST"):
        add(lam, name, "x", Qualifier="$LATEST")
    for missing in ("7", "nope"):
        with refused("ResourceNotFoundException", 404):
            add(lam, name, "x", Qualifier=missing)


def test_the_revision_guards_a_policy(lam, make):
    name = make()
    with refused("PreconditionFailedException", 412):
        add(lam, name, RevisionId="00000000-0000-0000-0000-000000000000")
    add(lam, name, "a")
    first = lam.get_policy(FunctionName=name)["RevisionId"]
    add(lam, name, "b", RevisionId=first)
    second = lam.get_policy(FunctionName=name)["RevisionId"]
    assert first != second
    with refused("PreconditionFailedException", 412):
        lam.remove_permission(FunctionName=name, StatementId="a", RevisionId=first)
    lam.remove_permission(FunctionName=name, StatementId="a", RevisionId=second)


@pytest.mark.parametrize(
    "settings",
    [
        {"StatementId": ""},
        {"StatementId": "a b"},
        {"StatementId": "s" * 101},
        {"Action": "s3:GetObject"},
        {"Action": "lambda:"},
        {"Principal": "a b"},
        {"Principal": ""},
        {"Principal": "somebody"},
        {"SourceArn": "bucket"},
        {"SourceAccount": "12345678901"},
        {"EventSourceToken": "a b"},
        {"EventSourceToken": "t" * 257},
        {"PrincipalOrgID": "o-short"},
        {"FunctionUrlAuthType": "SOME"},
    ],
    ids=lambda settings: str(list(settings.items())[0])[:30],
)
def test_members_out_of_bounds_are_refused(lam, make, settings):
    name = make()
    whole = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"} | settings
    with refused(("ValidationException", "InvalidParameterValueException"), 400):
        lam.add_permission(FunctionName=name, **whole)
    with refused("ResourceNotFoundException", 404):
        lam.get_policy(FunctionName=name)


@pytest.mark.parametrize("member", ["StatementId", "Action", "Principal"])
def test_required_members(lam, make, member):
    whole = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}
    del whole[member]
    with refused("ValidationException", 400, says="must not be null"):
        lam.add_permission(FunctionName=make(), **whole)


def test_a_policy_ends_at_20_kb(lam, make):
    name = make()
    count = 0
    with refused("PolicyLengthExceededException", 400, says="20480"):
        for count in range(200):
            add(lam, name, f"{count:0>100}", SourceArn=f"arn:aws:s3:::{count:x>300}")
    assert 20 < count < 50
    policy = lam.get_policy(FunctionName=name)["Policy"]
    assert 19_500 < len(policy) <= 20_480
    assert len(json.loads(policy)["Statement"]) == count


def test_a_policy_goes_with_its_function_and_outlives_a_restart(own_daemon):
    from harness.functions import create, zipped

    daemon = own_daemon().start()
    for name in ("kept", "gone"):
        create(daemon.lam, name, zipped("invoke_echo.event"))
        add(daemon.lam, name)
    daemon.lam.put_function_recursion_config(FunctionName="kept", RecursiveLoop="Allow")
    daemon.lam.delete_function(FunctionName="gone")
    daemon.kill()
    daemon.start()
    assert len(statements(daemon.lam, "kept")) == 1
    assert daemon.lam.get_function_recursion_config(FunctionName="kept")["RecursiveLoop"] == "Allow"
    create(daemon.lam, "gone", zipped("invoke_echo.event"))
    with refused("ResourceNotFoundException", 404):
        daemon.lam.get_policy(FunctionName="gone")
