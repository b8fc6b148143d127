"""The function that runs a module of CPython's tests: an event names the module and the tests that are left out.

It answers how many tests ran and how those ended that did not pass, and, when its time is nearly over, with which test to go on.
Before each test its number and name are printed, so that the log tells which one ended the environment.
"""

import importlib
import logging
import os
import sys
import traceback
import unittest

LEFT_MS = 60_000
OUT = sys.stdout
DIRECTORY = "/tmp/conformance"
# Of the tests of asyncio and of what uses it, those that open no sockets.
LOOP_ALONE = (
    "test_context test_contextlib_async test_eager_task_factory test_futures test_futures2 test_locks test_pep492 test_protocols test_queues"
    " test_runners test_staggered test_taskgroups test_tasks test_threads test_timeouts test_transports test_waitfor test_async_case testasync"
    " test_asyncgen test_coroutines test_builtin"
).split()
# Those that are skipped as a whole for a test of theirs that starts a process.
PROCESS_ALONE = frozenset(("test_argparse", "test_getopt", "test_optparse"))
# Classes of tests that wait for another thread, for ever: failed without being run.
ENDLESS = frozenset(("RunCoroutineThreadsafeTests",))


class Result(unittest.TestResult):
    """Counts each test once, however many subtests of it fail."""

    def __init__(self, context, numbers):
        super().__init__()
        self.context = context
        self.numbers = numbers
        self.last = -1
        self.ran = self.passed = 0
        self.skips = {}
        self.faults = {}

    def startTest(self, test):
        """Says which test begins."""
        super().startTest(test)
        self.ran += 1
        self.last = self.numbers[id(test)]
        print(f"@test {self.last} {test.id()}", file=OUT, flush=True)

    def stopTest(self, test):
        """Asks for the end where little time is left."""
        super().stopTest(test)
        name = test.id()
        self.passed += name not in self.faults and name not in self.skips
        if self.context.get_remaining_time_in_millis() < LEFT_MS:
            self.stop()

    def addSkip(self, test, reason):
        """A test, or with its class or module several, that does not run here."""
        super().addSkip(test, reason)
        # A subtest's is its own affair; what its test comes to is told apart.
        if not isinstance(test, unittest.case._SubTest):
            self.skips.setdefault(test.id(), str(reason))

    def addError(self, test, err):
        """An exception that was not asked for."""
        self._fault(test.id(), err)

    def addFailure(self, test, err):
        """An assertion that does not hold."""
        self._fault(test.id(), err)

    def addSubTest(self, test, subtest, err):
        """A subtest's end."""
        if err is not None:
            self._fault(test.id(), err)

    def addUnexpectedSuccess(self, test):
        """A test that was expected to fail."""
        self.faults.setdefault(test.id(), "unexpected success")

    def _fault(self, name, err):
        last = "".join(traceback.format_exception_only(err[0], err[1])).strip()
        frames = traceback.extract_tb(err[2])
        where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}:{frame.name}" for frame in reversed(frames[-4:]))
        self.faults.setdefault(name, f"{last[:600]} [{where}]")


def flat(suite):
    """The tests of nested suites, in order."""
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from flat(each)
        else:
            yield each


def handler(event, context):
    """Runs `module` from test `first` on, but for those in `without`."""
    os.makedirs(DIRECTORY, exist_ok=True)
    os.chdir(DIRECTORY)
    from test import support

    # The tests expect a logger that nobody has set up; Lambda's has a handler.
    logging.root.handlers.clear()
    # As `python -m test` without options: nothing that takes the network, hours or gigabytes.
    support.use_resources = []
    support.verbose = 0
    # They are skipped where loops have no pair of sockets to wake them; the runtime's loop needs none.
    if event["module"].rpartition(".")[2] in LOOP_ALONE:
        support.has_socket_support = True
    if event["module"].rpartition(".")[2] in PROCESS_ALONE:
        support.has_subprocess_support = True
    try:
        module = importlib.import_module(event["module"])
        suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    except unittest.SkipTest as reason:
        return {"tests": 0, "ran": 0, "passed": 0, "skips": {event["module"]: str(reason)}, "faults": {}, "next": None}
    tests = list(flat(suite))
    first, without = event.get("first", 0), set(event.get("without", ()))
    endless = {number for number, test in enumerate(tests) if type(test).__name__ in ENDLESS}
    chosen = [number for number in range(first, len(tests)) if number not in without and number not in endless]
    result = Result(context, {id(test): number for number, test in enumerate(tests)})
    result.faults.update((tests[number].id(), "waits for another thread") for number in endless)
    unittest.TestSuite(tests[number] for number in chosen).run(result)
    following = [number for number in chosen if number > result.last] if result.shouldStop else []
    return {
        "tests": len(tests),
        "ran": result.ran,
        "passed": result.passed,
        "skips": result.skips,
        "faults": result.faults,
        "next": following[0] if following else None,
    }
