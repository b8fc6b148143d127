"""Packages from npm, as they are published: `npm ci` in functions/packages brings them."""

import hashlib
import json

import pytest
from harness import FUNCTIONS, Environment

PACKAGES = FUNCTIONS / "packages"
ANSWERS = {
    "lodash": [[[1, 2], [3]], "fooBar", 1, True],
    "dayjs": "2026-02-28 Sat",
    "zod": [True, ["a"]],
    "ajv": [True, False, "must be integer"],
}

pytestmark = pytest.mark.skipif(
    not (PACKAGES / "node_modules").is_dir(), reason="npm ci has not been run in functions/packages"
)


def loaded(name, **more):
    environment = Environment(PACKAGES)
    tag, error = environment.load(f"{name}.handler", **more)
    assert tag == 0, error
    return environment


@pytest.mark.parametrize("name", ANSWERS)
def test_package(name):
    assert loaded(name).invoke() == (0, ANSWERS[name])


def test_uuid():
    tag, answer = loaded("uuid").invoke()
    assert tag == 0
    assert answer[:2] == [True, True]
    assert len(answer[2]) == 36


def event(method, path, body=None, query=""):
    """An event of payload format 2.0."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "x", **({"content-type": "application/json"} if body else {})},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "127.0.0.1"}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": False,
    }


def test_express_through_serverless_http():
    environment = loaded("express")
    tag, answer = environment.invoke(event("GET", "/hello/you", query="x=1"))
    assert tag == 0, answer
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"hello": "you", "q": "1"})
    tag, answer = environment.invoke(event("POST", "/echo", '{"a":1}'))
    assert (tag, answer["statusCode"], answer["headers"]["x-made"], json.loads(answer["body"])) == (
        0,
        201,
        "yes",
        {"a": 1},
    )
    assert environment.invoke(event("GET", "/nowhere"))[1]["statusCode"] == 404
    assert environment.invoke(event("GET", "/fails"))[1]["statusCode"] == 500


def test_the_sdk_sends_to_a_queue(server):
    server.sqs = lambda target, body: {
        "MessageId": "m-1",
        "MD5OfMessageBody": hashlib.md5(body["MessageBody"].encode()).hexdigest(),
    }
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": server.url}
    assert loaded("sqs", env=keys).invoke(server.url) == (0, "m-1")
    method, _, headers, body = server.seen[-1]
    assert (method, json.loads(body)["MessageBody"]) == ("POST", "hello")
    assert {name.lower(): value for name, value in headers.items()}["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKID/"
    )
