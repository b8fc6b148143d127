"""Fixtures: functions written by a test, and a server on the loopback for outbound requests."""

import gzip
import http.server
import json
import threading
import time

import pytest
from harness import Environment


class Function:
    """A package in a directory of its own, loaded when it is first invoked."""

    def __init__(self, directory):
        self.directory = directory
        self.environment = None

    def file(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return self

    def load(self, handler="index.handler", **more):
        self.environment = Environment(self.directory, opt=more.pop("opt", None))
        return self.environment.load(handler, **more)

    def __call__(self, event=None, **more):
        if self.environment is None:
            assert self.load() == (0, None), self.environment.logs
        return self.environment.invoke(event, **more)

    @property
    def logs(self):
        return self.environment.logs


@pytest.fixture
def function(tmp_path):
    """An empty package."""
    directory = tmp_path / "task"
    directory.mkdir()
    return Function(directory)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers what was asked, and a few special paths."""

    protocol_version = "HTTP/1.1"

    def do(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length).decode()
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/slow":
            time.sleep(1)
        if self.path == "/redirect":
            return self.answer(302, b"", {"location": "/echo?redirected"})
        if self.path == "/gzip":
            return self.answer(200, gzip.compress(b"squeezed " * 100), {"content-encoding": "gzip"})
        if self.path == "/chunks":
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in (b"one ", b"two ", b"three"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
                time.sleep(0.02)
            self.wfile.write(b"0\r\n\r\n")
            return None
        if self.path == "/" and "x-amz-target" in self.headers:
            return self.answer(
                200, json.dumps(self.server.sqs(self.headers["x-amz-target"], json.loads(body))).encode(), {}
            )
        document = {
            "method": self.command,
            "path": self.path,
            "headers": {k.lower(): v for k, v in self.headers.items()},
            "body": body,
        }
        return self.answer(200, json.dumps(document).encode(), {"content-type": "application/json"})

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """A server; `url`, and what it has seen."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
