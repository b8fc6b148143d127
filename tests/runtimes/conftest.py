"""A daemon with the probe runtime, shared by the tests of this directory."""

import pytest

from harness import clients, packages, runtimes, wait
from harness.daemon import Daemon
from harness.functions import create

# A runtime is built once a daemon, which takes minutes where all processors have other work.
BUILD_SECONDS = 600

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


@pytest.fixture(scope="session")
def python_runtime(shared_daemon):
    """The shared daemon with its Python runtime built."""
    if not shared_daemon.running():
        shared_daemon.start()
    lam, code = shared_daemon.lam, packages.archive({"a.py": ""})
    settings = {"Runtime": "python3.13", "Handler": "a.b", "Role": clients.ROLE, "Code": {"ZipFile": code}}

    def built():
        state = lam.get_function_configuration(FunctionName="first-python")["State"]
        assert state != "Failed", state
        return state == "Active"

    lam.create_function(FunctionName="first-python", **settings)
    wait.until("the runtime is built", built, BUILD_SECONDS, every=0.2)
    lam.delete_function(FunctionName="first-python")
