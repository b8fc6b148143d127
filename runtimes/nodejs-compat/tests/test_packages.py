"""Packages from npm, as they are published."""

import hashlib
import json

import pytest

TRIED = {
    "lodash": "import _ from 'lodash'; export const handler = async () => [_.chunk([1, 2, 3], 2), _.camelCase('foo bar'), _.get({ a: { b: 1 } }, 'a.b'), _.debounce !== undefined];",
    "dayjs": "import dayjs from 'dayjs'; import utc from 'dayjs/plugin/utc.js'; dayjs.extend(utc); export const handler = async () => dayjs.utc('2026-01-31').add(1, 'month').format('YYYY-MM-DD ddd');",
    "uuid": "import { v4, v5, v7, validate } from 'uuid'; export const handler = async () => [validate(v4()), validate(v7()), v5('x', v5.URL)];",
    "zod": "import { z } from 'zod'; const S = z.object({ a: z.string().email(), n: z.number().int().optional() }); export const handler = async () => [S.safeParse({ a: 'x@y.zz' }).success, S.safeParse({ a: 'x' }).error.issues[0].path];",
    "ajv": "import Ajv from 'ajv'; const v = new Ajv({ allErrors: true }).compile({ type: 'object', required: ['a'], properties: { a: { type: 'integer' } } }); export const handler = async () => [v({ a: 1 }), v({ a: 'x' }), v.errors?.[0].message];",
}
ANSWERS = {
    "lodash": [[[1, 2], [3]], "fooBar", 1, True],
    "dayjs": "2026-02-28 Sat",
    "uuid": [True, True, "b5c54a71-5c8a-5d4f-9f8c-6d2f8d5b9b0e"],
    "zod": [True, ["a"]],
    "ajv": [True, False, "must be integer"],
}


@pytest.fixture
def package(packages, tmp_path):
    """A function beside the installed packages."""

    def make(source):
        packages.directory.joinpath("tried.mjs").write_text(source)
        tag, error = packages.load("tried.handler")
        assert tag == 0, error
        return packages

    yield make
    packages.directory.joinpath("tried.mjs").unlink(missing_ok=True)


@pytest.mark.parametrize("name", TRIED)
def test_package(package, name):
    tag, answer = package(TRIED[name])()
    assert tag == 0, answer
    if name == "uuid":
        assert answer[:2] == [True, True]
    else:
        assert answer == ANSWERS[name]


def test_express_through_serverless_http(package):
    source = """import express from 'express'; import serverless from 'serverless-http'; const app = express(); app.use(express.json());
    app.get('/hello/:name', (q, r) => r.json({ hello: q.params.name, q: q.query.x })); app.post('/echo', (q, r) => r.status(201).set('x-made', 'yes').send(q.body));
    app.get('/fails', () => { throw new Error('in route'); }); export const handler = serverless(app);"""

    def event(method, path, body=None, query=""):
        http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t"}
        headers = {"host": "x", **({"content-type": "application/json"} if body else {})}
        return {"version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers, "requestContext": {"http": http, "stage": "$default"}, "body": body, "isBase64Encoded": False}

    function = package(source)
    tag, answer = function(event("GET", "/hello/you", query="x=1"))
    assert tag == 0, (answer, function.logs)
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"hello": "you", "q": "1"})
    tag, answer = function(event("POST", "/echo", '{"a":1}'))
    assert (tag, answer["statusCode"], answer["headers"]["x-made"], json.loads(answer["body"])) == (0, 201, "yes", {"a": 1})
    assert function(event("GET", "/nowhere"))[1]["statusCode"] == 404
    assert function(event("GET", "/fails"))[1]["statusCode"] == 500


def test_the_sdk_sends_to_a_queue(package, server):
    source = """import { SQSClient, SendMessageCommand } from '@aws-sdk/client-sqs'; const client = new SQSClient({});
    export const handler = async (event) => { const r = await client.send(new SendMessageCommand({ QueueUrl: event + '/q', MessageBody: 'hello' })); return r.MessageId; };"""
    server.sqs = lambda target, body: {"MessageId": "m-1", "MD5OfMessageBody": hashlib.md5(body["MessageBody"].encode()).hexdigest()}
    function = package(source)
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": server.url}
    assert function.load("tried.handler", env=keys)[0] == 0
    assert function(server.url) == (0, "m-1")
    method, _, headers, body = server.seen[-1]
    assert (method, json.loads(body)["MessageBody"]) == ("POST", "hello")
    assert {name.lower(): value for name, value in headers.items()}["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
