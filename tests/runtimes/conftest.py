"""A daemon with the probe runtime, shared by the tests of this directory."""

import pytest

from harness import packages, runtimes
from harness.daemon import Daemon
from harness.functions import create

CODE = {"code.txt": "nothing is read of it"}


@pytest.fixture(scope="session")
def probe_daemon(tmp_path_factory):
    """A daemon with the probe runtime, under its own name."""
    directory = tmp_path_factory.mktemp("probe")
    daemon = Daemon(directory, runtimes.settings(runtimes.write(directory / "runtimes")))
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture
def probe(probe_daemon, name):
    """Makes functions of the probe runtime: `probe("handler", Timeout=1)`. The daemon has to stay healthy."""
    made = []

    def function(handler="h.h", environment=None, code=CODE, **more):
        made.append(f"{name}-{len(made)}")
        settings = runtimes.PROBE | {"Handler": handler} | more
        create(probe_daemon.lam, made[-1], packages.archive(code), environment, **settings)
        return made[-1]

    yield function
    assert probe_daemon.healthy(), probe_daemon.tail()
    for function in made:
        probe_daemon.lam.delete_function(FunctionName=function)
