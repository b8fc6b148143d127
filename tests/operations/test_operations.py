"""Operations: metrics, health, draining, logs, and what the daemon refuses to start with."""

import os
import subprocess
import threading
import time

import pytest

from harness import config, wait
from harness.clients import refused
from harness.daemon import NotReady, binary
from harness.functions import create, zipped


def test_promtool_accepts_the_metrics(daemon, make, make_queue):
    function = make("invoke_ops", Timeout=1)
    daemon.invoke(function, {"op": "count"}).ok()
    daemon.invoke(function, {"op": "exit", "code": 1}).failed()
    make_queue()
    text = daemon.request("GET", "/metrics", listener="admin").body
    promtool = os.environ.get("LAMINA_PROMTOOL", "promtool")
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert done.returncode == 0 and not done.stdout.strip(), (done.stdout + done.stderr).decode()


def test_every_metric_of_the_issue_is_there(daemon, make, make_queue, sqs):
    function = make("invoke_ops")
    daemon.invoke(function, {"op": "count"}).ok()
    sqs.send_message(QueueUrl=make_queue(), MessageBody="x")
    # Queues are counted every few seconds.
    types = wait.until(
        "the queue is counted",
        lambda: (found := daemon.metrics().types).get("lamina_queue_messages") and found,
        seconds=20,
    )
    for name, kind in {
        "lamina_invocations_total": "counter",
        "lamina_invocation_duration_seconds": "histogram",
        "lamina_init_duration_seconds": "histogram",
        "lamina_environments": "gauge",
        "lamina_sandbox_pool_slots": "gauge",
        "lamina_compile_duration_seconds": "histogram",
        "lamina_code_cache_hits_total": "counter",
        "lamina_queue_messages": "gauge",
        "lamina_queue_oldest_message_age_seconds": "gauge",
        "lamina_schedule_lateness_seconds": "histogram",
        "lamina_schedule_failures_total": "counter",
        "lamina_mapping_messages_total": "counter",
        "lamina_mapping_throttles_total": "counter",
        "lamina_storage_commit_duration_seconds": "histogram",
        "process_resident_memory_bytes": "gauge",
        "process_open_fds": "gauge",
    }.items():
        assert types.get(name) == kind, f"{name} is {types.get(name)}, {kind} expected"


def test_durations_are_labelled_by_start_function_version_and_alias(daemon, lam, make):
    function = make("invoke_ops", Publish=True)
    lam.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    for _ in range(3):
        daemon.invoke(function, {"op": "count"}, Qualifier="live").ok()
    scrape = daemon.metrics()
    count = lambda **labels: scrape.sum(
        "lamina_invocation_duration_seconds_count", function=function, version="1", alias="live", **labels
    )
    assert (count(start="cold"), count(start="warm")) == (1, 2)
    assert scrape.sum("lamina_init_duration_seconds_count", function=function) == 1


def test_label_values_from_outside_are_bounded(daemon, make):
    """A function's own error types are names it can invent without end."""
    function = make("invoke_ops")
    for index in range(200):
        daemon.invoke(function, {"op": "fail", "type": f"Invented.{index}", "message": ""}).failed()
    assert (
        len(
            [
                labels
                for labels, _ in daemon.metrics().all("lamina_invocation_errors_total")
                if labels["function"] == function
            ]
        )
        <= 64
    )


def test_unknown_functions_make_no_series(daemon):
    before = daemon.metrics().series()
    for index in range(50):
        with refused("ResourceNotFoundException", 404):
            daemon.invoke(f"never-there-{index}")
    after = daemon.metrics()
    assert not any(
        "never-there" in value
        for samples in after.samples.values()
        for labels, _ in samples
        for value in labels.values()
    )
    assert sum(after.series().values()) <= sum(before.values()) + 50


def test_a_deleted_functions_series_go(daemon, lam, make):
    function = make()
    daemon.invoke(function).ok()
    assert daemon.metrics().sum("lamina_invocations_total", function=function) == 1
    lam.delete_function(FunctionName=function)
    wait.until(
        "its series are gone",
        lambda: not any(l.get("function") == function for s in daemon.metrics().samples.values() for l, _ in s),
        15,
    )


def test_health(daemon):
    for path in ("/healthz", "/readyz"):
        assert daemon.request("GET", path, listener="admin").status == 200
    assert daemon.request("GET", "/nothing", listener="admin").status == 404
    assert daemon.request("POST", "/metrics", listener="admin").status in (404, 405)


def test_sigterm_finishes_what_runs_and_takes_no_more(own_daemon):
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_ops"), Timeout=20)
    daemon.invoke("f", {"op": "count"}).ok()
    url = daemon.sqs.create_queue(QueueName="q")["QueueUrl"]
    daemon.sqs.send_message(QueueUrl=url, MessageBody="kept")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(daemon.invoke("f", {"op": "sleep", "ms": 2000})))
    thread.start()
    wait.until("it runs", lambda: daemon.metrics().sum("lamina_environments", function="f", state="busy") == 1)
    daemon.terminate()

    def closed():
        try:
            connection = daemon.connection("api", 2)
            connection.request("GET", "/2015-03-31/functions")
            status = connection.getresponse().status
            connection.close()
            return status == 503
        except OSError:
            return True

    wait.until("new requests are refused", closed, 5)
    assert daemon.running(), "it is draining"
    assert daemon.process.wait(20) == 0
    thread.join(20)
    assert answers and answers[0].ok()["slept_ms"] >= 1900
    daemon.start()
    url = daemon.sqs.get_queue_url(QueueName="q")["QueueUrl"]
    assert daemon.sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "kept"


def test_a_second_signal_leaves_at_once(own_daemon):
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_ops"), Timeout=60)
    thread = threading.Thread(target=_quietly, args=(lambda: daemon.invoke("f", {"op": "sleep", "ms": 60_000}),))
    thread.start()
    wait.until("it runs", lambda: daemon.metrics().sum("lamina_environments", function="f", state="busy") == 1)
    daemon.terminate()
    wait.steadily("it is draining", daemon.running, 0.5)
    daemon.terminate()
    assert daemon.process.wait(3) != 0
    thread.join(20)


def _quietly(work):
    try:
        work()
    except Exception:  # the connection dies with the daemon, which is the point
        pass


def test_a_long_poll_does_not_hold_up_the_end(own_daemon):
    daemon = own_daemon().start()
    url = daemon.sqs.create_queue(QueueName="q")["QueueUrl"]
    thread = threading.Thread(
        target=_quietly, args=(lambda: daemon.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20),)
    )
    thread.start()
    time.sleep(0.3)  # it should be waiting by now; were it not, the test would be easier, not wrong
    start = time.monotonic()
    assert daemon.stop() == 0 and time.monotonic() - start < 10
    thread.join(30)


def test_logs_have_lambdas_lines(daemon, make):
    function = make("invoke_ops")
    request_id = daemon.invoke(function, {"op": "log", "text": "for the log"}).headers["x-amzn-requestid"]
    lines = wait.until(
        "the log",
        lambda: [l for l in daemon.logs(function)] if any("REPORT" in l for l in daemon.logs(function)) else None,
    )
    order = [
        next(index for index, line in enumerate(lines) if text in line)
        for text in (
            f"START RequestId: {request_id}",
            "for the log 0",
            f"END RequestId: {request_id}",
            f"REPORT RequestId: {request_id}",
        )
    ]
    assert order == sorted(order), lines


def test_a_data_directory_has_one_daemon(own_daemon):
    daemon = own_daemon().start()
    other = own_daemon()
    other.data = daemon.data
    with pytest.raises(NotReady):
        other.start(20)
    assert daemon.healthy()
    assert "in use" in other.tail() or "lock" in other.tail().lower()


@pytest.mark.parametrize(
    "text,says",
    [
        ("nonsense = 1\n", "nonsense"),
        ("[http]\nmax_body_byte = 1\n", "max_body_byte"),
        ("[http]\nmax_body_bytes = 'x'\n", "max_body_bytes"),
        ("this is not toml", "line 1"),
        (config.render({"routes": [config.route("FETCH /x", "f")]}), "FETCH"),
        (config.render({"routes": [config.route("GET /a/{x", "f")]}), "{x"),
    ],
    ids=["unknown key", "unknown key in a table", "wrong type", "no toml", "method", "pattern"],
)
def test_a_bad_configuration_is_refused_before_a_port_opens(own_daemon, text, says):
    daemon = own_daemon(text)
    with pytest.raises(NotReady):
        daemon.start(20)
    assert daemon.process.returncode not in (0, 101) and says in daemon.tail(), daemon.tail()
    assert not daemon.data.exists() or not any(daemon.data.iterdir()), "nothing was begun"


def test_an_address_that_is_not_loopback_needs_credentials(own_daemon):
    daemon = own_daemon(arguments=["--api-addr", "0.0.0.0:0"])
    with pytest.raises(NotReady):
        daemon.start(20)
    assert daemon.process.returncode != 0 and "credential" in daemon.tail().lower(), daemon.tail()


def test_a_port_in_use_is_told(own_daemon):
    first = own_daemon().start()
    host, port = first.address("api")
    second = own_daemon(arguments=["--api-addr", f"{host}:{port}"])
    with pytest.raises(NotReady):
        second.start(20)
    assert str(port) in second.tail() and first.healthy()


def test_a_changed_configuration_is_taken_on_hang_up_and_a_bad_one_changes_nothing(own_daemon):
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_echo.event"))
    assert daemon.request("GET", "/hello").status == 404
    daemon.config.write_text(config.render({"routes": [config.route("GET /hello", "f")]}))
    daemon.hang_up()
    wait.until("the route is there", lambda: daemon.request("GET", "/hello").status == 200)
    daemon.config.write_text("[[routes]]\npath = '/other'\nfunction = 'f'\ncolour = 'blue'\n")
    daemon.hang_up()
    wait.until("it says what is wrong", lambda: "colour" in daemon.tail())
    assert daemon.request("GET", "/hello").status == 200 and daemon.request("GET", "/other").status == 404


def test_version_and_help():
    for argument in ("--version", "--help"):
        done = subprocess.run([binary(), argument], capture_output=True, timeout=30)
        assert done.returncode == 0 and b"lamina" in done.stdout.lower()
    assert subprocess.run([binary(), "dance"], capture_output=True, timeout=30).returncode == 2
