"""The examples that every tutorial about Lambda has, as it has them: deployed, invoked, their log read."""

import ast
import base64
import io
import json
import re
import zipfile

import pytest

from harness import wait
from harness.clients import function_arn

# The first test waits until the runtime is built, and may install the packages.
pytestmark = pytest.mark.timeout(1200)


def printed(daemon, name, answer):
    """The log events of an invocation, between its START and its END, without the line break at their ends."""
    request_id, logs = answer.headers["x-amzn-requestid"], daemon.client("logs")

    def events():
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        messages = [event["message"].rstrip("\n") for event in found]
        if f"END RequestId: {request_id}" not in messages:
            return None
        start = [message.startswith(f"START RequestId: {request_id} ") for message in messages].index(True)
        end = messages.index(f"END RequestId: {request_id}")
        return found[start]["logStreamName"], messages[start + 1 : end]

    return wait.until("the log", events)


def logged(message):
    """The level and the text of an event that the console of JavaScript wrote."""
    found = re.fullmatch(r"\S+Z\t(\S+)\t(\S+)\t(.*)", message, re.DOTALL)
    assert found, message
    return found[1], found[2], found[3]


def zipped():
    """What the tutorials unpack."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("read.me", "read me\n" * 100)
        archive.writestr("data/numbers.csv", "a,b\n1,2\n")
    return base64.b64encode(out.getvalue()).decode()


# Python


def test_python_prints_the_context(daemon, python):
    source = """
        import time

        def lambda_handler(event, context):
            print("Lambda function ARN:", context.invoked_function_arn)
            print("CloudWatch log stream name:", context.log_stream_name)
            print("CloudWatch log group name:",  context.log_group_name)
            print("Lambda Request ID:", context.aws_request_id)
            print("Lambda function memory limits in MB:", context.memory_limit_in_mb)
            print("Function name:", context.function_name)
            print("Function version:", context.function_version)
            print("Identity:", context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id)
            client = context.client_context
            print("Client context:", client and (client.client.app_title, client.custom, client.env))
            time.sleep(1)
            print("Lambda time remaining in MS:", context.get_remaining_time_in_millis())
        """
    name = python({"lambda_function.py": source}, Handler="lambda_function.lambda_handler")
    client = {"client": {"app_title": "app"}, "custom": {"a": "1"}, "env": {"locale": "de"}}
    for given, shown in ((None, "None"), (client, "('app', {'a': '1'}, {'locale': 'de'})")):
        more = {"ClientContext": base64.b64encode(json.dumps(given).encode()).decode()} if given else {}
        answer = daemon.invoke(name, {}, **more)
        assert answer.payload == b"null"
        stream, lines = printed(daemon, name, answer)
        assert lines[:-1] == [
            f"Lambda function ARN: {function_arn(name)}",
            f"CloudWatch log stream name: {stream}",
            f"CloudWatch log group name: /aws/lambda/{name}",
            f"Lambda Request ID: {answer.headers['x-amzn-requestid']}",
            "Lambda function memory limits in MB: 256",
            f"Function name: {name}",
            "Function version: $LATEST",
            "Identity: None None",
            f"Client context: {shown}",
        ]
        left = re.fullmatch(r"Lambda time remaining in MS: (\d+)", lines[-1])
        assert 15_000 < int(left[1]) <= 29_000


def test_python_logs_variables_and_the_event(daemon, python):
    source = """
        import os
        import logging
        logger = logging.getLogger()
        logger.setLevel(logging.INFO)

        def lambda_handler(event, context):
            logger.info('## ENVIRONMENT VARIABLES')
            logger.info(os.environ['AWS_LAMBDA_LOG_GROUP_NAME'])
            logger.info('## EVENT')
            logger.info(event)
            print(os.environ)
            logger.debug('not shown')
            return os.environ['STAGE']
        """
    settings = {"environment": {"STAGE": "test"}, "Handler": "lambda_function.lambda_handler"}
    name = python({"lambda_function.py": source}, **settings)
    event = {"key1": "value1", "ü": [1, None, True]}
    answer = daemon.invoke(name, event)
    assert answer.ok() == "test"
    _, lines = printed(daemon, name, answer)
    records = [re.fullmatch(r"\[INFO\]\t\S+Z\t(\S+)\t(.*)", line) for line in lines[:4]]
    assert {record[1] for record in records} == {answer.headers["x-amzn-requestid"]}
    assert [record[2] for record in records] == [
        "## ENVIRONMENT VARIABLES",
        f"/aws/lambda/{name}",
        "## EVENT",
        str(event),
    ]
    (variables,) = lines[4:]
    shown = ast.literal_eval(variables.removeprefix("environ(").removesuffix(")"))
    assert shown["STAGE"] == "test" and shown["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert shown["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.12" and shown["LAMBDA_TASK_ROOT"] == "/var/task"


def test_python_unpacks_under_tmp(daemon, python):
    source = """
        import base64, os, zipfile

        def lambda_handler(event, context):
            with open('/tmp/archive.zip', 'wb') as file:
                file.write(base64.b64decode(event['zip']))
            with zipfile.ZipFile('/tmp/archive.zip', 'r') as archive:
                print(archive.testzip(), archive.namelist())
                archive.extractall('/tmp/unpacked')
            found = {}
            for directory, _, names in os.walk('/tmp/unpacked'):
                for name in names:
                    path = os.path.join(directory, name)
                    found[os.path.relpath(path, '/tmp/unpacked')] = os.path.getsize(path)
                    print('file', name)
            with open('/tmp/unpacked/data/numbers.csv') as file:
                return {'found': found, 'first': file.readline(), 'tmp': sorted(os.listdir('/tmp'))}
        """
    name = python({"lambda_function.py": source}, Handler="lambda_function.lambda_handler")
    answer = daemon.invoke(name, {"zip": zipped()})
    assert answer.ok() == {
        "found": {"read.me": 800, "data/numbers.csv": 8},
        "first": "a,b\n",
        "tmp": ["archive.zip", "unpacked"],
    }
    _, lines = printed(daemon, name, answer)
    assert lines[0] == "None ['read.me', 'data/numbers.csv']"
    assert sorted(lines[1:]) == ["file numbers.csv", "file read.me"]


# JavaScript


def test_javascript_prints_the_context(daemon, javascript):
    source = """
        const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
        export const handler = async function (event, context) {
            console.log('Function ARN:', context.invokedFunctionArn);
            console.log('Log stream:', context.logStreamName);
            console.log('Log group:', context.logGroupName);
            console.log('Request ID:', context.awsRequestId);
            console.log('Memory:', context.memoryLimitInMB);
            console.log('Function name:', context.functionName);
            console.log('Function version:', context.functionVersion);
            console.log('Identity:', context.identity);
            console.log('Client context:', context.clientContext);
            console.log('Waits:', context.callbackWaitsForEmptyEventLoop);
            await wait(1000);
            console.log('Remaining time:', context.getRemainingTimeInMillis());
            return context.logStreamName;
        };
        """
    name = javascript(source)
    client = {"client": {"app_title": "app"}, "custom": {"a": "1"}}
    for given, shown in ((None, "undefined"), (client, "{ client: { app_title: 'app' }, custom: { a: '1' } }")):
        more = {"ClientContext": base64.b64encode(json.dumps(given).encode()).decode()} if given else {}
        answer = daemon.invoke(name, {}, **more)
        stream, lines = printed(daemon, name, answer)
        assert answer.ok() == stream
        records = [logged(line) for line in lines]
        assert {record[:2] for record in records} == {(answer.headers["x-amzn-requestid"], "INFO")}
        lines = [record[2] for record in records]
        assert lines[:-1] == [
            f"Function ARN: {function_arn(name)}",
            f"Log stream: {stream}",
            f"Log group: /aws/lambda/{name}",
            f"Request ID: {answer.headers['x-amzn-requestid']}",
            "Memory: 256",
            f"Function name: {name}",
            "Function version: $LATEST",
            "Identity: undefined",
            f"Client context: {shown}",
            "Waits: true",
        ]
        left = re.fullmatch(r"Remaining time: (\d+)", lines[-1])
        assert 15_000 < int(left[1]) <= 29_000


def test_javascript_logs_variables_and_the_event(daemon, javascript):
    source = """
        exports.handler = async function (event, context) {
            console.log('ENVIRONMENT VARIABLES\\n' + JSON.stringify(process.env, null, 2));
            console.info('EVENT\\n' + JSON.stringify(event, null, 2));
            console.warn('Event not processed.');
            console.log(event);
            return context.logStreamName;
        };
        """
    name = javascript({"index.js": source}, environment={"STAGE": "test"})
    event = {"key1": "value1", "list": [1, None, {"a": True}]}
    answer = daemon.invoke(name, event)
    stream, lines = printed(daemon, name, answer)
    assert answer.ok() == stream
    records = [logged(line) for line in lines]
    assert {record[0] for record in records} == {answer.headers["x-amzn-requestid"]}
    assert [record[1] for record in records] == ["INFO", "INFO", "WARN", "INFO"]
    texts = [record[2] for record in records]
    assert texts[0].startswith("ENVIRONMENT VARIABLES\n{\n  ")
    shown = json.loads(texts[0].partition("\n")[2])
    assert shown["STAGE"] == "test" and shown["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert shown["AWS_EXECUTION_ENV"] == "AWS_Lambda_nodejs22.x" and shown["LAMBDA_TASK_ROOT"] == "/var/task"
    assert texts[1] == "EVENT\n" + json.dumps(event, indent=2)
    assert texts[2:] == ["Event not processed.", "{ key1: 'value1', list: [ 1, null, { a: true } ] }"]


def test_javascript_unpacks_under_tmp(daemon, javascript, node_packages):
    source = """
        const fs = require('fs');
        const path = require('path');
        const AdmZip = require('adm-zip');

        exports.handler = async (event) => {
            fs.writeFileSync('/tmp/archive.zip', Buffer.from(event.zip, 'base64'));
            const zip = new AdmZip('/tmp/archive.zip');
            zip.getEntries().forEach((entry) => console.log(entry.entryName, entry.header.size));
            zip.extractAllTo('/tmp/unpacked', /*overwrite*/ true);
            const found = {};
            for (const name of fs.readdirSync('/tmp/unpacked', { recursive: true })) {
                const stats = fs.statSync(path.join('/tmp/unpacked', name));
                if (stats.isFile()) found[name] = stats.size;
            }
            const text = fs.readFileSync('/tmp/unpacked/data/numbers.csv', 'utf8');
            return { found, text, tmp: fs.readdirSync('/tmp') };
        };
        """
    name = javascript({"index.js": source} | node_packages("adm-zip"))
    answer = daemon.invoke(name, {"zip": zipped()})
    told = answer.ok()
    assert sorted(told.pop("tmp")) == ["archive.zip", "unpacked"]
    assert told == {"found": {"read.me": 800, "data/numbers.csv": 8}, "text": "a,b\n1,2\n"}
    _, lines = printed(daemon, name, answer)
    assert [logged(line)[2] for line in lines] == ["read.me 800", "data/numbers.csv 8"]


def test_javascript_unpacks_gzip_by_a_pipeline(daemon, javascript):
    source = """
        import { createReadStream, createWriteStream } from 'node:fs';
        import { readFile, stat, writeFile } from 'node:fs/promises';
        import { pipeline } from 'node:stream/promises';
        import { createGunzip, gzipSync } from 'node:zlib';

        export const handler = async (event) => {
            await writeFile('/tmp/text.gz', gzipSync(event.text.repeat(1000)));
            await pipeline(createReadStream('/tmp/text.gz'), createGunzip(), createWriteStream('/tmp/text'));
            const text = await readFile('/tmp/text', 'utf8');
            return [text === event.text.repeat(1000), (await stat('/tmp/text')).size];
        };
        """
    assert daemon.invoke(javascript(source), {"text": "again "}).ok() == [True, 6000]
