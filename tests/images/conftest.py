"""Registries, and a daemon that may pull from one of them."""

import pytest

from harness.daemon import Daemon
from harness.registry import Liar, Registry, settings


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A registry without credentials."""
    made = Registry(tmp_path_factory.mktemp("registry")).start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def image_daemon(registry, tmp_path_factory):
    """A daemon that may pull from it."""
    made = Daemon(tmp_path_factory.mktemp("daemon"), settings(registry.host)).start()
    yield made
    made.end()


@pytest.fixture
def liar():
    """A registry that answers what the test wants."""
    made = Liar()
    yield made
    made.stop()
