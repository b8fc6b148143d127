#!/usr/bin/env python3
"""Runs a part of test262 inside the sandbox and writes CONFORMANCE.md: `run.py --work DIR [PREFIX…]`.

The tests come from Debian's source package of Mozilla's engine (`inputs.toml`). Each is an invocation of `runner.mjs`, deployed on a daemon of this
script's (`LAMINA_BIN`), in a new sandbox. What was found is kept in DIR, so that a run of some tests renews these in the table.
`cargo xtask runtimes --conformance nodejs-compat` does all of it.
"""

import concurrent.futures
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys

import tomllib

HERE = pathlib.Path(__file__).resolve().parent
RUNTIME = HERE.parent
sys.path[:0] = [str(RUNTIME.parent), str(RUNTIME.parents[1] / "tests"), str(HERE)]

import report  # noqa: E402
import suite  # noqa: E402
from harness import packages  # noqa: E402

import conformance_run  # noqa: E402
import debian  # noqa: E402

FUNCTION = {"Runtime": "nodejs22.x", "Handler": "runner.handler", "Timeout": 20, "MemorySize": 512}
AT_ONCE = 2
# What was found is kept after so many.
AT_A_TIME = 200
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


def answered(sandbox, event):
    """What the function answers: null, or an exception's name and message; one that ends the environment has a name of the host's."""
    document, failed, _ = sandbox.invoke(event)
    if not failed:
        return document
    name = document.get("errorType") or document.get("Type")
    return {"name": f"{name}", "message": f"{document.get('errorMessage') or document.get('message')}"[:400], "ended": True}


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
    options = conformance_run.options(__doc__, "1 GB", "beginnings of tests' names, such as built-ins/Promise (default: the parts in suite.py)")
    work = options.work
    kept = work / "found.json"
    known = json.loads(kept.read_text()) if kept.is_file() else {"of": 0, "tests": {}}
    found = known["tests"]
    if not options.report_only:
        root = fetch(work)
        chosen = list(suite.tests(root, options.tests))
        known["of"] = known["of"] if options.tests else len(chosen)
        chosen = [(area, test) for area, test in chosen if not (options.go_on and test.name in found)]
        print(f"{len(chosen)} tests", flush=True)
        code = packages.archive({"runner.mjs": (HERE / "runner.mjs").read_bytes()})
        sandbox = conformance_run.Sandbox(work, SETTINGS, code, **FUNCTION)
        try:
            for start in range(0, len(chosen), AT_A_TIME):
                run(sandbox, chosen[start : start + AT_A_TIME], found)
                kept.write_text(json.dumps(known, indent=1))
                wrong = sum(each["wrong"] is not None for each in found.values())
                print(f"{start + AT_A_TIME} run; {len(found)} known, of which {wrong} failed", flush=True)
        finally:
            sandbox.end()
    (RUNTIME / "CONFORMANCE.md").write_text(report.write(found, known["of"]))


def run(sandbox, chosen, found):
    """Runs tests, some at once, and puts what they came to into `found`."""

    def one(test):
        return None if test.left_out else judge(test, answered(sandbox, test.event()))

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for (area, test), wrong in zip(chosen, pool.map(lambda each: one(each[1]), chosen), strict=True):
            found[test.name] = {"area": area, "features": test.features, "left_out": test.left_out, "wrong": wrong}


if __name__ == "__main__":
    main()
