"""Requests of all services, changed at random: whatever comes, the answer is AWS's, and it comes."""

import http.client
import json
import random
import urllib.parse

import pytest

from harness import clients

ROUNDS, FULL_ROUNDS = 1_000, 10_000
SEED = 11

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63),
    10**30,
    0.5,
    "",
    " ",
    "a",
    "a" * 300,
    "é\u0000\u202e",
    "$LATEST",
    "arn:aws:lambda:us-east-1:000000000000:function:f",
    "arn:",
    "../..",
    "%00",
    [],
    [None],
    {},
    {"a": {"b": []}},
    [[[[]]]],
]

ROLE = clients.ROLE
FUNCTION = "/2015-03-31/functions/fuzzed"
ARN = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Afuzzed"
LAMBDA = [
    (
        "POST",
        "/2015-03-31/functions",
        {
            "FunctionName": "fuzzed-2",
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Role": ROLE,
            "Timeout": 3,
            "Code": {"ZipFile": "AGFzbQ=="},
            "Tags": {"a": "b"},
            "Environment": {"Variables": {"AB": "c"}},
            "MemorySize": 128,
            "LoggingConfig": {"LogFormat": "JSON"},
            "EphemeralStorage": {"Size": 512},
            "Architectures": ["arm64"],
        },
    ),
    (
        "PUT",
        f"{FUNCTION}/configuration",
        {
            "Timeout": 4,
            "MemorySize": 256,
            "Description": "d",
            "Environment": {"Variables": {"AB": "c"}},
            "LoggingConfig": {"LogFormat": "JSON", "SystemLogLevel": "WARN"},
            "VpcConfig": {"SubnetIds": []},
            "TracingConfig": {"Mode": "Active"},
            "SnapStart": {"ApplyOn": "None"},
        },
    ),
    ("GET", f"{FUNCTION}?Qualifier=1", None),
    ("GET", "/2015-03-31/functions?MaxItems=2&FunctionVersion=ALL", None),
    ("POST", f"{FUNCTION}/versions", {"Description": "d", "RevisionId": "r"}),
    (
        "POST",
        f"{FUNCTION}/aliases",
        {
            "Name": "live",
            "FunctionVersion": "1",
            "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}},
        },
    ),
    (
        "POST",
        f"{FUNCTION}/policy",
        {
            "StatementId": "s",
            "Action": "lambda:InvokeFunction",
            "Principal": "s3.amazonaws.com",
            "SourceArn": "arn:aws:s3:::b",
            "SourceAccount": "123456789012",
        },
    ),
    ("DELETE", f"{FUNCTION}/policy/s?RevisionId=r", None),
    ("GET", f"{FUNCTION}/policy", None),
    ("POST", f"/2017-03-31/tags/{ARN}", {"Tags": {"a": "b"}}),
    ("DELETE", f"/2017-03-31/tags/{ARN}?tagKeys=a&tagKeys=b", None),
    ("GET", f"/2017-03-31/tags/{ARN}", None),
    ("PUT", "/2024-08-31/functions/fuzzed/recursion-config", {"RecursiveLoop": "Allow"}),
    ("PUT", "/2021-07-20/functions/fuzzed/runtime-management-config", {"UpdateRuntimeOn": "Auto"}),
    ("PUT", "/2017-10-31/functions/fuzzed/concurrency", {"ReservedConcurrentExecutions": 1}),
    (
        "POST",
        "/2020-04-22/code-signing-configs",
        {
            "AllowedPublishers": {
                "SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/1"]
            },
            "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Warn"},
            "Tags": {"a": "b"},
        },
    ),
    ("GET", "/2020-04-22/code-signing-configs?MaxItems=1", None),
    (
        "POST",
        "/2015-03-31/event-source-mappings",
        {
            "FunctionName": "fuzzed",
            "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:fuzzed",
            "BatchSize": 10,
            "Enabled": False,
            "FilterCriteria": {"Filters": [{"Pattern": '{"body":{"a":[1]}}'}]},
            "ScalingConfig": {"MaximumConcurrency": 2},
            "MaximumBatchingWindowInSeconds": 1,
        },
    ),
    ("GET", "/2015-03-31/event-source-mappings?MaxItems=1", None),
    ("POST", f"{FUNCTION}/invocations", {"op": "count"}),
]
SCHEDULER = [
    (
        "POST",
        "/schedules/fuzzed",
        {
            "ScheduleExpression": "rate(1 day)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "DISABLED",
            "Target": {"Arn": "arn:aws:lambda:us-east-1:000000000000:function:fuzzed", "RoleArn": ROLE, "Input": "{}"},
        },
    ),
    ("GET", "/schedules?MaxResults=1", None),
]
QUEUE = "http://localhost/000000000000/fuzzed"
TARGETS = [
    ("AmazonSQS.CreateQueue", {"QueueName": "fuzzed", "Attributes": {"DelaySeconds": "1"}, "tags": {"a": "b"}}),
    (
        "AmazonSQS.SendMessage",
        {
            "QueueUrl": QUEUE,
            "MessageBody": "b",
            "DelaySeconds": 1,
            "MessageAttributes": {"a": {"DataType": "String", "StringValue": "s"}},
        },
    ),
    ("AmazonSQS.SendMessageBatch", {"QueueUrl": QUEUE, "Entries": [{"Id": "1", "MessageBody": "b"}]}),
    ("AmazonSQS.ReceiveMessage", {"QueueUrl": QUEUE, "MaxNumberOfMessages": 1, "WaitTimeSeconds": 0}),
    ("AmazonSQS.GetQueueAttributes", {"QueueUrl": QUEUE, "AttributeNames": ["All"]}),
    ("AmazonSQS.ListQueues", {"QueueNamePrefix": "f", "MaxResults": 2}),
    ("Logs_20140328.DescribeLogGroups", {"logGroupNamePrefix": "/aws", "limit": 2}),
    ("Logs_20140328.FilterLogEvents", {"logGroupName": "/aws/lambda/fuzzed", "filterPattern": "a", "limit": 1}),
]


def requests():
    """Method, path, headers and body of every request that is changed."""
    for method, path, body in LAMBDA + SCHEDULER:
        yield method, path, {"Content-Type": "application/json"}, body
    for target, body in TARGETS:
        yield "POST", "/", {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}, body


def mutated(random, value):
    """A value with one place in it changed."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        out = dict(value)
        key = random.choice(sorted(out))
        match random.randrange(4):
            case 0:
                del out[key]
            case 1:
                out[random.choice(["", "Extra", key + "x", key.lower()])] = out.pop(key)
            case _:
                out[key] = mutated(random, out[key])
        return out
    if isinstance(value, list) and value and random.random() < 0.7:
        return [mutated(random, item) for item in value] * random.choice([1, 1, 2, 30])
    if isinstance(value, str) and value and random.random() < 0.5:
        at = random.randrange(len(value))
        return value[:at] + random.choice(["", "\u0000", "'", "\\", ":", "é", value]) + value[at + 1 :]
    return random.choice(VALUES)


def bent(random, path):
    """A path with one place in it changed, still a path."""
    words = ["", "x" * 200, "%2F", "%00", "%ZZ", "..", "$LATEST", "-1", "99999999999999999999", "%F0%9F%A6%99"]
    at = random.randrange(1, len(path) + 1)
    return path[:at] + random.choice(words) + path[min(len(path), at + random.randrange(3)) :]


def change(random, method, path, headers, body):
    """A request with one to three changes."""
    text = None if body is None else json.dumps(body)
    for _ in range(random.randrange(1, 4)):
        match random.randrange(8):
            case 0:
                path = bent(random, path)
            case 1:
                method = random.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"])
            case 2 if text:
                at = random.randrange(len(text))
                text = text[:at] + random.choice(["", "}", '"', ",", "\ud7ff", "1e999"]) + text[at + 1 :]
            case 3:
                text = random.choice(["", "null", "[]", '"x"', "1", "{", "[" * 5000, text or "{}"])
            case 4:
                headers = {name: value for name, value in headers.items() if random.random() < 0.7}
            case _:
                if isinstance(body, dict):
                    body = mutated(random, body)
                    text = json.dumps(body)
                else:
                    path = bent(random, path)
    return method, path, headers, text


def check(seen, status, headers, body, method):
    """A well-formed answer: success, or an error with a code and a message."""
    assert 200 <= status < 500 or status == 503, (seen, status, body[:500])
    if status < 300 or method == "HEAD":
        return
    assert headers.get("x-amzn-errortype"), (seen, status, body[:500])
    document = json.loads(body)
    message = document.get("message", document.get("Message"))
    assert isinstance(message, str) and message, (seen, document)


@pytest.mark.timeout(600)
def test_no_request_brings_anything_but_an_answer(own_daemon, full):
    from harness.functions import create, zipped

    daemon = own_daemon().start()
    create(daemon.lam, "fuzzed", zipped("invoke_echo.event"), Publish=True)
    daemon.sqs.create_queue(QueueName="fuzzed")
    chosen, all_requests = random.Random(SEED), list(requests())
    url = urllib.parse.urlsplit(daemon.api)
    connection = None
    for number in range(FULL_ROUNDS if full else ROUNDS):
        method, path, headers, text = change(chosen, *chosen.choice(all_requests))
        if any(not 0x20 < ord(letter) < 0x7F for letter in path):
            continue
        seen = (SEED, number, method, path, headers, text and text[:500])
        connection = connection or http.client.HTTPConnection(url.hostname, url.port, timeout=20)
        data = None if text is None else text.encode(errors="replace")
        connection.request(method, path, body=data, headers=headers)
        try:
            answer = connection.getresponse()
            check(seen, answer.status, answer.headers, answer.read(), method)
        except (TimeoutError, http.client.HTTPException, ConnectionError) as error:
            raise AssertionError(f"no answer to {seen}: {error!r}\n{daemon.tail()}") from None
        if answer.will_close:
            connection.close()
            connection = None
    assert daemon.healthy()
