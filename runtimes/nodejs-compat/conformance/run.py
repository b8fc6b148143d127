#!/usr/bin/env python3
"""Runs a part of test262 inside the sandbox and writes CONFORMANCE.md: `run.py --work DIR [PREFIX…]`.

The tests come from Debian's source package of Mozilla's engine (`inputs.toml`). Each is an invocation of `runner.mjs`, deployed on a daemon of this
script's (`LAMINA_BIN`), in a new sandbox. What was found is kept in DIR, so that a run of some tests renews these in the table.
`cargo xtask runtimes --conformance nodejs-compat` does all of it.
"""

import argparse
import base64
import concurrent.futures
import hashlib
import http.client
import json
import pathlib
import shutil
import subprocess
import sys
import threading

import tomllib

HERE = pathlib.Path(__file__).resolve().parent
RUNTIME = HERE.parent
REPOSITORY = RUNTIME.parent.parent
sys.path[:0] = [str(RUNTIME.parent), str(REPOSITORY / "tests")]

import report  # noqa: E402
import suite  # noqa: E402
from harness import clients, functions, packages  # noqa: E402
from harness.config import render  # noqa: E402
from harness.daemon import Daemon  # noqa: E402

import debian  # noqa: E402

TIMEOUT_S = 20
BUILD_S = 900
AT_ONCE = 2
# What was found is kept after so many.
AT_A_TIME = 200
FUNCTION = "conformance"
INSIDE = "*/js/src/tests/test262"
# One line of log an invocation would be most of the work.
SETTINGS = {"logs": {"max_size_bytes": 1 << 20}}


def fetch(work):
    """The directory of the tests, unpacked from the checked source package."""
    root = work / "test262"
    entry = tomllib.loads((HERE / "inputs.toml").read_text())["debian"]["mozjs"]
    if (root / "UNPACKED").is_file() and (root / "UNPACKED").read_text() == entry["sha256"]:
        return root
    archive = work / entry["file"]
    if not checked(archive, entry):
        debian.download(debian.configuration(work), entry, work)
    if not checked(archive, entry):
        sys.exit(f"{entry['file']} could not be fetched, or is not the file that inputs.toml names")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    # The directory's own name has the version in it.
    command = ["tar", "xf", archive, "-C", root, "--strip-components=5", "--wildcards", INSIDE]
    subprocess.run(command, check=True)
    (root / "UNPACKED").write_text(entry["sha256"])
    return root


def checked(path, entry):
    """Whether a file is there and is the one that was pinned."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == entry["sha256"]


class Sandbox:
    """The function on its daemon."""

    def __init__(self, work):
        self.daemon = Daemon(work / "daemon", render(SETTINGS))
        self.daemon.start()
        self.own = threading.local()
        body = {
            "FunctionName": FUNCTION,
            "Runtime": "nodejs22.x",
            "Handler": "runner.handler",
            "Role": clients.ROLE,
            "Timeout": TIMEOUT_S,
            "MemorySize": 512,
            "Environment": {"Variables": {"LAMINA_SANDBOX": "fresh"}},
            "Code": {"ZipFile": base64.b64encode(packages.archive({"runner.mjs": (HERE / "runner.mjs").read_bytes()})).decode()},
        }
        path, headers = "/2015-03-31/functions", {"Content-Type": "application/json"}
        # Of an earlier run.
        self.daemon.request("DELETE", f"{path}/{FUNCTION}", None, headers, "api")
        answer = self.daemon.request("POST", path, json.dumps(body), headers, "api", 120)
        if answer.status != 201:
            sys.exit(f"the function was refused: {answer}")
        # The runtime may have to be built first.
        functions.active(self.daemon.lam, FUNCTION, BUILD_S)

    def invoke(self, event):
        """What the function answers: null, or an exception's name and message; one that ends the environment has a name of the host's."""
        if not hasattr(self.own, "connection"):
            self.own.connection = self.daemon.connection("api", TIMEOUT_S + 40)
        path = f"/2015-03-31/functions/{FUNCTION}/invocations"
        try:
            self.own.connection.request("POST", path, json.dumps(event), {"Content-Type": "application/json"})
            answer = self.own.connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            del self.own.connection
            raise
        if answer.headers.get("X-Amz-Function-Error") or answer.status != 200:
            name = document.get("errorType") or document.get("Type")
            return {"name": f"{name}", "message": f"{document.get('errorMessage') or document.get('message')}"[:400], "ended": True}
        return document


def judge(test, answer):
    """What is wrong with an answer; nothing where the test has passed."""
    if test.expected is None:
        return None if answer is None else f"{answer['name']}: {answer['message']}"
    if answer is None:
        return f"no {test.expected}"
    if answer["name"] == test.expected and not answer.get("ended"):
        return None
    return f"{answer['name']} in place of {test.expected}: {answer['message']}"


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=pathlib.Path, required=True, help="where tests, the daemon and what was found are kept; about 1 GB")
    parser.add_argument("--report-only", action="store_true", help="write the table from what was found before")
    parser.add_argument("--go-on", action="store_true", help="leave out the tests of which something was found before")
    parser.add_argument("prefixes", nargs="*", help="beginnings of tests' names, such as built-ins/Promise (default: the parts in suite.py)")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    kept = work / "found.json"
    known = json.loads(kept.read_text()) if kept.is_file() else {"of": 0, "tests": {}}
    found = known["tests"]
    if not options.report_only:
        root = fetch(work)
        chosen = list(suite.tests(root, options.prefixes))
        known["of"] = known["of"] if options.prefixes else len(chosen)
        chosen = [(area, test) for area, test in chosen if not (options.go_on and test.name in found)]
        print(f"{len(chosen)} tests", flush=True)
        sandbox = Sandbox(work)
        try:
            for start in range(0, len(chosen), AT_A_TIME):
                run(sandbox, chosen[start : start + AT_A_TIME], found)
                kept.write_text(json.dumps(known, indent=1))
                wrong = sum(each["wrong"] is not None for each in found.values())
                print(f"{start + AT_A_TIME} run; {len(found)} known, of which {wrong} failed", flush=True)
        finally:
            sandbox.daemon.end()
    (RUNTIME / "CONFORMANCE.md").write_text(report.write(found, known["of"]))


def run(sandbox, chosen, found):
    """Runs tests, some at once, and puts what they came to into `found`."""

    def one(test):
        return None if test.left_out else judge(test, sandbox.invoke(test.event()))

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for (area, test), wrong in zip(chosen, pool.map(lambda each: one(each[1]), chosen), strict=True):
            found[test.name] = {"area": area, "features": test.features, "left_out": test.left_out, "wrong": wrong}


if __name__ == "__main__":
    main()
