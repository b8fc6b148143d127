"""Fixtures: the built runtime, environments of it, packages from the registry, a server."""

import gzip
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

import harness
import pytest
import server

HERE = pathlib.Path(__file__).parent
DIST = HERE.parent / "dist"
FUNCTIONS = HERE / "functions"


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The engine and the unpacked runtime directory; of a build in progress, where RUNTIME_WASM and RUNTIME_LIB name its parts."""
    wasm, lib = os.environ.get("RUNTIME_WASM"), os.environ.get("RUNTIME_LIB")
    if not wasm:
        wasm = tmp_path_factory.mktemp("wasm") / "runtime.wasm"
        wasm.write_bytes(gzip.decompress((DIST / "runtime.wasm.gz").read_bytes()))
    if not lib:
        lib = tmp_path_factory.mktemp("lib")
        with tarfile.open(DIST / "lib.tar.gz") as archive:
            archive.extractall(lib, filter="data")
    return harness.Engine(wasm), pathlib.Path(lib)


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """A directory with the packages of requirements.txt; PACKAGES names one that is there already."""
    if given := os.environ.get("PACKAGES"):
        return pathlib.Path(given)
    target = tmp_path_factory.mktemp("packages")
    requirements = HERE / "requirements.txt"
    # The wheels that the hashes are of, whichever interpreter and machine this is.
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--implementation", "cp", "--python-version", "3.13"]
    for glibc in ("2_5", "2_12", "2_17", "2_28"):
        command += ["--platform", f"manylinux_{glibc}_x86_64"]
    command += ["--platform", "manylinux2014_x86_64", "--target", str(target), "-r", str(requirements)]
    subprocess.run(command, check=True)
    return target


@pytest.fixture
def environment(built, tmp_path):
    """Makes environments: of the sample functions, or of modules given as name=source."""
    engine, lib = built

    def make(memory_bytes=512 << 20, layers=None, files=None, **modules):
        task, tmp, opt = (tmp_path / name for name in ("task", "tmp", "opt"))
        for directory in (task, tmp, opt):
            shutil.rmtree(directory, ignore_errors=True)
        if modules or files:
            task.mkdir()
            for name, source in {**{f"{name}.py": source for name, source in modules.items()}, **(files or {})}.items():
                (task / name).parent.mkdir(parents=True, exist_ok=True)
                (task / name).write_text(source)
        else:
            shutil.copytree(FUNCTIONS, task)
        tmp.mkdir()
        opt.mkdir()
        if layers:
            shutil.copytree(layers, opt / "python")
        return harness.Environment(engine, lib, task, tmp, opt, memory_bytes)

    return make


@pytest.fixture(scope="session")
def url():
    """The server's."""
    running, url = server.start()
    yield url
    running.shutdown()
