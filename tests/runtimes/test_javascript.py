"""JavaScript functions as Lambda has them, in the runtime that comes with Lamina."""

import json
import re

import pytest

from harness import packages, wait
from harness.clients import function_arn

# The first test waits until the runtime is built.
pytestmark = pytest.mark.timeout(700)


def test_events_context_and_variables(daemon, javascript):
    name = javascript(
        """
        let count = 0
        export const handler = async (event, context) => ({
            event, count: ++count, id: context.awsRequestId, name: context.functionName,
            arn: context.invokedFunctionArn,
            left: context.getRemainingTimeInMillis() > 0, env: process.env,
        })
        """,
        environment={"MINE": "1"},
    )
    answer = daemon.invoke(name, {"ü": [1, None]})
    first = answer.ok()
    assert first["event"] == {"ü": [1, None]} and (first["count"], first["name"]) == (1, name) and first["left"]
    assert first["arn"] == function_arn(name) and first["id"] == answer.headers["x-amzn-requestid"]
    assert first["env"]["MINE"] == "1" and first["env"]["_HANDLER"] == "index.handler"
    assert daemon.invoke(name, {}).ok()["count"] == 2


def test_invocations_leave_nothing_in_memory(daemon, javascript):
    """What is left would stay until a collection, which is many invocations later."""
    name = javascript(
        """
        export const handler = async (event, context) => ({ ...context, used: process.memoryUsage().heapUsed })
        """
    )
    used = [daemon.invoke(name, {}).ok()["used"] for _ in range(8)]
    # The first ones fill the engine's caches.
    assert len(set(used[3:])) == 1, used


@pytest.mark.parametrize(
    "files",
    [
        {"index.js": "exports.handler = async (event) => event"},
        {"index.cjs": "module.exports.handler = (event, context, callback) => callback(null, event)"},
        {"index.mjs": "import { echo } from './lib/echo.mjs'; export const handler = (event) => echo(event)"}
        | {"lib/echo.mjs": "export const echo = async (value) => value"},
        {"index.js": "export const handler = async (event) => event", "package.json": '{"type": "module"}'},
        {"index.mjs": "const one = await Promise.resolve(1); export const handler = async (event) => one && event"},
    ],
    ids=["commonjs", "callback", "imports", "package type", "await"],
)
def test_kinds_of_modules(daemon, javascript, files):
    assert daemon.invoke(javascript(files), "back").ok() == "back"


def test_console(daemon, javascript):
    name = javascript("export const handler = async () => { console.log('said', { a: 1 }); console.error('wrong') }")
    answer = daemon.invoke(name, {}, LogType="Tail")
    assert answer.payload == b"null"

    def lines():
        found = daemon.logs(name)
        return found if any("REPORT RequestId" in line for line in found) else None

    lines = wait.until("the log", lines)
    request_id = answer.headers["x-amzn-requestid"]
    assert "INIT_START Runtime Version: nodejs-compat:" in lines[0]
    assert any(re.search(rf"\S+Z\s+{request_id}\s+INFO\s+said \{{ a: 1 \}}", line) for line in lines), lines
    assert any("ERROR\twrong" in line for line in lines), lines


@pytest.mark.parametrize(
    "source, error_type",
    [
        ("import './nothing.mjs'; export const handler = () => {}", "Runtime.ImportModuleError"),
        ("export const other = () => {}", "Runtime.HandlerNotFound"),
        ("export const handler = (", "Runtime.UserCodeSyntaxError"),
        ("process.exit(2)", "Runtime.ExitError"),
    ],
)
def test_starts_that_fail(daemon, javascript, source, error_type):
    daemon.invoke(javascript(source), {}).failed(error_type)


def test_errors_of_the_function(daemon, javascript):
    name = javascript(
        """
        class Mine extends Error { constructor(m) { super(m); this.name = 'Mine' } }
        export const handler = async (event) => {
            if (event === 'exit') process.exit(1)
            if (event === 'ok') return 'ok'
            if (event === 'loop') for (;;) {}
            throw new Mine('no good')
        }
        """,
        Timeout=2,
    )
    document = daemon.invoke(name, "fail").failed("Mine")
    assert document["errorMessage"] == "no good" and any("index.mjs" in line for line in document["trace"])
    assert daemon.invoke(name, "ok").ok() == "ok"
    daemon.invoke(name, "exit").failed("Runtime.ExitError")
    daemon.invoke(name, "loop").failed("Sandbox.Timedout")
    assert daemon.invoke(name, "ok").ok() == "ok"


def test_layers_and_files(daemon, lam, javascript, name):
    layer = packages.archive({"nodejs/node_modules/of-layer/index.js": "module.exports = 42"})
    published = lam.publish_layer_version(LayerName=name, Content={"ZipFile": layer})
    function = javascript(
        {
            "index.js": """
                const fs = require('fs'), of = require('of-layer')
                exports.handler = async () => {
                    fs.writeFileSync('/tmp/a', 'kept')
                    return [of, fs.readFileSync('/tmp/a', 'utf8'), fs.readFileSync(__dirname + '/data.txt', 'utf8')]
                }
                """,
            "data.txt": "of the package",
        },
        Layers=[published["LayerVersionArn"]],
    )
    assert daemon.invoke(function, {}).ok() == [42, "kept", "of the package"]


def test_streamed_responses(lam, javascript):
    name = javascript(
        """
        export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
            stream.setContentType('text/plain')
            stream.write('one')
            stream.write('two')
            stream.end()
        })
        """
    )
    events = list(lam.invoke_with_response_stream(FunctionName=name, Payload=b"{}")["EventStream"])
    chunks = [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
    assert b"".join(chunks) == b"onetwo" and events[-1]["InvokeComplete"] == {}


def test_json_logs(daemon, javascript):
    name = javascript(
        "export const handler = async () => { console.warn('mind'); console.debug('not shown') }",
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"},
    )
    daemon.invoke(name, {}).ok()

    def own():
        events = daemon.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        records = [json.loads(event["message"]) for event in events]
        return [record for record in records if "type" not in record]

    records = wait.until("the log", lambda: daemon.logs(name) and own())
    assert [(record["level"], record["message"]) for record in records] == [("WARN", "mind")]
