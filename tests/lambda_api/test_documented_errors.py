"""What Lambda documents as errors of each operation, where no other test is about it."""

import contextlib
import io
import zipfile

import botocore.session
import pytest

from harness import packages
from harness.clients import ACCOUNT, REGION, function_arn, refused
from harness.functions import create, zipped
from harness.recorder import REFUSALS

MODEL = botocore.session.get_session().get_service_model("lambda")
NAME = "no-such-function"
PROFILE = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/known/0123456789"
CODE_SIGNING_CONFIG = f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-00000000000000000"

# What operations need beside the function they are about.
MORE = {
    "AddPermission": {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"},
    "CreateAlias": {"Name": "a", "FunctionVersion": "1"},
    "CreateFunctionUrlConfig": {"AuthType": "NONE"},
    "DeleteAlias": {"Name": "a"},
    "DeleteProvisionedConcurrencyConfig": {"Qualifier": "1"},
    "GetAlias": {"Name": "a"},
    "GetProvisionedConcurrencyConfig": {"Qualifier": "1"},
    "Invoke": {"Payload": b"{}"},
    "InvokeAsync": {"InvokeArgs": b"{}"},
    "InvokeWithResponseStream": {"Payload": b"{}"},
    "PutFunctionCodeSigningConfig": {"CodeSigningConfigArn": CODE_SIGNING_CONFIG},
    "PutFunctionConcurrency": {"ReservedConcurrentExecutions": 1},
    "PutFunctionEventInvokeConfig": {"MaximumRetryAttempts": 0},
    "PutFunctionRecursionConfig": {"RecursiveLoop": "Allow"},
    "PutProvisionedConcurrencyConfig": {"Qualifier": "1", "ProvisionedConcurrentExecutions": 1},
    "PutRuntimeManagementConfig": {"UpdateRuntimeOn": "Auto"},
    "RemovePermission": {"StatementId": "s"},
    "UpdateAlias": {"Name": "a"},
    "UpdateFunctionCode": {"ZipFile": zipped("invoke_echo.event")},
    "UpdateFunctionEventInvokeConfig": {"MaximumRetryAttempts": 0},
}


def members(operation):
    shape = MODEL.operation_model(operation).input_shape
    return shape.members if shape else {}


def of_a_function():
    """The operations that name a function in their path."""
    for operation in MODEL.operation_names:
        function = members(operation).get("FunctionName")
        if function is not None and function.serialization.get("location") == "uri":
            yield operation


@pytest.fixture
def call(lam):
    """Calls an operation by its name."""
    return lambda operation, **arguments: lam._make_api_call(operation, arguments)


@contextlib.contextmanager
def refused_if_here(code, status, says=None):
    """As `refused`, but that operations which are not here are refused for that."""
    with refused((code, *REFUSALS)) as refusal:
        yield
    if refusal.code == code:
        assert refusal.status == status and (says or "") in refusal.message, refusal.response


@pytest.mark.parametrize("operation", list(of_a_function()))
def test_a_function_has_to_be_there(call, operation):
    with refused_if_here("ResourceNotFoundException", 404):
        call(operation, FunctionName=NAME, **MORE.get(operation, {}))


@pytest.mark.parametrize("operation", [name for name in of_a_function() if name != "InvokeAsync"])
def test_a_function_has_one_qualifier_where_it_takes_one(call, operation):
    more = dict(MORE.get(operation, {}))
    if "Qualifier" in members(operation):
        more["Qualifier"] = "2"
    with refused_if_here("InvalidParameterValueException", 400, says="ualifier"):
        call(operation, FunctionName=f"{NAME}:live", **more)


@pytest.mark.parametrize("operation", [name for name in MODEL.operation_names if "Marker" in members(name)])
def test_a_marker_has_to_be_one_of_the_list(lam, call, make, operation):
    uri = [name for name, member in members(operation).items() if member.serialization.get("location") == "uri"]
    arguments = dict.fromkeys(uri, "no-such-thing")
    config = None
    if "FunctionName" in uri:
        arguments["FunctionName"] = make()
    if operation == "ListFunctionsByCodeSigningConfig":
        publishers = {
            "SigningProfileVersionArns": [f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/p/0123456789"]
        }
        config = lam.create_code_signing_config(AllowedPublishers=publishers)["CodeSigningConfig"]
        arguments["CodeSigningConfigArn"] = config["CodeSigningConfigArn"]
    with refused_if_here("InvalidParameterValueException", 400):
        call(operation, Marker="!", **arguments)
    if config:
        lam.delete_code_signing_config(CodeSigningConfigArn=config["CodeSigningConfigArn"])


@pytest.mark.parametrize(
    "operation",
    ["DeleteLayerVersion", "GetLayerVersion", "GetLayerVersionPolicy", "RemoveLayerVersionPermission"],
)
def test_a_layers_version_is_a_number(call, operation):
    more = {"StatementId": "s"} if operation.startswith("Remove") else {}
    with refused("InvalidParameterValueException", 400):
        call(operation, LayerName="layer", VersionNumber="first", **more)


@pytest.mark.parametrize("operation", ["TagResource", "UntagResource", "ListTags"])
def test_versions_and_aliases_have_no_tags(call, operation):
    more = {"TagResource": {"Tags": {"a": "1"}}, "UntagResource": {"TagKeys": ["a"]}}.get(operation, {})
    with refused("InvalidParameterValueException", 400):
        call(operation, Resource=function_arn(NAME, "live"), **more)
    with refused("ResourceNotFoundException", 404):
        call(operation, Resource=function_arn(NAME), **more)


def test_a_chain_that_came_around_too_often(daemon, lam, make):
    name, client = make("invoke_ops"), daemon.client("lambda")
    trace = {"id": None}

    def hand_on(params, **_):
        if trace["id"]:
            params["headers"]["X-Amzn-Trace-Id"] = trace["id"]

    client.meta.events.register("before-call.lambda.*", hand_on, unique_id="hand-on")
    try:
        for _ in range(16):
            trace["id"] = daemon.invoke(name, {"op": "context"}).ok()["trace_id"]
        for invoke in (client.invoke, client.invoke_with_response_stream):
            with refused("RecursiveInvocationException", 400):
                invoke(FunctionName=name, Payload=b"{}")
    finally:
        client.meta.events.unregister("before-call.lambda.*", hand_on, unique_id="hand-on")


def test_a_broken_signature_is_refused_in_updates(own_daemon, tmp_path):
    daemon = own_daemon()
    daemon.api = "http://127.0.0.1:1"
    public = daemon.lamina("sign", "--new-key", tmp_path / "key.pem").stdout.decode().strip()
    daemon.config.write_text(
        f'[[signing_keys]]\nname = "known"\npublic_key = "{public}"\nprofile_version_arn = "{PROFILE}"\n'
    )
    daemon.start()
    (tmp_path / "package.zip").write_bytes(zipped("invoke_echo.event"))
    daemon.lamina("sign", tmp_path / "package.zip", "--key", tmp_path / "key.pem", "--out", tmp_path / "signed.zip")
    signed = (tmp_path / "signed.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(signed)) as files:
        entries = {name: files.read(name) for name in files.namelist()}
    config = daemon.lam.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [PROFILE]})
    arn = config["CodeSigningConfig"]["CodeSigningConfigArn"]
    create(daemon.lam, "f", signed, CodeSigningConfigArn=arn)
    with refused("InvalidCodeSignatureException", 400):
        daemon.lam.update_function_code(FunctionName="f", ZipFile=packages.archive(entries | {"more.txt": b"added"}))
