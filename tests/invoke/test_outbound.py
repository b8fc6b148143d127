"""Outbound HTTP: only to the function's allow-list, loopback only where it is listed."""

import base64
import http.server
import json

import pytest

from harness.upstream import serving


@pytest.fixture
def upstream():
    """A server on loopback; answers its port and the paths it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = b"from upstream"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with serving(Handler) as port:
        yield port, asked


def fetch(daemon, name, authority):
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/fetch",
        "rawQueryString": f"authority={authority}&path=/x",
        "headers": {},
        "isBase64Encoded": False,
        "requestContext": {"http": {"method": "GET", "path": "/fetch", "sourceIp": "127.0.0.1"}},
    }
    answer = daemon.invoke(name, event).ok()
    return json.loads(base64.b64decode(answer["body"]) if answer.get("isBase64Encoded") else answer["body"])


def test_a_listed_host_is_reached(daemon, make, upstream):
    port, asked = upstream
    name = make("http_ops", environment={"LAMINA_OUTBOUND_HOSTS": f"example.com,127.0.0.1:{port}"})
    assert fetch(daemon, name, f"127.0.0.1:{port}") == {"status": 200, "body": "from upstream"}
    assert asked == ["/x"]


@pytest.mark.parametrize("allowed", [None, "", "example.com", "*.example.com"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1"])
def test_loopback_is_not_reached_unless_listed(daemon, make, upstream, allowed, host):
    port, asked = upstream
    name = make("http_ops", environment=None if allowed is None else {"LAMINA_OUTBOUND_HOSTS": allowed})
    answer = fetch(daemon, name, f"{host}:{port}")
    assert "error" in answer and asked == [], answer


def test_a_listed_name_does_not_lend_its_address_to_another(daemon, make, upstream):
    port, asked = upstream
    name = make("http_ops", environment={"LAMINA_OUTBOUND_HOSTS": "127.0.0.2"})
    assert "error" in fetch(daemon, name, f"127.0.0.1:{port}") and asked == []
