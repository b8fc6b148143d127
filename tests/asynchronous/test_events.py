"""Waiting and dead events: listed, looked at, redriven and purged, over HTTP and with the CLI."""

import json

import pytest

from harness import wait

FAIL = {"op": "fail", "type": "Broken", "message": "on purpose"}


@pytest.fixture
def function(lam, make):
    name = make("invoke_ops")
    lam.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    return name


def api(daemon, method, path, status=200):
    answer = daemon.request(method, f"/lamina/async-events{path}", listener="api")
    assert answer.status == status, answer
    return json.loads(answer.body)


def test_dead_events_are_listed_in_pages_redriven_and_purged(daemon, function):
    for _ in range(5):
        daemon.lamina("invoke", function, "--async", "--payload", json.dumps(FAIL))
    dead = lambda: api(daemon, "GET", f"?FunctionName={function}&State=Dead")["Events"]
    wait.until("five dead events", lambda: len(dead()) == 5)
    seen, marker = [], ""
    while marker is not None:
        page = api(daemon, "GET", f"?FunctionName={function}&MaxItems=2&Marker={marker}")
        seen.extend(event["RequestId"] for event in page["Events"])
        marker = page.get("NextMarker")
    assert seen == [event["RequestId"] for event in dead()]

    event = api(daemon, "GET", f"/{seen[0]}")
    assert event["Payload"] == FAIL
    assert event["LastFailure"]["payload"]["errorMessage"] == "on purpose"
    shown = json.loads(daemon.lamina("events", "show", seen[0]).stdout)
    assert shown == event
    listed = daemon.lamina("events", "list", function, "--state", "dead").stdout.decode()
    assert all(request_id in listed for request_id in seen)

    runs = lambda: daemon.metrics().sum("lamina_invocations_total", function=function)
    before = runs()
    assert b"1 event to be attempted" in daemon.lamina("events", "redrive", "--request-id", seen[0]).stdout
    wait.until("another run", lambda: runs() == before + 1)
    wait.until("five dead events", lambda: len(dead()) == 5)
    answer = daemon.lamina("events", "redrive", function, "--state", "dead", "--output", "json").stdout
    assert json.loads(answer) == {"Redriven": 5}
    wait.until("five more runs", lambda: runs() == before + 6)
    wait.until("five dead events", lambda: len(dead()) == 5)

    assert b"1 event removed" in daemon.lamina("events", "purge", "--request-id", seen[0]).stdout
    assert b"4 events removed" in daemon.lamina("events", "purge", function).stdout
    assert dead() == []
    for method, path in (("GET", ""), ("POST", "/redrive"), ("DELETE", "")):
        assert "not found" in api(daemon, method, f"/{seen[0]}{path}", 404)["message"]


def test_waiting_events_are_shown_and_redriven(daemon, lam, make):
    function = make("invoke_ops")
    answer = daemon.lamina("invoke", function, "--async", "--payload", json.dumps(FAIL), "--output", "json")
    request_id = json.loads(answer.stdout)["RequestId"]
    waiting = lambda: api(daemon, "GET", f"/{request_id}")
    wait.until("a failed attempt", lambda: waiting()["Attempts"] == 1 and waiting()["State"] == "Waiting")
    assert waiting()["NextAttemptAt"] > waiting()["AcceptedAt"]
    api(daemon, "POST", f"/{request_id}/redrive")
    wait.until("a second attempt", lambda: waiting()["Attempts"] == 2)
    wait.until("it waits", lambda: waiting()["State"] == "Waiting")
    assert api(daemon, "DELETE", f"/{request_id}") == {"Purged": 1}


def test_what_is_no_request_is_refused(daemon):
    assert "All=true" in api(daemon, "DELETE", "", 400)["message"]
    assert "All=true" in api(daemon, "POST", "/redrive?State=Dead", 400)["message"]
    assert "state" in api(daemon, "GET", "?State=Nonsense", 400)["message"]
    assert "UUID" in api(daemon, "GET", "/nonsense", 400)["message"]
    assert "Marker" in api(daemon, "GET", "?Marker=x", 400)["message"]
    assert daemon.lamina("events", "purge", check=False).returncode == 2
