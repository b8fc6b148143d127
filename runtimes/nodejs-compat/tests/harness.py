"""Runs the runtime as Lamina's host does: the exports of the ABI, WASI preview 1, and the imports of module `lamina`.

The wasm is compiled once a process. Every `Environment` is an instance of its own.
"""

import ctypes
import gzip
import http.client
import json
import os
import queue
import struct
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

import wasmtime

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = Path(__file__).resolve().parent / "functions"
WASM = Path(os.environ.get("NODEJS_COMPAT_WASM", ROOT / "dist" / "runtime.wasm.gz"))

CLOSED, TIMED_OUT = -2, -5


def read_module():
    """The runtime's wasm."""
    data = WASM.read_bytes()
    return gzip.decompress(data) if WASM.suffix == ".gz" else data


class Compiled:
    """Engine and module, made when they are first asked for."""

    engine = None
    module = None

    @classmethod
    def get(cls):
        if cls.module is None:
            config = wasmtime.Config()
            # The package has no property for it, and refuses a wasm stack that is larger.
            dll = wasmtime._bindings.dll
            dll.wasmtime_config_async_stack_size_set.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
            dll.wasmtime_config_async_stack_size_set(config.ptr(), 8 << 20)
            config.max_wasm_stack = 6 << 20
            config.cache = True
            cls.engine = wasmtime.Engine(config)
            cls.module = wasmtime.Module(cls.engine, read_module())
        return cls.engine, cls.module


class Request:
    """A request of the guest, carried out by a thread."""

    def __init__(self, head, body, news):
        self.head = None
        self.pieces = queue.Queue()
        self.rest = b""
        self.ended = False
        self.head_taken = False
        self.news = news
        self.lock = threading.Lock()
        threading.Thread(target=self.run, args=(head, body), daemon=True).start()

    def run(self, head, body):
        try:
            url = urllib.parse.urlsplit(head["url"])
            timeout = head.get("timeoutMs", 30_000) / 1000
            connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=timeout)
            path = url.path or "/"
            connection.putrequest(head["method"], path + ("?" + url.query if url.query else ""), skip_host=True, skip_accept_encoding=True)
            names = {name.lower() for name, _ in head["headers"]}
            if "host" not in names:
                connection.putheader("host", url.netloc)
            if "content-length" not in names and (body or head["method"] in ("POST", "PUT")):
                connection.putheader("content-length", str(len(body)))
            for name, value in head["headers"]:
                connection.putheader(name, value)
            connection.endheaders(body or None)
            response = connection.getresponse()
            self.tell({"status": response.status, "headers": [[name.lower(), value] for name, value in response.getheaders()]})
            while piece := response.read1(65536):
                self.pieces.put(piece)
                self.news.set()
        except TimeoutError as error:
            self.tell({"error": {"kind": "timeout", "message": str(error)}})
        except OSError as error:
            self.tell({"error": {"kind": "connect", "message": str(error)}})
        self.pieces.put(b"")
        self.news.set()

    def tell(self, head):
        if self.head is None:
            self.head = json.dumps(head).encode()
        self.news.set()

    def ready(self):
        if not self.head_taken:
            return self.head is not None
        return bool(self.rest) or self.ended or not self.pieces.empty()


class Environment:
    """One instance: `load`, `invoke`, and what it wrote."""

    def __init__(self, task, opt=None, initialise=True):
        engine, module = Compiled.get()
        self.store = wasmtime.Store(engine)
        self.scratch = tempfile.TemporaryDirectory()
        base = Path(self.scratch.name)
        for name in ("opt", "tmp", "runtime"):
            (base / name).mkdir()
        self.tmp = base / "tmp"
        self.stdout, self.stderr = base / "stdout", base / "stderr"
        wasi = wasmtime.WasiConfig()
        wasi.preopen_dir(str(opt or base / "opt"), "/opt", False)
        wasi.preopen_dir(str(task), "/var/task", False)
        wasi.preopen_dir(str(self.tmp), "/tmp")
        wasi.preopen_dir(str(base / "runtime"), "/var/runtime", False)
        wasi.stdout_file, wasi.stderr_file = str(self.stdout), str(self.stderr)
        self.store.set_wasi(wasi)
        self.logs, self.streamed, self.content_type = [], [], None
        self.requests, self.handle, self.news = {}, 0, threading.Event()
        self.reader_gone_after = None
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        self.define(linker)
        self.instance = linker.instantiate(self.store, module)
        self.exports = self.instance.exports(self.store)
        self.memory = self.exports["memory"]
        self.exports["_initialize"](self.store)
        self.exports["rt_init"](self.store)

    def read(self, ptr, length):
        return bytes(self.memory.read(self.store, ptr, ptr + length))

    def define(self, linker):
        i32 = wasmtime.ValType.i32()
        for name, parameters, result in [
            ("log", 2, False),
            ("stream_begin", 2, True),
            ("stream_write", 2, True),
            ("http_start", 2, True),
            ("http_wait", 3, True),
            ("http_head", 3, True),
            ("http_body", 3, True),
            ("http_close", 1, False),
        ]:
            kind = wasmtime.FuncType([i32] * parameters, [i32] if result else [])
            linker.define_func("lamina", name, kind, getattr(self, "host_" + name))

    def host_log(self, ptr, length):
        self.logs.append(self.read(ptr, length).decode())

    def host_stream_begin(self, ptr, length):
        self.content_type = self.read(ptr, length).decode()
        return 0

    def host_stream_write(self, ptr, length):
        if self.reader_gone_after is not None and len(self.streamed) >= self.reader_gone_after:
            return CLOSED
        self.streamed.append(self.read(ptr, length))
        return 0

    def host_http_start(self, ptr, length):
        frame = self.read(ptr, length)
        size = struct.unpack_from("<I", frame)[0]
        self.handle += 1
        self.requests[self.handle] = Request(json.loads(frame[4 : 4 + size]), frame[4 + size :], self.news)
        return self.handle

    def host_http_wait(self, ptr, count, timeout):
        handles = struct.unpack(f"<{count}I", self.read(ptr, count * 4))
        until = None if timeout < 0 else time.monotonic() + timeout / 1000
        while True:
            self.news.clear()
            for index, handle in enumerate(handles):
                if self.requests[handle].ready():
                    return index
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return TIMED_OUT
            self.news.wait(left)

    def host_http_head(self, handle, ptr, capacity):
        request = self.requests.get(handle)
        if request is None:
            return -1
        while request.head is None:
            time.sleep(0.001)
        request.head_taken = True
        self.memory.write(self.store, request.head[:capacity], ptr)
        return len(request.head)

    def host_http_body(self, handle, ptr, capacity):
        request = self.requests.get(handle)
        if request is None:
            return -1
        if not request.rest and not request.ended:
            request.rest = request.pieces.get()
            request.ended = not request.rest
        piece, request.rest = request.rest[:capacity], request.rest[capacity:]
        self.memory.write(self.store, piece, ptr)
        return len(piece)

    def host_http_close(self, handle):
        self.requests.pop(handle, None)

    def call(self, name, argument=None):
        """An export of the ABI: `(tag, body)`."""
        if argument is None:
            frame = self.exports[name](self.store)
        else:
            ptr = self.exports["rt_alloc"](self.store, len(argument))
            self.memory.write(self.store, argument, ptr)
            frame = self.exports[name](self.store, ptr, len(argument))
        if frame == 0:
            return None, b""
        body = self.read((frame >> 32) & 0xFFFFFFFF, frame & 0xFFFFFFFF)
        return body[0], body[1:]

    def load(self, handler, env=None, **more):
        config = {
            "handler": handler,
            "env": {"AWS_REGION": "eu-north-1", "LAMBDA_TASK_ROOT": "/var/task", "TZ": ":UTC", **(env or {})},
            "logFormat": "Text",
            "logLevel": "INFO",
            "functionName": "tested",
            "functionVersion": "$LATEST",
            "logGroup": "/aws/lambda/tested",
            "logStream": "2026/01/01/[$LATEST]0123",
            "memorySizeMb": 128,
            "initializationType": "on-demand",
            **more,
        }
        tag, body = self.call("rt_load", json.dumps(config).encode())
        return tag, json.loads(body) if body else None

    def invoke(self, event=None, **more):
        context = {
            "requestId": "request-1",
            "deadlineMs": int(time.time() * 1000) + 3000,
            "functionName": "tested",
            "functionVersion": "$LATEST",
            "invokedFunctionArn": "arn:aws:lambda:eu-north-1:000000000000:function:tested",
            "memoryLimitMb": 128,
            "logGroup": "/aws/lambda/tested",
            "logStream": "2026/01/01/[$LATEST]0123",
            "streaming": False,
            **more,
        }
        head = json.dumps(context).encode()
        tag, body = self.call("rt_invoke", struct.pack("<I", len(head)) + head + json.dumps(event).encode())
        return tag, json.loads(body) if body else None

    def restore(self, env=None):
        return self.call("rt_restore", json.dumps({"env": env or {}}).encode())
