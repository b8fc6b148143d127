"""Overload: more is asked than the processors can do. A part is refused, the rest is served, until the cause ends."""

import http.client
import json
import threading

from harness import wait
from harness.functions import create, zipped

CALLERS = 48


def test_a_part_is_refused_until_the_rest_is_served_in_time(own_daemon):
    daemon = own_daemon(environment={"LAMINA_CONCURRENCY_MAX_LAG_MS": "1"}).start()
    create(daemon.lam, "spins", zipped("invoke_ops"), Timeout=30)
    daemon.invoke("spins", {"op": "spin", "ms": 5}).ok()
    answers, stop = [], threading.Event()

    def call():
        connection = daemon.connection("api")
        while not stop.is_set():
            connection.request("POST", "/2015-03-31/functions/spins/invocations", json.dumps({"op": "spin", "ms": 5}))
            response = connection.getresponse()
            answers.append((response.status, response.getheader("retry-after"), response.read()))
        connection.close()

    def refused():
        return int(daemon.metrics().sum("lamina_throttles_total", function="spins", reason="Overload"))

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        wait.until("some were refused", lambda: refused() > 20, 60)
        served = len([status for status, _, _ in answers if status == 200])
        wait.until(
            "others are served all the same",
            lambda: len([status for status, _, _ in answers if status == 200]) > served + 20,
            60,
        )
    finally:
        stop.set()
        for caller in callers:
            caller.join(60)
    assert {status for status, _, _ in answers} == {200, 429}
    for status, retry_after, body in answers:
        if status == 429:
            assert retry_after and json.loads(body)["Reason"] == "ConcurrentInvocationLimitExceeded", body
            assert "More is asked of this host than it can do" in json.loads(body)["message"]
    wait.until("nobody is refused any more", lambda: all(_is_served(daemon) for _ in range(20)), 30)
    assert daemon.metrics().sum("lamina_lag_seconds") < 10


def _is_served(daemon):
    connection = daemon.connection("api")
    try:
        connection.request("POST", "/2015-03-31/functions/spins/invocations", json.dumps({"op": "count"}))
        response = connection.getresponse()
        response.read()
        return response.status == http.client.OK
    finally:
        connection.close()
