"""A loopback HTTP server for outbound requests, which tells what it was asked."""

import gzip
import http.server
import json
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Quiet."""

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _any(self):
        body = self._body()
        path = self.path.partition("?")[0]
        told = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode("latin-1"),
        }
        if path.startswith("/status/"):
            self._answer(int(path.rpartition("/")[2]), b"{}")
        elif path == "/redirect":
            self._answer(302, headers=[("Location", "/anything")])
        elif path == "/gzip":
            self._answer(200, gzip.compress(b"squeezed"), [("Content-Encoding", "gzip")])
        elif path == "/big":
            self._answer(200, b"b" * 1_000_000)
        elif path == "/slow":
            time.sleep(2)
            self._answer(200, b"late")
        elif path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _ in range(10):
                self.wfile.write(b"64\r\n" + b"c" * 100 + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        elif self.headers.get("X-Amz-Target"):
            self._answer(200, json.dumps({"MessageId": "m-1", "MD5OfMessageBody": "5d41402abc4b2a76b9719d911017c592"}).encode())
        elif path.startswith("/bucket"):
            self._answer(200, headers=[("ETag", '"e"')])
        else:
            self._answer(200, json.dumps(told).encode(), [("Content-Type", "application/json"), ("Set-Cookie", "a=b")])

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = _any


def start():
    """The server, running, and its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"
