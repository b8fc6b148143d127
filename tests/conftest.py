"""Fixtures: the daemon most tests share, daemons of a test's own, functions and queues that end with the test."""

import itertools
import os
import re

import pytest

from harness.daemon import Daemon
from harness.functions import create, zipped
from harness.recorder import Recorder

_numbers = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="the long forms: 50 kills, timing comparisons")


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session):
    path = os.environ.get("LAMINA_PARITY")
    if not path:
        return (yield)
    with Recorder() as recorder:
        try:
            return (yield)
        finally:
            recorder.write(path)


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        skip = pytest.mark.skip(reason="only with --full")
        for item in items:
            if "full" in item.keywords:
                item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for daemon in item.session.stash.get(_DAEMONS, []):
            if daemon.starts and daemon.touched == item.nodeid:
                report.sections.append((f"log of the daemon in {daemon.directory}", daemon.tail()))
    return report


_DAEMONS = pytest.StashKey()


def _known(request, daemon):
    daemon.touched = None
    request.session.stash.setdefault(_DAEMONS, []).append(daemon)
    return daemon


@pytest.fixture(scope="session")
def full(request):
    """Whether the long forms are asked for."""
    return request.config.getoption("--full")


@pytest.fixture(scope="session")
def shared_daemon(request, tmp_path_factory):
    """The process behind `daemon`."""
    daemon = _known(request, Daemon(tmp_path_factory.mktemp("shared")))
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture
def daemon(request, shared_daemon):
    """The daemon that tests share. One that a test killed is started again for the next; that test fails."""
    if not shared_daemon.running():
        shared_daemon.start()
    shared_daemon.touched = request.node.nodeid
    yield shared_daemon
    assert shared_daemon.running(), f"the daemon died in this test\n{shared_daemon.tail()}"


@pytest.fixture
def own_daemon(request, tmp_path):
    """Makes daemons of the test's own, not yet started: `own_daemon(config="…")`."""
    made = []

    def make(config="", arguments=(), environment=None):
        directory = tmp_path / f"daemon-{len(made)}"
        daemon = _known(request, Daemon(directory, config, arguments, environment))
        daemon.touched = request.node.nodeid
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.end()


@pytest.fixture
def lam(daemon):
    """A Lambda client."""
    return daemon.lam


@pytest.fixture
def sqs(daemon):
    """An SQS client."""
    return daemon.sqs


@pytest.fixture
def scheduler(daemon):
    """A Scheduler client."""
    return daemon.scheduler


def unique(request):
    """A name nothing else in this run has, with the test's name in it."""
    name = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name.removeprefix("test_")).strip("-")
    return f"{name[:40].strip('-')}-{os.getpid() % 10000}-{next(_numbers)}"


@pytest.fixture
def name(request):
    """One such name."""
    return unique(request)


@pytest.fixture
def names(request):
    """A maker of such names."""
    return lambda: unique(request)


@pytest.fixture
def make(request, daemon):
    """Makes functions on the shared daemon, deleted with the test: `make("invoke_ops", Timeout=1)`.

    The package is a guest's name (`invoke_echo.event` and the like are hand-written ones) or the bytes of a zip.
    """
    made = []

    def function(package="invoke_echo.event", name=None, environment=None, **more):
        name = name or unique(request)
        made.append(name)
        create(daemon.lam, name, zipped(package), environment, **more)
        return name

    yield function
    if daemon.running():
        for name in made:
            try:
                daemon.lam.delete_function(FunctionName=name)
            except daemon.lam.exceptions.ResourceNotFoundException:
                pass


@pytest.fixture
def make_queue(request, daemon):
    """Makes queues on the shared daemon, deleted with the test; answers their URLs."""
    made = []

    def queue(name=None, fifo=False, **attributes):
        name = name or unique(request) + (".fifo" if fifo else "")
        if fifo:
            attributes["FifoQueue"] = "true"
        url = daemon.sqs.create_queue(
            QueueName=name, Attributes={key: str(value) for key, value in attributes.items()}
        )["QueueUrl"]
        made.append(url)
        return url

    yield queue
    if daemon.running():
        for url in made:
            try:
                daemon.sqs.delete_queue(QueueUrl=url)
            except daemon.sqs.exceptions.QueueDoesNotExist:
                pass
