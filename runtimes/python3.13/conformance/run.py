#!/usr/bin/env python3
"""Runs CPython's own tests inside the sandbox and writes CONFORMANCE.md: `run.py --work DIR [MODULE…]`.

The tests are those of the sources that the runtime is built from (`inputs.toml`), packed with `runner.py` into a Lambda package and deployed
on a daemon of this script's (`LAMINA_BIN`). Each file of tests is an invocation of its own, in a new sandbox. What was found is kept in DIR, so
that a run of some modules renews these in the table. `cargo xtask runtimes --conformance python3.13` does all of it.
"""

import io
import json
import pathlib
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
RUNTIME = HERE.parent
sys.path[:0] = [str(RUNTIME), str(RUNTIME.parent), str(RUNTIME.parents[1] / "tests"), str(HERE)]

import conformance_run  # noqa: E402
import report  # noqa: E402
from harness import wait  # noqa: E402

import build  # noqa: E402

FUNCTION = {
    "Runtime": "python3.13",
    "Handler": "runner.handler",
    "Timeout": 300,
    "MemorySize": 1024,
    "EphemeralStorage": {"Size": 1024},
}
# A file whose tests end the environment more often than this is given up.
ENDS = 25
SETTINGS = {"log_capture": {"max_invocation_bytes": 64 << 20}, "logs": {"max_queued_bytes": 256 << 20}}


def names():
    """The test modules of modules.txt."""
    lines = (HERE / "modules.txt").read_text().splitlines()
    return [name for line in lines if not line.startswith("#") for name in line.split()]


def sources(work):
    """Python's sources, patched as for the build."""
    (work / "logs").mkdir(parents=True, exist_ok=True)
    making = build.Build(work, work / "dist", 1)
    parts = ("python", "patches")
    if not all(making.source(name) for name in parts) or not (work / "python/Lib/test/support").is_dir():
        making.fetch(parts)
        making.unpack_python()
    return work / "python"


def package(python):
    """The zip of the function: its code, and the package `test`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(HERE / "runner.py", "runner.py")
        library = python / "Lib"
        for path in sorted((library / "test").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(library).as_posix())
    return out.getvalue()


def files(python, name):
    """The modules with tests that a test module comes to: itself, or what is in the package."""
    directory = python / "Lib" / "test" / name
    if not directory.is_dir():
        return [f"test.{name}"]
    found = [path for path in directory.rglob("test*.py") if not {"__pycache__", "data"}.intersection(path.parts)]
    # Packages that have their tests in other names are loaded by themselves.
    return sorted(".".join(path.relative_to(python / "Lib").with_suffix("").parts) for path in found) or [f"test.{name}"]


class Sandbox(conformance_run.Sandbox):
    """The function with the tests."""

    def last_test(self, request_id):
        """The number and name of the test that an invocation began last; no name where it began none."""

        def lines():
            found = self.daemon.logs(conformance_run.FUNCTION)
            ends = [number for number, line in enumerate(found) if f"END RequestId: {request_id}" in line]
            starts = [number for number, line in enumerate(found) if f"START RequestId: {request_id}" in line]
            return found[starts[0] if starts else ends[0] :] if ends else None

        try:
            said = [line.partition("@test ")[2] for line in wait.until("the log", lines, 60) if "@test " in line]
        except wait.NotInTime:
            said = []
        number, _, name = said[-1].partition(" ") if said else ("-1", "", "")
        return int(number), name


def run(sandbox, name):
    """What a file of tests came to: counts, and by test the reasons of what did not pass."""
    found = {"tests": 0, "passed": 0, "ran": 0, "skips": {}, "faults": {}}
    first, without = 0, []
    while True:
        answer, failed, request_id = sandbox.invoke({"module": name, "first": first, "without": without})
        if not failed:
            found["tests"] = answer["tests"]
            for key in ("passed", "ran"):
                found[key] += answer[key]
            for key in ("skips", "faults"):
                found[key].update(answer[key])
            if answer["next"] is None:
                return found
            first = answer["next"]
            continue
        number, test = sandbox.last_test(request_id)
        ended = f"{answer.get('errorType')}: {answer.get('errorMessage')}"[:600]
        if not test or number in without or len(without) == ENDS:
            # It is not loaded, or ends so often that nothing is to be learnt.
            found["faults"][name] = f"is not loaded: {ended}" if not test else f"ends the environment: {ended}"
            return found
        without.append(number)
        found["faults"][test] = f"ends the environment: {ended}"


def main():
    """The command line."""
    options = conformance_run.options(__doc__, "500 MB", "test modules, such as test_json (default: all of modules.txt)")
    work = options.work
    kept = work / "found.json"
    found = json.loads(kept.read_text()) if kept.is_file() else {}
    if not options.report_only:
        python = sources(work)
        sandbox = Sandbox(work, SETTINGS, package(python), **FUNCTION)
        try:
            for module in options.tests or names():
                if options.go_on and module in found:
                    continue
                results = {}
                for name in files(python, module):
                    results[name] = run(sandbox, name)
                    print(f"{name}: {report.line(results[name])}", flush=True)
                found[module] = results
                kept.write_text(json.dumps(found, indent=1))
        finally:
            sandbox.end()
    (RUNTIME / "CONFORMANCE.md").write_text(report.write(found, names()))


if __name__ == "__main__":
    main()
