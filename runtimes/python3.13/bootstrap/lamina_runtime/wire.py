"""The far end of a connection: takes the bytes of HTTP/1.1 requests, has the host make them, gives the bytes of responses.

RFC 9112 is what is spoken; connections persist as long as the program keeps them, whatever the host does behind.
"""

import errno
import json
import re
import socket
from collections import deque
from http.client import responses as REASONS

import _lamina

_TIMEOUT = -5
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.[01]\Z")
_LONGEST_HEAD = 1 << 20
_PIECE = 1 << 16
_LONGEST_WAIT_MS = 0x7FFFFFFF
# Of one connection only (RFC 9110, 7.6.1), or made anew by the host from the body it is given.
_NOT_SENT = frozenset({"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "content-length", "expect", "upgrade"})
_NOT_SHOWN = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
_ERRORS = {
    "denied": (PermissionError, errno.EACCES),
    "connect": (ConnectionRefusedError, errno.ECONNREFUSED),
    "timeout": (TimeoutError, errno.ETIMEDOUT),
    "protocol": (ConnectionResetError, errno.ECONNRESET),
    "too-large": (OSError, errno.EMSGSIZE),
}
_REFUSALS = {-1: "the request is not valid", -2: "the invocation is over", -3: "too many requests at once", -4: "not allowed"}


def _failure(kind, message):
    if kind == "dns":
        return socket.gaierror(socket.EAI_NONAME, message)
    if kind == "tls":
        import ssl

        return ssl.SSLCertVerificationError(1, message)
    error, number = _ERRORS.get(kind, (OSError, errno.EIO))
    return error(number, message)


class _Request:
    """One request as far as it has come."""

    def __init__(self, method, target, headers):
        self.method = method
        self.target = target
        self.headers = headers
        self.body = bytearray()
        fields = {name.lower(): value for name, value in headers}
        self.chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        length = fields.get("content-length", "0").strip()
        if not length.isdecimal():
            raise OSError(errno.EPROTO, f"Content-Length is not a number: {length[:40]}")
        self.missing = 0 if self.chunked else int(length)
        self.expects = "100-continue" in fields.get("expect", "").lower() and (self.chunked or self.missing > 0)
        self.last = "close" in fields.get("connection", "").lower()


class _Exchange:
    """One request under way."""

    def __init__(self, handle, method, last):
        self.handle = handle
        self.method = method
        self.last = last
        self.has_head = False
        # Bytes of the body still to come; None where only its end tells.
        self.missing = None


class Wire:
    """A connection to `host`:`port`; `tls` says whether URLs are https."""

    def __init__(self, host, port, tls=False):
        self.host = host
        self.port = port
        self.tls = tls
        self._in = bytearray()
        self._request = None
        self._out = bytearray()
        self._exchanges = deque()
        self._ended = False

    # What the program writes.

    def feed(self, data):
        """Takes bytes of requests; starts each as soon as it is whole."""
        if self._ended:
            raise BrokenPipeError(errno.EPIPE, "the connection is closed")
        self._in += data
        while self._advance():
            pass

    def _advance(self):
        if self._request is None:
            return self._take_head()
        if self._request.chunked:
            return self._take_chunk()
        return self._take_length()

    def _take_head(self):
        if not self._in:
            return False
        end = self._in.find(b"\r\n\r\n")
        first, found, _ = self._in.partition(b"\r\n")
        line = _REQUEST_LINE.match(first) if found else None
        if (found and line is None) or len(self._in) > _LONGEST_HEAD:
            raise OSError(errno.EPROTONOSUPPORT, "only HTTP/1.1 requests can leave the sandbox")
        if end < 0:
            return False
        head = self._in[:end].decode("latin-1").split("\r\n")
        del self._in[: end + 4]
        headers = []
        for field in head[1:]:
            name, colon, value = field.partition(":")
            if not colon:
                raise OSError(errno.EPROTO, "a header has no colon")
            headers.append((name, value.strip(" \t")))
        request = _Request(line[1].decode("latin-1"), line[2].decode("latin-1"), headers)
        if request.method == "CONNECT":
            raise OSError(errno.EPROTONOSUPPORT, "the sandbox cannot tunnel through proxies: the host makes the connections")
        if request.expects:
            self._out += b"HTTP/1.1 100 Continue\r\n\r\n"
        self._request = request
        return True

    def _take_length(self):
        request = self._request
        if request.missing:
            if not self._in:
                return False
            piece = self._in[: request.missing]
            del self._in[: len(piece)]
            request.body += piece
            request.missing -= len(piece)
        if request.missing == 0:
            self._start()
        return True

    def _take_chunk(self):
        request = self._request
        line, found, _ = self._in.partition(b"\r\n")
        if not found:
            return False
        size = int(line.split(b";")[0].strip() or b"x", 16)
        if size == 0:
            # The trailer, empty but for its end as all of Python's clients send it.
            end = self._in.find(b"\r\n\r\n", len(line))
            if end < 0:
                return False
            del self._in[: end + 4]
            self._start()
            return True
        begin = len(line) + 2
        if len(self._in) < begin + size + 2:
            return False
        request.body += self._in[begin : begin + size]
        del self._in[: begin + size + 2]
        return True

    def _url(self, target):
        if target.startswith(("http://", "https://")):
            return target
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.tls else 80
        port = "" if self.port == default else f":{self.port}"
        return f"{'https' if self.tls else 'http'}://{host}{port}{target if target.startswith('/') else '/'}"

    def _start(self):
        request, self._request = self._request, None
        url = self._url(request.target)
        authority = url.split("/", 3)[2].lower()
        headers = [
            (name, value)
            for name, value in request.headers
            if name.lower() not in _NOT_SENT and not (name.lower() == "host" and value.lower() == authority)
        ]
        head = json.dumps({"method": request.method, "url": url, "headers": headers}).encode()
        handle = _lamina.http_start(head, bytes(request.body))
        if handle < 1:
            kind = PermissionError if handle == -4 else ConnectionError
            number = errno.EACCES if handle == -4 else errno.ECONNABORTED
            raise kind(number, f"the host refused the request to {authority}: {_REFUSALS.get(handle, handle)}")
        self._exchanges.append(_Exchange(handle, request.method, request.last))

    # What the program reads.

    @property
    def waiting_for(self):
        """The host's handle that the next bytes depend on, or None where bytes are there or no request is under way."""
        return None if self._out or not self._exchanges else self._exchanges[0].handle

    def is_ready(self, timeout):
        """Whether `read` has something to say within `timeout` seconds; None is for ever."""
        if self._out or self._ended:
            return True
        handle = self.waiting_for
        if handle is None:
            return False
        milliseconds = -1 if timeout is None else min(_LONGEST_WAIT_MS, max(0, int(timeout * 1000 + 0.999)))
        return _lamina.http_wait((handle,), milliseconds) != _TIMEOUT

    def read(self, most):
        """The next bytes of responses, at most `most`; waits for them. Empty at the connection's end."""
        while not self._out and self._exchanges:
            self._pull(self._exchanges[0])
        if not self._out and not self._ended:
            raise OSError(errno.ENOTSUP, "nothing was asked: only answers to HTTP requests come in")
        piece = bytes(self._out[:most])
        del self._out[:most]
        return piece

    def _pull(self, exchange):
        if not exchange.has_head:
            return self._pull_head(exchange)
        piece = _lamina.http_body(exchange.handle, _PIECE)
        if isinstance(piece, int):
            self._finish(exchange)
            self._ended = True
            raise ConnectionResetError(errno.ECONNRESET, "the response broke off")
        if exchange.missing is None:
            self._out += b"%x\r\n%b\r\n" % (len(piece), piece)
            done = not piece
        else:
            self._out += piece
            exchange.missing -= len(piece)
            done = exchange.missing <= 0
        if done or not piece:
            self._finish(exchange)
            # A body shorter than announced ends as a broken connection would.
            self._ended = self._ended or not done
        return None

    def _pull_head(self, exchange):
        raw = _lamina.http_head(exchange.handle)
        head = {"error": {"kind": "protocol", "message": f"the host lost the request ({raw})"}} if isinstance(raw, int) else json.loads(raw)
        error = head.get("error")
        if error:
            self._finish(exchange)
            self._ended = True
            raise _failure(error.get("kind"), error.get("message") or "the request failed")
        exchange.has_head = True
        status = head["status"]
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, '')}"]
        for name, value in head["headers"]:
            if name.lower() in _NOT_SHOWN:
                continue
            if name.lower() == "content-length" and value.strip().isdecimal():
                exchange.missing = int(value)
            lines.append(f"{name}: {value}")
        bodiless = exchange.method == "HEAD" or status in (204, 304) or exchange.missing == 0
        if exchange.missing is None and not bodiless:
            lines.append("Transfer-Encoding: chunked")
        if exchange.last:
            lines.append("Connection: close")
        self._out += "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        if bodiless:
            self._finish(exchange)
        return None

    def _finish(self, exchange):
        _lamina.http_close(exchange.handle)
        self._exchanges.popleft()
        self._ended = self._ended or exchange.last

    def close(self):
        """Gives up what is under way."""
        self._ended = True
        self._in.clear()
        while self._exchanges:
            _lamina.http_close(self._exchanges.popleft().handle)
