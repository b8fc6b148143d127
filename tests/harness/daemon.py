"""The daemon as a process: `lamina serve` with a data directory and a configuration of its own."""

import http.client
import json
import os
import pathlib
import queue
import signal
import subprocess
import threading
import time
import urllib.parse

from . import clients, metrics

READY_SECONDS = 60.0


class NotReady(AssertionError):
    """The daemon ended, or did not say that it is ready in time."""


def binary():
    """The program under test."""
    path = os.environ.get("LAMINA_BIN")
    if not path:
        raise RuntimeError("LAMINA_BIN names no program: run the tests with `cargo xtask test`")
    return path


class Daemon:
    """One daemon. `start` it as often as a test needs; its data directory stays."""

    def __init__(self, directory, config="", arguments=(), environment=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data = self.directory / "data"
        self.config = self.directory / "config.toml"
        self.config.write_text(config)
        self.arguments = list(arguments)
        self.environment = environment or {}
        self.process = None
        self.starts = 0
        self.touched = None
        self.api = self.http = self.admin = None
        self._clients = {}

    # The process

    def start(self, seconds=READY_SECONDS):
        """Starts it and waits for its ready line."""
        assert self.process is None or self.process.poll() is not None, "it is running"
        self.starts += 1
        self.log = self.directory / f"stderr-{self.starts}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LAMINA_", "AWS_"))}
        # Deployments are waited for, however slow the machine is, unless a test is about that.
        environment["LAMINA_SANDBOX_PENDING_AFTER_MS"] = "60000"
        # Machines under test are overloaded as a rule, and refusing for it has a test of its own.
        environment["LAMINA_CONCURRENCY_MAX_LAG_MS"] = "0"
        environment.update(self.environment)
        listeners = [word for name in ("api", "http", "admin") for word in (f"--{name}-addr", "127.0.0.1:0")]
        self.process = subprocess.Popen(
            [binary(), "serve", "--config", self.config, "--data-dir", self.data, *listeners, *self.arguments],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log.open("wb"),
        )
        lines = queue.Queue()
        threading.Thread(target=_read, args=(self.process.stdout, lines), daemon=True).start()
        said, deadline = {}, time.monotonic() + seconds
        while "ready" not in said:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self.kill()
                raise NotReady(f"not ready within {seconds} s\n{self.tail()}") from None
            if line is None:
                raise NotReady(f"ended with {self.process.wait()} before it was ready\n{self.tail()}")
            if line.startswith("lamina: "):
                word, _, rest = line.removeprefix("lamina: ").partition(" ")
                said[word] = rest
        self.api, self.http, self.admin = said["api"], said["http"], said["admin"]
        self._clients = {}
        return self

    def kill(self):
        """`kill -9`, and waits."""
        self._signal(signal.SIGKILL)
        return self.process.wait(10)

    def terminate(self):
        """SIGTERM; does not wait."""
        self._signal(signal.SIGTERM)

    def stop(self, seconds=20.0):
        """SIGTERM, and waits; the exit status."""
        self.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {seconds} s of SIGTERM\n{self.tail()}") from None

    def hang_up(self):
        """SIGHUP: read the configuration again."""
        self._signal(signal.SIGHUP)

    def running(self):
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def end(self):
        """Whatever state it is in, nothing of it is left running."""
        if self.running():
            self.kill()

    def _signal(self, number):
        # Popen sends nothing to a process it has waited for, so a reused id is never hit.
        self.process.send_signal(number)

    def tail(self, lines=60):
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def resident_bytes(self):
        """Its resident set."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the kernel tells no VmRSS")

    # Clients

    def client(self, service):
        """A boto3 client for `lambda`, `sqs` or `scheduler`, kept for this start."""
        if service not in self._clients:
            self._clients[service] = clients.boto(service, self.api)
        return self._clients[service]

    @property
    def lam(self):
        """The Lambda client."""
        return self.client("lambda")

    @property
    def sqs(self):
        """The SQS client."""
        return self.client("sqs")

    @property
    def scheduler(self):
        """The Scheduler client."""
        return self.client("scheduler")

    def request(self, method, path, body=None, headers=None, listener="http", timeout=30):
        """One raw HTTP request to a listener (`api`, `http` or `admin`)."""
        return clients.request(getattr(self, listener), method, path, body, headers, timeout)

    def address(self, listener="http"):
        """Host and port of a listener."""
        url = urllib.parse.urlsplit(getattr(self, listener))
        return url.hostname, url.port

    def connection(self, listener="http", timeout=30):
        """A kept-open HTTP connection to a listener."""
        host, port = self.address(listener)
        return http.client.HTTPConnection(host, port, timeout=timeout)

    def metrics(self):
        """What `/metrics` says now."""
        answer = self.request("GET", "/metrics", listener="admin")
        assert answer.status == 200, answer
        return metrics.parse(answer.body.decode())

    def healthy(self):
        """Whether it lives and says that it is healthy and ready."""
        return self.running() and all(
            self.request("GET", path, listener="admin").status == 200 for path in ("/healthz", "/readyz")
        )

    # The command line

    def lamina(self, *arguments, check=True, timeout=60, stdin=None):
        """Runs `lamina …` against this daemon."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment["LAMINA_ENDPOINT"] = self.api
        done = subprocess.run(
            [binary(), *map(str, arguments)],
            cwd=self.directory,
            env=environment,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
        )
        if check:
            assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout!r}\n{done.stderr!r}"
        return done

    def logs(self, function):
        """A function's log lines so far."""
        return self.lamina("logs", function).stdout.decode(errors="replace").splitlines()

    # Functions

    def invoke(self, function, event=None, **more):
        """Invokes and answers an `Invoked`."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        return Invoked(self.lam.invoke(FunctionName=function, Payload=payload, **more))


class Invoked:
    """What Invoke answered."""

    def __init__(self, answer):
        self.status = answer["StatusCode"]
        self.error = answer.get("FunctionError")
        self.version = answer.get("ExecutedVersion")
        self.log_result = answer.get("LogResult")
        self.headers = answer["ResponseMetadata"]["HTTPHeaders"]
        self.request_id = answer["ResponseMetadata"].get("RequestId")
        self.payload = answer["Payload"].read()

    @property
    def json(self):
        """The response, parsed."""
        return json.loads(self.payload)

    def ok(self):
        """The parsed response of an invocation that must have succeeded."""
        assert self.error is None, f"{self.error}: {self.payload[:2000]!r}"
        return self.json

    def failed(self, error_type=None):
        """The error document of an invocation that must have failed."""
        assert self.error is not None, f"succeeded: {self.payload[:200]!r}"
        document = self.json
        assert "errorMessage" in document or "errorType" in document, document
        if error_type is not None:
            assert document.get("errorType") == error_type, document
        return document


def _read(stream, lines):
    for line in stream:
        lines.put(line.decode(errors="replace").rstrip("\n"))
    lines.put(None)
