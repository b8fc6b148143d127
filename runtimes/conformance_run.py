"""What the conformance scripts of runtimes share: their command line, and a function on a daemon of their own (`LAMINA_BIN`).

The scripts put `runtimes/` and `tests/` on the path.
"""

import argparse
import base64
import http.client
import json
import pathlib
import sys
import threading

from harness import clients, functions
from harness.config import render
from harness.daemon import Daemon

BUILD_S = 900
FUNCTION = "conformance"


class Sandbox:
    """A function whose every invocation has a sandbox of its own. Threads may share it."""

    def __init__(self, work, settings, code, **configuration):
        self.daemon = Daemon(work / "daemon", render(settings))
        self.daemon.start()
        self.own = threading.local()
        self.timeout_s = configuration["Timeout"] + 60
        body = {
            "FunctionName": FUNCTION,
            "Role": clients.ROLE,
            "Environment": {"Variables": {"LAMINA_SANDBOX": "fresh"}},
            "Code": {"ZipFile": base64.b64encode(code).decode()},
        }
        path, headers = "/2015-03-31/functions", {"Content-Type": "application/json"}
        # Of an earlier run.
        self.daemon.request("DELETE", f"{path}/{FUNCTION}", None, headers, "api")
        answer = self.daemon.request("POST", path, json.dumps(body | configuration), headers, "api", 120)
        if answer.status != 201:
            sys.exit(f"the function was refused: {answer}")
        # The runtime may have to be built first.
        functions.active(self.daemon.lam, FUNCTION, BUILD_S)

    def invoke(self, event):
        """What the function answers, or the error's document; whether it is that; and the invocation's id."""
        if not hasattr(self.own, "connection"):
            self.own.connection = self.daemon.connection("api", self.timeout_s)
        path = f"/2015-03-31/functions/{FUNCTION}/invocations"
        try:
            self.own.connection.request("POST", path, json.dumps(event), {"Content-Type": "application/json"})
            answer = self.own.connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            del self.own.connection
            raise
        failed = "X-Amz-Function-Error" in answer.headers or answer.status != 200
        return document, failed, answer.headers.get("x-amzn-RequestId")

    def end(self):
        """Ends the daemon."""
        self.daemon.end()


def options(description, size, tests):
    """The command line, with the directory for the work made: `--work DIR [TEST…]`, where `tests` says what is named so."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--work", type=pathlib.Path, required=True, help=f"where tests, the daemon and what was found are kept; about {size}")
    parser.add_argument("--report-only", action="store_true", help="write the table from what was found before")
    parser.add_argument("--go-on", action="store_true", help="leave out the tests of which something was found before")
    parser.add_argument("tests", nargs="*", help=tests)
    parsed = parser.parse_args()
    parsed.work = parsed.work.resolve()
    parsed.work.mkdir(parents=True, exist_ok=True)
    return parsed
