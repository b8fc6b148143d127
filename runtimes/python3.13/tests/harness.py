"""A host of one runtime, small: enough of the contract (docs/runtimes.md) to test it without the daemon."""

import ctypes
import itertools
import json
import pathlib
import struct
import threading
import time
import urllib.error
import urllib.request

import wasmtime

TAGS = ("success", "error", "fatal", "streamed")
TIMEOUT = -5


class Request:
    """One outbound request, made by a thread of the host."""

    def __init__(self, head, body):
        self.given = head
        self.body = body
        self.head = None
        self.pieces = []
        self.done = False
        self.changed = threading.Condition()
        self.head_taken = False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        request = urllib.request.Request(self.given["url"], data=self.body or None, method=self.given["method"])
        for name, value in self.given["headers"]:
            request.add_unredirected_header(name, value)
        opener = urllib.request.build_opener(_NoRedirects, _NoErrors)
        try:
            with opener.open(request, timeout=self.given.get("timeoutMs", 30000) / 1000) as response:
                head = {"status": response.status, "headers": [[name, value] for name, value in response.headers.items()]}
                data = response.read()
        except OSError as error:
            head, data = {"error": {"kind": "connect", "message": str(error)}}, b""
        with self.changed:
            self.head = json.dumps(head).encode()
            self.pieces = [data] if data else []
            self.done = True
            self.changed.notify_all()

    def ready(self):
        """Whether http_wait may answer with this one."""
        return self.head is not None and (not self.head_taken or bool(self.pieces) or self.done)

    def wait(self):
        """Until there is a head."""
        with self.changed:
            self.changed.wait_for(lambda: self.head is not None)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class _NoErrors(urllib.request.HTTPErrorProcessor):
    def http_response(self, request, response):
        return response

    https_response = http_response


class Ended(Exception):
    """The guest called proc_exit, or trapped."""


class Engine:
    """The compiled module, shared by all tests."""

    def __init__(self, wasm):
        config = wasmtime.Config()
        config.cache = True
        config.max_wasm_stack = 6 << 20
        # No setter of the package for this one, and the stack of wasm must fit into it.
        wasmtime._ffi.dll.wasmtime_config_async_stack_size_set(config.ptr(), ctypes.c_uint64(8 << 20))
        self.engine = wasmtime.Engine(config)
        self.module = wasmtime.Module.from_file(self.engine, str(wasm))


class Environment:
    """One instance with its directories."""

    def __init__(self, engine, runtime_dir, task, tmp, opt, memory_bytes=512 << 20):
        self.engine = engine
        self.made_of = (engine, runtime_dir, task, tmp, opt, memory_bytes)
        self.records = []
        self.streamed = []
        self.requests = {}
        self.handles = itertools.count(1)
        self.outputs = [pathlib.Path(tmp).with_name(name) for name in ("stdout.log", "stderr.log")]
        for output in self.outputs:
            output.write_bytes(b"")
        wasi = wasmtime.WasiConfig()
        wasi.stdout_file, wasi.stderr_file = map(str, self.outputs)
        mounts = ((opt, "/opt", False), (task, "/var/task", False), (tmp, "/tmp", True), (runtime_dir, "/var/runtime", False))
        for host, guest, writable in mounts:
            wasi.preopen_dir(str(host), guest, writable)
        self.store = wasmtime.Store(engine.engine)
        self.store.set_limits(memory_size=memory_bytes)
        self.store.set_wasi(wasi)
        linker = wasmtime.Linker(engine.engine)
        linker.define_wasi()
        self._define(linker)
        self.exports = linker.instantiate(self.store, engine.module).exports(self.store)
        self.memory = self.exports["memory"]
        self._call("_initialize")
        self._call("rt_init")

    def _define(self, linker):
        i32 = wasmtime.ValType.i32()

        def define(name, parameters, has_result, function):
            kind = wasmtime.FuncType([i32] * parameters, [i32] if has_result else [])
            linker.define(self.store, "lamina", name, wasmtime.Func(self.store, kind, function))

        define("log", 2, False, lambda ptr, n: self.records.append(self._read(ptr, n).decode()))
        define("stream_begin", 2, True, lambda ptr, n: self._streamed(("begin", self._read(ptr, n))))
        define("stream_write", 2, True, lambda ptr, n: self._streamed(("write", self._read(ptr, n))))
        define("http_start", 2, True, self._http_start)
        define("http_wait", 3, True, self._http_wait)
        define("http_head", 3, True, self._http_head)
        define("http_body", 3, True, self._http_body)
        define("http_close", 1, False, lambda handle: self.requests.pop(handle, None) and None)

    def _read(self, ptr, n):
        return bytes(self.memory.read(self.store, ptr & 0xFFFFFFFF, (ptr & 0xFFFFFFFF) + (n & 0xFFFFFFFF)))

    def _streamed(self, what):
        self.streamed.append(what)
        return 0

    def _http_start(self, ptr, n):
        argument = self._read(ptr, n)
        (length,) = struct.unpack_from("<I", argument)
        handle = next(self.handles)
        self.requests[handle] = Request(json.loads(argument[4 : 4 + length]), argument[4 + length :])
        return handle

    def _http_wait(self, ptr, count, timeout_ms):
        handles = struct.unpack(f"<{count}I", self._read(ptr, 4 * count))
        end = None if timeout_ms < 0 else time.monotonic() + timeout_ms / 1000
        while end is None or time.monotonic() < end:
            for index, handle in enumerate(handles):
                if handle not in self.requests:
                    return -1
                if self.requests[handle].ready():
                    return index
            time.sleep(0.001)
        return TIMEOUT

    def _http_head(self, handle, ptr, cap):
        request = self.requests.get(handle)
        if request is None:
            return -1
        request.wait()
        request.head_taken = True
        self.memory.write(self.store, request.head[:cap], ptr)
        return len(request.head)

    def _http_body(self, handle, ptr, cap):
        request = self.requests.get(handle)
        if request is None:
            return -1
        request.wait()
        if not request.pieces:
            return 0
        piece = request.pieces[0][:cap]
        request.pieces[0] = request.pieces[0][cap:]
        if not request.pieces[0]:
            request.pieces.pop(0)
        self.memory.write(self.store, piece, ptr)
        return len(piece)

    def _call(self, name, *arguments):
        try:
            return self.exports[name](self.store, *arguments)
        except (wasmtime.ExitTrap, wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise Ended(f"{error}\n{self.stdout()}") from error

    def _give(self, data):
        ptr = self._call("rt_alloc", len(data)) & 0xFFFFFFFF
        if ptr == 0:
            raise MemoryError
        self.memory.write(self.store, data, ptr)
        return ptr, len(data)

    def _answer(self, packed):
        packed &= 0xFFFFFFFFFFFFFFFF
        if packed == 0:
            raise Ended("the runtime answered 0")
        frame = self._read(packed >> 32, packed & 0xFFFFFFFF)
        return TAGS[frame[0]], frame[1:]

    def load(self, handler, env=None, **more):
        """rt_load."""
        env = {
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": "/var/task",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_REGION": "eu-west-1",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "TZ": ":UTC",
            **(env or {}),
        }
        given = {"handler": handler, "env": env, "logFormat": "Text", "logLevel": "INFO", "functionName": "f", "memorySizeMb": 128, **more}
        return self._answer(self._call("rt_load", *self._give(json.dumps(given).encode())))

    def invoke_raw(self, event, **more):
        """rt_invoke with the event's bytes: tag and body."""
        context = {
            "requestId": "request-1",
            "deadlineMs": int(time.time() * 1000) + 30000,
            "functionName": "f",
            "functionVersion": "$LATEST",
            "invokedFunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:f",
            "memoryLimitMb": 128,
            "logGroup": "/aws/lambda/f",
            "logStream": "stream",
            "streaming": False,
            **more,
        }
        head = json.dumps(context).encode()
        return self._answer(self._call("rt_invoke", *self._give(struct.pack("<I", len(head)) + head + event)))

    def invoke(self, event=None, **more):
        """rt_invoke: tag and parsed body."""
        tag, body = self.invoke_raw(json.dumps(event).encode(), **more)
        return tag, json.loads(body) if body else None

    def snapshot(self):
        """rt_snapshot."""
        return self._answer(self._call("rt_snapshot"))

    def restore(self, **given):
        """rt_restore."""
        return self._answer(self._call("rt_restore", *self._give(json.dumps(given).encode())))

    def twin(self):
        """Another environment of the same directories."""
        return Environment(*self.made_of)

    def image(self):
        """The memory."""
        return bytes(self.memory.read(self.store, 0, self.memory.data_len(self.store)))

    def overwrite(self, image):
        """Puts an image into the memory."""
        missing = len(image) - self.memory.data_len(self.store)
        if missing > 0:
            self.memory.grow(self.store, missing >> 16)
        self.memory.write(self.store, image, 0)

    def stack_pointer(self):
        """The one mutable global."""
        return self.exports["__stack_pointer"].value(self.store)

    def stdout(self):
        """What went to fd 1, then what went to fd 2."""
        return "".join(output.read_text() for output in self.outputs)
