"""Every operation of botocore's model of Lambda is answered in Lambda's shape: done, or refused, by name if need be."""

import botocore.exceptions
import botocore.session
import pytest

MODEL = botocore.session.get_session().get_service_model("lambda")

# Values that pass a client's checks and name nothing that is there.
NAMES = {
    "CodeSigningConfigArn": "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000",
    "Resource": "arn:aws:lambda:us-east-1:000000000000:function:no-such-function",
    "VersionNumber": 1,
}


@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_an_operation_is_answered_in_lambdas_shape(lam, operation):
    shape = MODEL.operation_model(operation).input_shape
    members = shape.members if shape else {}
    uri = [name for name, member in members.items() if member.serialization.get("location") == "uri"]
    arguments = {name: NAMES.get(name, "no-such-function") for name in uri}
    try:
        answer = lam._make_api_call(operation, arguments)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] < 300
    except botocore.exceptions.ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert 400 <= status < 500 and message, error.response
        assert code.endswith("Exception"), error.response
        if code == "UnknownOperationException":
            # One path for two; only the query tells.
            named = "ListLayers" if operation == "GetLayerVersionByArn" else operation
            assert message == f"{named} is not supported by Lamina.", message
