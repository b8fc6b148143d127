"""Extensions in layers: told of invocations, log lines, platform records and the end; the function is as it was."""

import http.server
import itertools
import json
import queue
import re
import threading

import pytest

from harness import functions, packages, wait
from harness.clients import refused

INVALID = "InvalidParameterValueException"

# What every environment begins with, for one that subscribed to the platform's records.
BEGINNING = [
    "platform.initStart",
    "platform.telemetrySubscription",
    "platform.extension",
    "platform.initRuntimeDone",
    "platform.initReport",
]


class Receiver:
    """An HTTP server on loopback and what was posted to it."""

    def __init__(self):
        received = self.received = queue.SimpleQueue()
        self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.put(json.loads(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    @property
    def variables(self):
        authority = f"127.0.0.1:{self.server.server_address[1]}"
        return {
            "LAMINA_OUTBOUND_HOSTS": authority,
            "TELEMETRY_URL": f"http://{authority}/records",
            "TELEMETRY_TIMEOUT_MS": "25",
        }

    def shipments(self, enough):
        """All shipments so far, once `enough` says so."""

        def look():
            while not self.received.empty():
                self.seen.append(self.received.get())
            return enough(self.seen)

        wait.until("the shipments are there", look, 20)
        return self.seen

    def end(self):
        self.server.shutdown()
        self.thread.join(10)
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.end()


_numbers = itertools.count(1)


@pytest.fixture
def layer(lam, name):
    """Publishes a layer of `{file: guest or bytes}`; answers its ARN."""

    def publish(files, client=lam):
        content = {file: packages.built(what) if isinstance(what, str) else what for file, what in files.items()}
        published = client.publish_layer_version(
            LayerName=f"{name}-{next(_numbers)}", Content={"ZipFile": packages.archive(content)}
        )
        return published["LayerVersionArn"]

    return publish


@pytest.fixture
def shipper(layer):
    return layer({"extensions/telemetry-shipper.wasm": "telemetry-shipper"})


@pytest.fixture
def ops(make, layer):
    """Makes a function with extensions that do what `wishes` say."""

    def make_one(wishes, names=("ops",), package="invoke_ops", **more):
        arn = layer({f"extensions/{each}.wasm": "extension_ops" for each in names})
        environment = {"EXTENSION_OPS": wishes} | more.pop("environment", {})
        return make(package, environment=environment, Layers=[arn], **more)

    return make_one


def records(shipments):
    return [record for shipment in shipments for record in shipment["records"]]


def types(shipments):
    return [record["type"] for record in records(shipments)]


def invoke(lam, name, **event):
    answer = lam.invoke(FunctionName=name, Payload=json.dumps(event or {"op": "count"}))
    payload = json.load(answer["Payload"])
    return answer["ResponseMetadata"]["RequestId"], answer.get("FunctionError"), payload


def count(lam, name):
    """A successful invocation; which instance served it, and how often that one has served."""
    _, error, payload = invoke(lam, name, op="count")
    assert error is None, payload
    return payload["instance"], payload["calls"]


def retire(lam, name):
    """Ends the environments of a function, by a change of its configuration."""
    lam.update_function_configuration(FunctionName=name, Description="changed")


def test_records_are_counted_and_shipped(lam, make, shipper, receiver):
    name = make("invoke_ops", environment=receiver.variables, Layers=[shipper])
    first, _, _ = invoke(lam, name, op="log", text="hello")
    receiver.shipments(lambda seen: types(seen).count("platform.report") == 1)
    second, error, _ = invoke(lam, name, op="fail", type="T", message="m")
    assert error
    shipments = receiver.shipments(lambda seen: types(seen).count("platform.report") == 2)
    assert types(shipments) == [
        *BEGINNING,
        "platform.start",
        *["function"] * 3,
        "platform.runtimeDone",
        "platform.report",
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
    ]
    by_type = {}
    for record in records(shipments):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
        by_type.setdefault(record["type"], []).append(record["record"])
    assert by_type["function"] == ["init ran", "hello 0", "hello on stderr"]
    for kind in ("platform.start", "platform.runtimeDone", "platform.report"):
        assert [record["requestId"] for record in by_type[kind]] == [first, second], kind
    assert by_type["platform.start"][0]["version"] == "$LATEST"
    assert by_type["platform.start"][0]["tracing"]["type"] == "X-Amzn-Trace-Id"
    report = by_type["platform.report"][0]
    assert report["status"] == "success"
    assert {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"} == set(
        report["metrics"]
    )
    assert by_type["platform.extension"] == [
        {"name": "telemetry-shipper", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}
    ]
    subscribed = by_type["platform.telemetrySubscription"][0]
    assert subscribed == {
        "name": "telemetry-shipper",
        "state": "Subscribed",
        "types": ["platform", "function", "extension"],
    }
    assert by_type["platform.initStart"][0]["initializationType"] == "on-demand"
    assert by_type["platform.initReport"][0]["status"] == "success"

    retire(lam, name)
    last = receiver.shipments(lambda seen: "shutdownReason" in seen[-1])[-1]
    assert last["shutdownReason"] == "spindown"
    assert (last["functionName"], last["functionVersion"], last["invocations"]) == (name, "$LATEST", 2)
    assert last["counts"]["platform.report"] == 2 and last["counts"]["function"] == 3


def test_every_kind_of_function_is_told_of(lam, make, shipper, receiver):
    for package in ("http_ops", "command_ops", "invoke_echo.event"):
        name = make(package, environment=receiver.variables, Layers=[shipper])
        request_id = lam.invoke(FunctionName=name, Payload=json.dumps(HTTP))["ResponseMetadata"]["RequestId"]

        def told(seen, request_id=request_id):
            of_it = [
                one["type"]
                for one in records(seen)
                if isinstance(one["record"], dict) and one["record"].get("requestId") == request_id
            ]
            return of_it == ["platform.start", "platform.runtimeDone", "platform.report"]

        receiver.shipments(told)


HTTP = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/echo",
    "rawQueryString": "",
    "headers": {},
    "isBase64Encoded": False,
    "requestContext": {"http": {"method": "GET", "path": "/echo", "sourceIp": "127.0.0.1"}},
}


def test_reasons_of_the_end(lam, make, shipper, receiver):
    slow = make("invoke_ops", environment=receiver.variables, Layers=[shipper], Timeout=1)
    _, error, _ = invoke(lam, slow, op="sleep", ms=5_000)
    assert error
    assert receiver.shipments(lambda seen: seen and "shutdownReason" in seen[-1])[-1]["shutdownReason"] == "timeout"
    done = [one for one in records(receiver.seen) if one["type"] == "platform.runtimeDone"]
    assert done[0]["record"]["status"] == "timeout"
    broken = make("invoke_ops", environment=receiver.variables, Layers=[shipper])
    invoke(lam, broken, op="panic", message="x")

    def failed(seen):
        return any(one.get("shutdownReason") == "failure" and one["functionName"] == broken for one in seen)

    receiver.shipments(failed)


def test_a_function_that_fails_in_init_is_told_of(lam, make, shipper, receiver):
    name = make("invoke_ops", environment=receiver.variables | {"INIT": "trap"}, Layers=[shipper])
    assert invoke(lam, name)[1]
    shipments = receiver.shipments(lambda seen: seen and "shutdownReason" in seen[-1])
    assert types(shipments)[-2:] == ["platform.initRuntimeDone", "platform.initReport"]
    assert records(shipments)[-1]["record"]["status"] == "error"
    assert shipments[-1]["shutdownReason"] == "failure"


def test_provisioned_environments_have_extensions(lam, make, shipper, receiver):
    name = make("invoke_ops", environment=receiver.variables, Layers=[shipper])
    version = lam.publish_version(FunctionName=name)["Version"]
    lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier=version, ProvisionedConcurrentExecutions=1)
    shipments = receiver.shipments(lambda seen: "platform.initReport" in types(seen))
    assert records(shipments)[0]["record"]["initializationType"] == "provisioned-concurrency"
    assert shipments[0]["functionVersion"] == version
    lam.delete_provisioned_concurrency_config(FunctionName=name, Qualifier=version)
    assert receiver.shipments(lambda seen: "shutdownReason" in seen[-1])[-1]["shutdownReason"] == "spindown"


def test_versions_keep_their_extensions_and_layers_take_them_away(lam, make, shipper, receiver):
    name = make("invoke_ops", environment=receiver.variables, Layers=[shipper])
    version = lam.publish_version(FunctionName=name)["Version"]
    lam.update_function_configuration(FunctionName=name, Layers=[])
    invoke(lam, name)
    lam.delete_layer_version(LayerName=shipper.split(":")[-2], VersionNumber=1)
    request_id, error, _ = invoke(lam, f"{name}:{version}")
    assert error is None
    shipments = receiver.shipments(lambda seen: "platform.report" in types(seen))
    assert {shipment["functionVersion"] for shipment in shipments} == {version}
    assert {one["record"]["requestId"] for one in records(shipments) if one["type"] == "platform.start"} == {request_id}


def test_extensions_outlive_kill_without_their_layer(own_daemon, receiver, layer):
    daemon = own_daemon().start()
    arn = layer({"extensions/telemetry-shipper.wasm": "telemetry-shipper"}, daemon.lam)
    functions.create(daemon.lam, "f", packages.package("invoke_ops"), environment=receiver.variables, Layers=[arn])
    daemon.lam.delete_layer_version(LayerName=arn.split(":")[-2], VersionNumber=1)
    daemon.kill()
    daemon.start()
    assert invoke(daemon.lam, "f")[1] is None
    receiver.shipments(lambda seen: "platform.report" in types(seen))


def test_the_daemons_end_is_the_environments_end(own_daemon, receiver, layer):
    daemon = own_daemon().start()
    arn = layer({"extensions/telemetry-shipper.wasm": "telemetry-shipper"}, daemon.lam)
    variables = receiver.variables | {"TELEMETRY_TIMEOUT_MS": "30000"}
    functions.create(daemon.lam, "f", packages.package("invoke_ops"), environment=variables, Layers=[arn])
    invoke(daemon.lam, "f")
    daemon.stop()
    shipments = receiver.shipments(lambda seen: seen and "shutdownReason" in seen[-1])
    assert shipments[-1]["shutdownReason"] == "spindown"
    assert types(shipments)[-1] == "platform.report"


def test_a_fresh_sandbox_has_fresh_extensions(lam, make, shipper, receiver):
    name = make("invoke_ops", environment=receiver.variables | {"LAMINA_SANDBOX": "fresh"}, Layers=[shipper])
    for _ in range(2):
        invoke(lam, name)

    def ended(seen):
        return [one["invocations"] for one in seen if "shutdownReason" in one] == [1, 1]

    receiver.shipments(ended)


def test_extensions_print_to_the_functions_log(lam, daemon, ops):
    name = ops("init:print,invoke:print", names=("one", "two"))
    request_id, error, _ = invoke(lam, name)
    assert error is None
    wanted = {f"{each} {what}" for each in ("one", "two") for what in (f"init {name}", f"invoke {request_id}")}

    def printed():
        return wanted | {"EXTENSION\tName: one\tState: Ready\tEvents: [INVOKE,SHUTDOWN]"} <= set(messages(daemon, name))

    wait.until("all have printed", printed, 20)


def messages(daemon, name):
    group = f"/aws/lambda/{name}"
    try:
        events = daemon.client("logs").filter_log_events(logGroupName=group)["events"]
    except daemon.client("logs").exceptions.ResourceNotFoundException:
        return []
    return [event["message"].rstrip("\n") for event in events]


def test_an_extension_hears_others_and_not_itself(lam, daemon, ops):
    name = ops("subscribe:e-25,only-one:telemetry:print,only-two:invoke:print", names=("one", "two"))
    request_id, _, _ = invoke(lam, name)

    def heard():
        told = [line for line in messages(daemon, name) if line.startswith("one telemetry")]
        return told and f'extension="two invoke {request_id}"' in "\n".join(told)

    wait.until("one has heard two", heard, 20)
    assert 'extension="one' not in "\n".join(messages(daemon, name))


def test_an_environment_serves_on_when_its_extensions_are_done(lam, ops):
    name = ops("invoke:sleep-400")
    instance, calls = count(lam, name)
    assert calls == 1
    # Still busy: another environment serves.
    assert count(lam, name)[0] != instance

    def again():
        seen, calls = count(lam, name)
        return calls > 1 and seen

    wait.until("an environment has come back", again, 20)


@pytest.mark.parametrize(
    ("wishes", "error_type", "says"),
    [
        ("init:fail", "Extension.InitError", "ops did not start: Ops.Asked: init is to fail"),
        ("init:trap", "Extension.Crash", "unreachable"),
        ("init:exit", "Extension.Crash", "exit status 1"),
        ("init:grow", "Extension.Crash", "memory size of 128 MB exceeded"),
        ("subscribe:bad", "Extension.InitError", "max-items must be from 1000 to 10000, not 1"),
    ],
)
def test_an_extension_that_does_not_start_fails_the_init_phase(lam, daemon, ops, wishes, error_type, says):
    failures = daemon.metrics().sum("lamina_extension_failures_total", phase="init")
    name = ops(wishes)
    _, error, payload = invoke(lam, name)
    assert (error, payload["errorType"]) == ("Unhandled", error_type)
    assert says in payload["errorMessage"]
    assert daemon.metrics().sum("lamina_extension_failures_total", phase="init") == failures + 1


def test_an_endless_init_is_ended(own_daemon, layer):
    daemon = own_daemon("[sandbox]\ninit_timeout_s = 1\n").start()
    arn = layer({"extensions/ops.wasm": "extension_ops"}, daemon.lam)
    functions.create(
        daemon.lam, "f", packages.package("invoke_ops"), environment={"EXTENSION_OPS": "init:loop"}, Layers=[arn]
    )
    _, error, payload = invoke(daemon.lam, "f")
    assert (error, payload["errorType"]) == ("Unhandled", "Extension.Timeout")
    assert "had not registered after 1.00 seconds" in payload["errorMessage"]


@pytest.mark.parametrize(
    ("act", "error_type"),
    [
        ("trap", "Extension.Crash"),
        ("exit", "Extension.Crash"),
        ("fail", "Extension.ExitError"),
        ("loop", "Extension.Timeout"),
        ("grow", "Extension.Crash"),
    ],
)
def test_a_failure_beside_an_invocation_costs_the_environment_only(lam, daemon, ops, act, error_type):
    failures = daemon.metrics().sum("lamina_extension_failures_total", phase="invoke")
    name = ops(f"invoke:{act}", Timeout=1)
    first, _ = count(lam, name)
    wait.until(
        "the failure is counted",
        lambda: daemon.metrics().sum("lamina_extension_failures_total", phase="invoke") > failures,
        20,
    )
    assert count(lam, name)[0] != first
    line = f"EXTENSION\tName: ops\tState: ExitError\tEvents: [INVOKE,SHUTDOWN]\tError Type: {error_type}"
    wait.until("the log tells", lambda: line in messages(daemon, name), 20)


def test_a_failure_between_invocations_costs_the_environment(lam, daemon, ops):
    failures = daemon.metrics().sum("lamina_extension_failures_total", phase="telemetry")
    name = ops("subscribe:p-25,telemetry:trap")
    first, _ = count(lam, name)
    wait.until(
        "the failure is counted",
        lambda: daemon.metrics().sum("lamina_extension_failures_total", phase="telemetry") > failures,
        20,
    )
    second, calls = count(lam, name)
    assert second != first and calls == 1


def test_records_that_are_not_taken_are_counted_and_told_of(lam, daemon, make, shipper, receiver):
    dropped = daemon.metrics().sum("lamina_telemetry_records_dropped_total")
    name = make("invoke_ops", environment=receiver.variables, Layers=[shipper])
    receiver.end()
    first, _ = count(lam, name)

    def lost():
        return daemon.metrics().sum("lamina_telemetry_records_dropped_total") > dropped

    wait.until("records are lost", lost, 20)
    # It answered an error, so it lives on.
    assert count(lam, name)[0] == first


def test_an_extension_that_is_too_slow_loses_records_and_not_the_daemon(lam, daemon, ops):
    dropped = daemon.metrics().sum("lamina_telemetry_records_dropped_total")
    name = ops("subscribe:f-25,telemetry:sleep-1500")
    for _ in range(4):
        _, error, _ = invoke(lam, name, op="log", text="x" * 600, lines=1_200)
        assert error is None
    wait.until("records are lost", lambda: daemon.metrics().sum("lamina_telemetry_records_dropped_total") > dropped, 20)
    assert daemon.healthy()


def test_an_endless_end_is_ended(lam, daemon, ops):
    failures = daemon.metrics().sum("lamina_extension_failures_total", phase="shutdown")
    name = ops("shutdown:loop")
    count(lam, name)
    retire(lam, name)
    wait.until(
        "the end is cut off",
        lambda: daemon.metrics().sum("lamina_extension_failures_total", phase="shutdown") > failures,
        20,
    )
    assert count(lam, name)[1] == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\0asm\x0d\0\x01\0\xff", "The extension broken.wasm of the function's layers cannot be used"),
        (b"no wasm", "The extension broken.wasm"),
        ("invoke_ops", "The extension does not export lamina:function/extension@0.1.x. It exports:"),
        (
            b'(component (instance $i) (export "lamina:function/extension@0.1.0" (instance $i)))',
            "The extension does not export on-init",
        ),
        (b'(component (import "example:a/b" (instance (export "f" (func)))))', "example:a/b"),
    ],
)
def test_broken_extensions_are_refused(lam, daemon, make, name, layer, content, says):
    file = "broken.wat" if isinstance(content, bytes) and content.startswith(b"(") else "broken.wasm"
    arn = layer({f"extensions/{file}": content})
    with refused(INVALID, 400, says=says):
        functions.create(lam, name, packages.package("invoke_ops"), Layers=[arn])
    function = make("invoke_ops")
    with refused(INVALID, 400, says=says):
        lam.update_function_configuration(FunctionName=function, Layers=[arn])
    assert count(lam, function)[1] == 1
    assert daemon.healthy()


def test_exports_of_other_types_are_refused(lam, name, layer):
    text = """(component
      (core module $m (func (export "f")))
      (core instance $c (instantiate $m))
      (func $f (canon lift (core func $c "f")))
      (instance $i (export "on-init" (func $f)) (export "on-invoke" (func $f))
        (export "on-telemetry" (func $f)) (export "on-shutdown" (func $f)))
      (export "lamina:function/extension@0.1.0" (instance $i)))"""
    arn = layer({"extensions/other.wat": text.encode()})
    with refused(INVALID, 400, says="on-init is of another type"):
        functions.create(lam, name, packages.package("invoke_ops"), Layers=[arn])


def test_ten_extensions_and_not_more(lam, name, ops, layer):
    function = ops("invoke:print", names=[f"e{number}" for number in range(10)])
    assert count(lam, function)[1] == 1
    eleven = layer({f"extensions/e{number}.wasm": "extension_ops" for number in range(11)})
    with refused(INVALID, 400, says="can hold 10 extensions; these hold 11"):
        functions.create(lam, name, packages.package("invoke_ops"), Layers=[eleven])


def test_an_extension_is_no_function(lam, name):
    with refused(INVALID, 400, says="The guest exports none of"):
        functions.create(lam, name, packages.package("extension_ops"))


def test_what_is_no_wasm_is_data(lam, make, layer):
    name = make("invoke_ops", Layers=[layer({"extensions/agent": b"#!/bin/sh", "extensions/deep/x.wasm": b"data"})])
    assert count(lam, name)[1] == 1
    _, _, listed = invoke(lam, name, op="list", path="/opt/extensions")
    assert "agent" in json.dumps(listed)
