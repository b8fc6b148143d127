"""Clients: boto3 as users have it but without its retries, and raw HTTP."""

import contextlib
import http.client
import urllib.parse

import boto3
import botocore.config
import botocore.exceptions

REGION = "us-east-1"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lamina"


def boto(service, endpoint):
    """A boto3 client that asks once: a test wants the first answer, not a third one."""
    session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    return session.client(
        service,
        endpoint_url=endpoint,
        config=botocore.config.Config(
            # What the daemon refuses is what these tests are about, so the client lets it through.
            parameter_validation=False,
            retries={"max_attempts": 0, "mode": "standard"},
            max_pool_connections=128,
            # Names under the loopback address are not known everywhere.
            inject_host_prefix=False,
            connect_timeout=5,
            # Longer than daemons under test wait for a deployment.
            read_timeout=90,
        ),
    )


def function_arn(name, qualifier=None):
    """A function's ARN, unqualified unless told."""
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn


def queue_arn(name):
    """A queue's ARN."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def request(base, method, path, body=None, headers=None, timeout=30):
    """One HTTP request on a connection of its own."""
    url = urllib.parse.urlsplit(base)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Refused:
    """An error answer of AWS's: its code, HTTP status and members."""

    code = status = message = response = None

    def _take(self, error):
        self.response = error.response
        self.code = error.response["Error"]["Code"]
        self.message = error.response["Error"].get("Message", "")
        self.status = error.response["ResponseMetadata"]["HTTPStatusCode"]


@contextlib.contextmanager
def refused(code, status=None, says=None):
    """Within it, a call must be refused with this code (or one of these), HTTP status and words in the message."""
    refusal = Refused()
    try:
        yield refusal
    except botocore.exceptions.ClientError as error:
        refusal._take(error)
    else:
        raise AssertionError(f"not refused; {code} was expected")
    codes = (code,) if isinstance(code, str) else tuple(code)
    assert refusal.code in codes, f"{refusal.code} ({refusal.message}); {codes} expected"
    if status is not None:
        assert refusal.status == status, f"{refusal.code}: HTTP {refusal.status}, {status} expected"
    if says is not None:
        assert says in refusal.message, f"{refusal.message!r} does not say {says!r}"


def code_of(error):
    """The code of a botocore error."""
    return error.response["Error"]["Code"]
