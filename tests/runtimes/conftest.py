"""A daemon with the probe runtime, shared by the tests of this directory."""

import textwrap

import pytest

from harness import clients, packages, published, runtimes, wait
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


def ready(daemon, runtime):
    """Waits until a runtime that comes with Lamina is built on a daemon."""
    if not daemon.running():
        daemon.start()
    lam, name = daemon.lam, f"first-{runtime.partition('.')[0]}"
    settings = {"Runtime": runtime, "Handler": "a.b", "Role": clients.ROLE}
    lam.create_function(FunctionName=name, Code={"ZipFile": packages.archive(CODE)}, **settings)

    def built():
        state = lam.get_function_configuration(FunctionName=name)["State"]
        assert state != "Failed", daemon.tail()
        return state == "Active"

    wait.until("the runtime is built", built, BUILD_SECONDS, every=0.2)
    lam.delete_function(FunctionName=name)


@pytest.fixture(scope="session")
def python_runtime(shared_daemon):
    """The shared daemon has its Python runtime built."""
    ready(shared_daemon, "python3.13")


@pytest.fixture(scope="session")
def javascript_runtime(shared_daemon):
    """The shared daemon has its JavaScript runtime built."""
    ready(shared_daemon, "nodejs22.x")


@pytest.fixture(scope="session")
def runtime_ready():
    """`runtime_ready(daemon, runtime)` waits until a runtime is built on a daemon of a test's own."""
    return ready


@pytest.fixture
def from_source(daemon, name):
    """Makes functions of `source`: the text of `file`, or a dict of the package's files, text or bytes as they are."""
    made = []

    def function(file, source, environment, settings):
        made.append(f"{name}-{len(made)}")
        files = source if isinstance(source, dict) else {file: source}
        create(daemon.lam, made[-1], packages.archive(_dedented(files)), environment, **settings)
        return made[-1]

    yield function
    for function in made:
        daemon.lam.delete_function(FunctionName=function)


def _dedented(files):
    return {path: textwrap.dedent(text) if isinstance(text, str) else text for path, text in files.items()}


@pytest.fixture
def python(from_source, python_runtime):
    """Makes Python functions: `python("source", Timeout=1)`, or with files of a package."""

    def function(source, environment=None, **more):
        return from_source("app.py", source, environment, runtimes.PYTHON | more)

    return function


@pytest.fixture
def javascript(from_source, javascript_runtime):
    """Makes JavaScript functions: `javascript("source", Timeout=1)`, or files of a package."""

    def function(source, environment=None, **more):
        return from_source("index.mjs", source, environment, runtimes.JAVASCRIPT | more)

    return function


@pytest.fixture(scope="session")
def python_packages(request):
    """Files of PyPI's packages and what they depend on: `python({"app.py": "…"} | python_packages("requests"))`."""
    return published.Python(request.config.cache.mkdir("published")).files


@pytest.fixture(scope="session")
def node_packages(request):
    """Files of npm's packages and what they depend on: `javascript({"index.mjs": "…"} | node_packages("zod"))`."""
    return published.Node(request.config.cache.mkdir("published")).files
