"""Functions call Lamina's own APIs with the SDKs that they bring: boto3 and @aws-sdk/client-sqs, as published."""

import json
import time

import pytest

from harness import packages, runtimes, wait
from harness.clients import ACCOUNT, queue_arn
from harness.daemon import Daemon
from harness.functions import create
from harness.keys import client, lamina, make_key, policy_file

# The first test waits until the runtime is built, and may install the packages.
pytestmark = pytest.mark.timeout(900)

REACHES = {"LAMINA_OUTBOUND_HOSTS": "lamina"}

# A client of a module is made when the function is loaded: for an image, in another environment than those that use it.
# The others are made when they are used, since loading has its limit.
PYTHON = """\
import os
import urllib.request

import boto3
import botocore.config
import botocore.exceptions

CONFIG = botocore.config.Config(retries={"max_attempts": 0}, connect_timeout=5)
SQS = boto3.client("sqs", config=CONFIG)


def send(event):
    url = SQS.get_queue_url(QueueName=event["queue"])["QueueUrl"]
    return SQS.send_message(QueueUrl=url, MessageBody=event["body"])["MessageId"]


def invoke(event):
    client = boto3.client("lambda", config=CONFIG)
    return client.invoke(FunctionName=event["function"], Payload=b'{"do": "answer"}')["Payload"].read().decode()


def put(event):
    client = boto3.client("logs", config=CONFIG)
    names = {"logGroupName": event["group"], "logStreamName": "from boto3"}
    client.create_log_stream(**names)
    events = [{"timestamp": event["at"], "message": message} for message in event["messages"]]
    return client.put_log_events(logEvents=events, **names).get("rejectedLogEventsInfo")


def answer(event):
    return "answered"


def who(event):
    answer = boto3.client("sts", config=CONFIG).get_caller_identity()
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def unsigned(event):
    return urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions").status


def variables(event):
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def handler(event, context):
    try:
        return {"is": globals()[event["do"]](event)}
    except botocore.exceptions.ClientError as error:
        return {"refused": error.response["Error"]["Code"], "says": error.response["Error"]["Message"]}
    except (botocore.exceptions.BotoCoreError, OSError) as error:
        return {"failed": str(error)}
"""

JAVASCRIPT = """\
import { GetQueueUrlCommand, SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";

const sqs = new SQSClient({ maxAttempts: 1 });

export const handler = async (event) => {
  try {
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: event.queue }));
    return { is: (await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: event.body }))).MessageId };
  } catch (error) {
    return error.$metadata?.httpStatusCode ? { refused: error.name, says: error.message } : { failed: String(error) };
  }
};
"""


@pytest.fixture(scope="session")
def python_zip(python_packages):
    """The function in Python with boto3."""
    return packages.archive({"app.py": PYTHON} | python_packages("boto3"))


@pytest.fixture(scope="session")
def javascript_zip(node_packages):
    """The function in JavaScript with @aws-sdk/client-sqs."""
    return packages.archive({"index.mjs": JAVASCRIPT} | node_packages("@aws-sdk/client-sqs"))


class Open:
    """The shared daemon: signatures are not asked for."""

    def __init__(self, daemon):
        self.daemon, self.lam, self.sqs = daemon, daemon.lam, daemon.sqs


class Closed:
    """A daemon with an administrator's key, and its clients."""

    def __init__(self, daemon):
        self.daemon = daemon
        key = make_key(daemon, "admin", "--admin")
        self.lam, self.sqs = (client(daemon, service, key, read_timeout=120) for service in ("lambda", "sqs"))
        closed = "the port is closed"
        wait.until(closed, lambda: daemon.request("GET", "/2015-03-31/functions", listener="api").status == 403, 10)

    def allow(self, role, actions, resource):
        """Says what a role may do."""
        path = policy_file(self.daemon.directory, ("Allow", actions, resource))
        lamina(self.daemon, "role", "set", role, "--policy", path)


@pytest.fixture(scope="module")
def closed_daemon(tmp_path_factory, runtime_ready):
    """The process behind `closed`, with both runtimes built."""
    daemon = Daemon(tmp_path_factory.mktemp("closed")).start()
    for runtime in ("python3.13", "nodejs22.x"):
        runtime_ready(daemon, runtime)
    yield Closed(daemon)
    daemon.end()


@pytest.fixture
def deploy(name):
    """Makes functions: `deploy(place, zipped)`. The first has the test's name."""
    made = []

    def function(place, code, environment=REACHES, settings=runtimes.PYTHON, role="worker", **more):
        made.append((place, name if not made else f"{name}-{len(made)}"))
        role = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        # Loading boto3 is most of a function's start, and its time is the processor's.
        settings = settings | {"Role": role, "MemorySize": 512, "Timeout": 120} | more
        create(place.lam, made[-1][1], code, environment, **settings)
        return made[-1][1]

    yield function
    for place, function in made:
        place.lam.delete_function(FunctionName=function)


def ask(place, name, do, qualifier="$LATEST", /, **event):
    answer = place.lam.invoke(FunctionName=name, Qualifier=qualifier, Payload=json.dumps({"do": do} | event).encode())
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload


def received(place, queue):
    url = place.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    messages = place.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [(message["MessageId"], message["Body"]) for message in messages]


def assumed(role, function):
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{function}"


def test_boto3_puts_log_events(daemon, python_runtime, python_zip, deploy, name):
    place = Open(daemon)
    logs, group = daemon.client("logs"), f"put/{name}"
    logs.create_log_group(logGroupName=group)
    deploy(place, python_zip)
    messages = ["one", "two\nlines"]
    assert ask(place, name, "put", group=group, at=int(time.time() * 1000), messages=messages) == {"is": None}
    found = logs.get_log_events(logGroupName=group, logStreamName="from boto3", startFromHead=True)
    assert [event["message"] for event in found["events"]] == messages
    logs.delete_log_group(logGroupName=group)


def test_boto3_sends_invokes_and_asks_who_it_is(daemon, python_runtime, python_zip, deploy, name):
    place = Open(daemon)
    place.sqs.create_queue(QueueName=name)
    deploy(place, python_zip)
    sent = ask(place, name, "send", queue=name, body="from boto3")
    assert received(place, name) == [(sent["is"], "from boto3")]
    assert ask(place, name, "invoke", function=name) == {"is": '{"is": "answered"}'}
    # While signatures are not asked for, nobody looks at them.
    assert ask(place, name, "who")["is"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    variables = ask(place, name, "variables")["is"]
    assert variables["AWS_ENDPOINT_URL"] == daemon.api
    assert ask(place, name, "unsigned") == {"is": 200}
    assert variables["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert variables["AWS_SECRET_ACCESS_KEY"] and variables["AWS_SESSION_TOKEN"]


def test_a_published_version_goes_on_from_an_image_with_its_clients(daemon, python_runtime, python_zip, deploy, name):
    place = Open(daemon)
    place.sqs.create_queue(QueueName=name)
    deploy(place, python_zip, Publish=True, SnapStart={"ApplyOn": "PublishedVersions"})

    def state():
        now = place.lam.get_function_configuration(FunctionName=name, Qualifier="1")
        assert now["State"] != "Failed", now
        return now["State"] == "Active" and now["SnapStart"]["OptimizationStatus"] == "On"

    wait.until("the image", state, 120, every=0.2)
    sent = ask(place, name, "send", "1", queue=name, body="from an image")
    assert received(place, name) == [(sent["is"], "from an image")]
    variables = ask(place, name, "variables", "1")["is"]
    assert variables["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start"
    latest = ask(place, name, "variables")["is"]
    assert variables["AWS_SESSION_TOKEN"] != latest["AWS_SESSION_TOKEN"]


def test_without_the_entry_there_is_no_endpoint_no_key_and_no_way(daemon, python_runtime, deploy, name, python_zip):
    place = Open(daemon)
    given = {"AWS_ENDPOINT_URL": daemon.api}
    deploy(place, python_zip, environment={"LAMINA_OUTBOUND_HOSTS": "example.com"} | given)
    variables = ask(place, name, "variables")["is"]
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & variables.keys()
    assert ask(place, name, "who")["failed"] == "Unable to locate credentials"
    assert "denied" in ask(place, name, "unsigned")["failed"].lower()


def test_the_sdk_for_javascript_sends(daemon, javascript_runtime, javascript_zip, deploy, name):
    place = Open(daemon)
    place.sqs.create_queue(QueueName=name)
    deploy(place, javascript_zip, settings=runtimes.JAVASCRIPT, Publish=True)
    for qualifier in ("$LATEST", "1"):
        sent = ask(place, name, None, qualifier, queue=name, body=qualifier)
        assert received(place, name) == [(sent["is"], qualifier)], sent


def test_a_role_s_policy_says_what_boto3_may_do(closed_daemon, python_zip, deploy, name):
    place = closed_daemon
    place.sqs.create_queue(QueueName=name)
    role = f"r-{name}"
    deploy(place, python_zip, role=f"some/path/{role}", Publish=True)
    arn = assumed(role, name)
    who = ask(place, name, "who", "1")["is"]
    assert (who["Account"], who["Arn"]) == (ACCOUNT, arn)
    assert who["UserId"].startswith("AROA") and who["UserId"].endswith(f":{name}")

    def send(qualifier):
        return ask(place, name, "send", qualifier, queue=name, body=qualifier)

    denied = send("1")
    assert denied["refused"].startswith("AccessDenied"), denied
    assert f"User: {arn} is not authorized to perform: sqs:GetQueueUrl on resource: {queue_arn(name)}" in denied["says"]
    place.allow(role, ["sqs:GetQueueUrl", "sqs:SendMessage"], queue_arn(name))
    sent = wait.until("the policy is taken up", lambda: send("1").get("is"), 20)
    assert received(place, name) == [(sent, "1")]
    assert "is" in send("$LATEST")
    other = ask(place, name, "invoke", "1", function=name)
    assert other["refused"] == "AccessDeniedException" and arn in other["says"], other
    lamina(place.daemon, "role", "delete", role)
    wait.until("the policy is gone", lambda: "refused" in send("1"), 20)


def test_a_role_s_policy_says_what_the_sdk_for_javascript_may_do(closed_daemon, javascript_zip, deploy, name):
    place = closed_daemon
    place.sqs.create_queue(QueueName=name)
    deploy(place, javascript_zip, settings=runtimes.JAVASCRIPT, role=f"r-{name}")
    denied = ask(place, name, None, queue=name, body="x")
    assert denied["refused"].startswith("AccessDenied") and assumed(f"r-{name}", name) in denied["says"], denied
    place.allow(f"r-{name}", "sqs:*", queue_arn(name))
    wait.until("the policy is taken up", lambda: "is" in ask(place, name, None, queue=name, body="y"), 20)
    assert [body for _, body in received(place, name)] == ["y"]
