"""Every operation of botocore's models of the services offered is answered in the service's shape.

It is done, or refused, by name if it is not here.
"""

import botocore.exceptions
import botocore.session
import pytest

from harness.parity import OFFERED
from harness.recorder import REFUSAL, REFUSALS

ARN = "arn:aws:{}:us-east-1:000000000000:{}"

# Values that pass a client's checks and name nothing that is there.
NAMES = {
    "CodeSigningConfigArn": ARN.format("lambda", "code-signing-config:csc-00000000000000000"),
    "Resource": ARN.format("lambda", "function:no-such-function"),
    "ResourceArn": ARN.format("scheduler", "schedule-group/no-such-group"),
    "VersionNumber": 1,
}

# One path for two; only the query tells.
SHARED = {"GetLayerVersionByArn": "ListLayers"}


def operations():
    session = botocore.session.get_session()
    for service in OFFERED:
        model = session.get_service_model(service)
        for name in model.operation_names:
            yield pytest.param(service, model.operation_model(name), id=f"{service}-{name}")


@pytest.mark.parametrize("service, operation", list(operations()))
def test_an_operation_is_answered_in_its_services_shape(daemon, service, operation):
    members = operation.input_shape.members if operation.input_shape else {}
    uri = [name for name, member in members.items() if member.serialization.get("location") == "uri"]
    arguments = {name: NAMES.get(name, "no-such-thing") for name in uri}
    client = daemon.client(service)
    try:
        answer = client._make_api_call(operation.name, arguments)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] < 300
    except botocore.exceptions.ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        # SQS has an older name for it, which boto3 tells first.
        code = error.response["Error"].get("QueryErrorCode") or code
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert 400 <= status < 500 and message, error.response
        if service in ("lambda", "scheduler", "logs"):
            assert code.endswith("Exception"), error.response
        if code in REFUSALS:
            assert REFUSAL in message, message
            assert SHARED.get(operation.name, operation.name) in message, message
