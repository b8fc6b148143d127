"""Lambda's semantics: handlers, errors, logs, streaming, snapshots."""

import json
import re

import pytest
from harness import Environment


def test_an_asynchronous_handler_answers(function):
    function.file("index.mjs", "export const handler = async (event) => ({ got: event.n + 1 });")
    assert function({"n": 1}) == (0, {"got": 2})


def test_a_callback_answers(function):
    function.file(
        "index.js", "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, 'late'), 5); };"
    )
    assert function() == (0, "late")


def test_a_callback_waits_for_the_loop_unless_told(function):
    source = """exports.handler = (event, context, callback) => {
      context.callbackWaitsForEmptyEventLoop = event.wait;
      setTimeout(() => console.log('timer'), 20); callback(null, 1); };"""
    function.file("index.js", source)
    assert function({"wait": True}) == (0, 1)
    assert [line.split("\t")[3] for line in function.logs] == ["timer"]
    function.logs.clear()
    assert function({"wait": False}) == (0, 1)
    assert function.logs == []


@pytest.mark.parametrize(
    ("call", "answer"),
    [("context.done(null, 3)", 3), ("context.succeed(3)", 3), ("context.fail(new RangeError('no'))", "RangeError")],
)
def test_older_ways_to_answer(function, call, answer):
    function.file("index.js", f"exports.handler = (event, context) => {{ {call}; }};")
    tag, body = function()
    assert (tag, body) == (0, answer) if isinstance(answer, int) else body["errorType"] == answer


def test_a_handler_that_never_answers_answers_null(function):
    function.file("index.js", "exports.handler = async () => new Promise(() => {});")
    assert function() == (0, None)


def test_context(function):
    function.file("index.mjs", "export const handler = async (e, c) => ({ ...c, left: c.getRemainingTimeInMillis() });")
    tag, context = function(
        None, clientContext={"custom": {"a": 1}}, identity={"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"}
    )
    assert tag == 0
    assert 0 < context.pop("left") <= 3000
    assert context == {
        "callbackWaitsForEmptyEventLoop": True,
        "functionVersion": "$LATEST",
        "functionName": "tested",
        "memoryLimitInMB": "128",
        "logGroupName": "/aws/lambda/tested",
        "logStreamName": "2026/01/01/[$LATEST]0123",
        "clientContext": {"custom": {"a": 1}},
        "identity": {"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"},
        "invokedFunctionArn": "arn:aws:lambda:eu-north-1:000000000000:function:tested",
        "awsRequestId": "request-1",
    }


def test_errors_have_the_users_frames_only(function):
    function.file(
        "index.mjs",
        "class Odd extends Error { name = 'Odd'; }\nexport const handler = async () => { throw new Odd('so odd'); };",
    )
    tag, error = function()
    assert tag == 1
    assert (error["errorType"], error["errorMessage"]) == ("Odd", "so odd")
    assert error["trace"][0] == "Error: so odd"
    assert error["trace"][-1].startswith("    at handler (file:///var/task/index.mjs:2:")
    assert not any("node:" in line for line in error["trace"])
    assert re.fullmatch(r"\S+Z\trequest-1\tERROR\tInvoke Error \t\{.*\}", function.logs[-1])
    assert json.loads(function.logs[-1].split("\t")[-1])["errorType"] == "Odd"


@pytest.mark.parametrize(("thrown", "kind", "message"), [("'text'", "string", "text"), ("42", "number", "42")])
def test_what_is_no_error_can_be_thrown(function, thrown, kind, message):
    function.file("index.mjs", f"export const handler = async () => {{ throw {thrown}; }};")
    assert function() == (1, {"errorType": kind, "errorMessage": message, "trace": []})


@pytest.mark.parametrize(
    ("files", "handler", "kind", "message"),
    [
        (
            {"index.js": "require('absent')"},
            "index.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'absent'\nRequire stack:\n- /var/task/index.js\n- /var/runtime/index.mjs",
        ),
        (
            {"index.mjs": "import 'absent'"},
            "index.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find package 'absent' imported from /var/task/index.mjs",
        ),
        (
            {},
            "index.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'index'\nRequire stack:\n- /var/runtime/index.mjs",
        ),
        (
            {"index.js": "exports.other = 1"},
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is undefined or not exported",
        ),
        (
            {"index.js": "exports.handler = 1"},
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is not a function",
        ),
        ({"index.js": "}"}, "index.handler", "Runtime.UserCodeSyntaxError", None),
        ({"index.mjs": "let a = ;"}, "index.handler", "Runtime.UserCodeSyntaxError", None),
        ({}, "index", "Runtime.MalformedHandlerName", "Bad handler"),
        ({"index.js": "throw new TypeError('at init')"}, "index.handler", "TypeError", "at init"),
        ({"index.mjs": "await Promise.reject(new TypeError('at init'))"}, "index.handler", "TypeError", "at init"),
    ],
)
def test_failures_to_load(function, files, handler, kind, message):
    for name, text in files.items():
        function.file(name, text)
    tag, error = function.load(handler)
    assert (tag, error["errorType"]) == (1, kind)
    assert message is None or error["errorMessage"] == message
    assert "\tundefined\tERROR\tUncaught Exception \t{" in function.logs[-1]


@pytest.mark.parametrize(
    "handler", ["src/app.handler", "index.a.b", "esm.handler", "common.handler", "plain.handler", "defaulted.handler"]
)
def test_handler_strings(function, handler):
    function.file("src/app.js", "exports.handler = () => {}; exports.handler = async () => 'src/app.handler'")
    function.file("index.js", "exports.a = { b: async () => 'index.a.b' }")
    function.file("esm.mjs", "export const handler = async () => 'esm.handler'")
    function.file("common.cjs", "exports.handler = async () => 'common.handler'")
    function.file("plain", "exports.handler = async () => 'plain.handler'")
    function.file("defaulted.mjs", "export default { handler: async () => 'defaulted.handler' }")
    assert function.load(handler) == (0, None)
    assert function() == (0, handler)


def test_a_package_of_type_module(function):
    function.file("package.json", {"type": "module"})
    function.file("index.js", "import { x } from './other.js'; export const handler = async () => x;")
    function.file("other.js", "const value = await Promise.resolve(7); export { value as x };")
    assert function() == (0, 7)


def test_module_syntax_without_a_type_is_found(function):
    function.file("index.js", "import os from 'os'; export const handler = async () => os.tmpdir();")
    assert function() == (0, "/tmp")


def test_results_that_json_cannot_say(function):
    function.file(
        "index.mjs", "export const handler = async (e) => { if (e) { const a = {}; a.a = a; return a; } return 1n; };"
    )
    assert function(1)[1]["errorType"] == "Runtime.MarshalError"
    assert function(0)[1]["errorType"] == "Runtime.MarshalError"


def test_an_unhandled_rejection_breaks_the_environment(function):
    source = "export const handler = async () => { Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 5)); };"
    function.file("index.mjs", source)
    tag, error = function()
    assert (tag, error["errorType"], error["errorMessage"]) == (2, "Runtime.UnhandledPromiseRejection", "Error: lost")
    assert error["reason"]["errorMessage"] == "lost"


def test_an_uncaught_exception_breaks_the_environment(function):
    source = """export const handler = async () => {
      setTimeout(() => { throw new Error('late'); }, 1); await new Promise(() => {}); };"""
    function.file("index.mjs", source)
    tag, error = function()
    assert (tag, error["errorType"], error["errorMessage"]) == (2, "Error", "late")


def test_listeners_take_failures(function):
    source = """process.on('uncaughtException', (e) => console.log('caught', e.message));
    process.on('unhandledRejection', (e) => console.log('rejected', e.message));
    export const handler = async () => { setTimeout(() => { throw new Error('a'); }, 1); Promise.reject(new Error('b'));
      await new Promise((r) => setTimeout(r, 10)); return 'on'; };"""
    function.file("index.mjs", source)
    assert function() == (0, "on")
    assert [line.split("\t")[3] for line in function.logs] == ["rejected b", "caught a"]


def test_exit_ends_the_environment(function):
    function.file(
        "index.mjs",
        "process.on('exit', (code) => console.log('bye', code)); export const handler = async () => process.exit(3);",
    )
    function.load()
    with pytest.raises(BaseException, match="exit"):
        function.environment.invoke()
    assert function.logs[-1].endswith("bye 3")


def test_endless_recursion_is_a_range_error(function):
    function.file(
        "index.mjs",
        "const f = (n) => f(n + 1) + 1; export const handler = async (e) => e ? f(0) : JSON.parse('['.repeat(1e5));",
    )
    assert function(1)[1]["errorType"] == "RangeError"
    assert function(0)[1]["errorType"] in ("RangeError", "SyntaxError")
    assert function(1)[1]["errorType"] == "RangeError"


@pytest.mark.parametrize(
    "deep",
    [
        "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a)",
        "const o = { toString() { return `${o}`; } }; `${o}`",
        "const f = () => [1].map(f); f()",
        "const p = new Proxy({}, { get: (t, n, r) => r[n] }); p.x",
        "eval('('.repeat(1e5))",
        "new RegExp('('.repeat(1e5))",
        "class A { get x() { return this.x; } } new A().x",
        "const f = () => f.apply(null, [1]); f()",
        "const f = () => Reflect.construct(f2, []); function f2() { f(); } f()",
        "[1, 2, 3].sort(function c() { return [1, 2].sort(c); })",
        "function* g() { yield* g(); } [...g()]",
        "const f = async () => { await f(); }; await f()",
        "'x'.replace(/x/, function r() { return 'x'.replace(/x/, r); })",
        "JSON.parse('[1]', function r(k, v) { return JSON.parse('[1]', r); })",
    ],
)
def test_no_recursion_reaches_the_hosts_stack(function, deep):
    function.file("index.mjs", f"export const handler = async () => {{ {deep} }};")
    tag, error = function()
    assert (tag, error and error["errorType"] in ("RangeError", "SyntaxError", "InternalError")) in (
        (1, True),
        (0, None),
    ), error


def test_text_logs(function):
    source = """export const handler = async () => { console.log('a\\nb', 1, { c: [1, { d: { e: {} } }] });
      console.error(new Error('bad'));
      console.debug('%s is %d', 'x', 5); console.warn('w'); console.trace('t'); process.stdout.write('raw\\n'); };"""
    function.file("index.mjs", source)
    assert function()[0] == 0
    parts = [line.split("\t", 3) for line in function.logs]
    assert [part[2] for part in parts] == ["INFO", "ERROR", "DEBUG", "WARN", "TRACE"]
    assert all(
        part[1] == "request-1" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", part[0]) for part in parts
    )
    assert parts[0][3] == "a\nb 1 { c: [ 1, { d: [Object] } ] }"
    assert parts[1][3].startswith("Error: bad\n    at handler (file:///var/task/index.mjs:")
    assert parts[2][3] == "x is 5"
    assert parts[4][3].startswith("Trace: t\n    at handler (file:///var/task/index.mjs")


def test_json_logs(function):
    source = """export const handler = async () => { console.log('text'); console.info({ a: 1 });
      console.debug('unseen');
      console.error('with', new RangeError('r')); console.error(new RangeError('alone')); };"""
    function.file("index.mjs", source)
    function.load(logFormat="JSON", logLevel="INFO")
    function()
    records = [json.loads(line) for line in function.logs]
    assert [(record["level"], record["requestId"]) for record in records] == [("INFO", "request-1")] * 2 + [
        ("ERROR", "request-1")
    ] * 2
    assert records[0]["message"] == "text"
    assert records[1]["message"] == {"a": 1}
    assert (records[2]["errorType"], records[2]["errorMessage"]) == ("RangeError", "r")
    assert records[3]["message"]["errorType"] == "RangeError"
    assert records[3]["message"]["stackTrace"][0] == "RangeError: alone"


def test_streaming(function):
    source = """export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
      stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: 'b' } });
      stream.write('one '); await new Promise((r) => setTimeout(r, 5)); stream.write(new Uint8Array([50]));
      stream.end(); });"""
    function.file("index.mjs", source)
    assert function() == (3, None)
    assert function.environment.content_type == "application/vnd.awslambda.http-integration-response"
    prelude, body = b"".join(function.environment.streamed).split(b"\0" * 8)
    assert json.loads(prelude) == {"statusCode": 201, "headers": {"a": "b"}}
    assert body == b"one 2"


def test_streaming_through_a_pipeline(function):
    source = """import { pipeline } from 'node:stream/promises'; import { Readable } from 'node:stream';
    export const handler = awslambda.streamifyResponse(async (event, stream) => {
      stream.setContentType('text/plain'); await pipeline(Readable.from(['a', 'b', 'c']), stream); });"""
    function.file("index.mjs", source)
    assert function() == (3, None)
    assert (function.environment.content_type, b"".join(function.environment.streamed)) == ("text/plain", b"abc")


def test_streaming_that_fails(function):
    source = """export const handler = awslambda.streamifyResponse(async (event, stream) => {
      if (event) { stream.write('begun'); await new Promise((r) => setTimeout(r, 2)); } throw new Error('broke'); });"""
    function.file("index.mjs", source)
    assert function(1)[0] == 3
    assert function(1)[1]["errorMessage"] == "broke"
    assert function(0)[0] == 1


def test_a_reader_that_goes_away(function):
    source = """export const handler = awslambda.streamifyResponse(async (event, stream) => {
      for (let i = 0; i < 100; i++) { stream.write('x'); await new Promise((r) => setImmediate(r)); } stream.end();
      });"""
    function.file("index.mjs", source)
    function.load()
    function.environment.reader_gone_after = 3
    tag, error = function()
    assert tag == 3
    assert "EPIPE" in error["errorMessage"]


def test_layers(function, tmp_path):
    layer = {
        "node_modules/layered/index.js": "module.exports = 'layer'",
        "node20/node_modules/newer/index.js": "exports.x = 20",
    }
    for path, text in layer.items():
        file = tmp_path / "opt" / "nodejs" / path
        file.parent.mkdir(parents=True)
        file.write_text(text)
    function.file(
        "index.js",
        "exports.handler = async () => [require('layered'), require('newer').x, (await import('layered')).default]",
    )
    assert function.load(opt=tmp_path / "opt") == (0, None)
    assert function() == (0, ["layer", 20, "layer"])


def test_snapshot_hooks_and_restore(function):
    source = """import { registerBeforeSnapshot, registerAfterRestore } from 'lamina:snapshot';
    registerBeforeSnapshot(async () => console.log('before'));
      awslambda.registerAfterRestore(() => console.log('after ' + process.env.X));
    export const handler = async () => [Math.random(), performance.now()];"""
    function.file("index.mjs", source)
    function.load()
    environment = function.environment
    assert environment.call("rt_snapshot") == (0, b"")
    _, [first, then] = environment.invoke()
    assert environment.restore({"X": "1"}) == (0, b"")
    _, [second, now] = environment.invoke()
    assert first != second
    assert now > then > 0
    assert [line.split("\t")[3] for line in environment.logs] == ["before", "after 1"]


def test_random_numbers_differ_between_environments(function):
    function.file("index.mjs", "export const handler = async () => Math.random();")
    values = set()
    for _ in range(3):
        environment = Environment(function.directory)
        environment.load("index.handler")
        values.add(environment.invoke()[1])
    assert len(values) == 3


def test_the_stack_pointer_comes_back(function):
    function.file("index.mjs", "export const handler = async (e) => { if (e) throw new Error('x'); return 1; };")
    function.load()
    environment = function.environment
    pointer = environment.exports["__stack_pointer"]
    before = pointer.value(environment.store)
    for event in (0, 1):
        environment.invoke(event)
        assert pointer.value(environment.store) == before


def test_running_out_of_memory_is_an_error(function):
    source = """export const handler = async (e) => {
      if (!e) return 'fine'; const a = []; for (;;) a.push(new Uint8Array(1 << 20)); };"""
    function.file("index.mjs", source)
    function.load()
    function.environment.store.set_limits(memory_size=96 << 20)
    tag, error = function(1)
    assert (tag, "memory" in error["errorMessage"]) == (1, True)
    assert function(0) == (0, "fine")
