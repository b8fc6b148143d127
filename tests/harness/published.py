"""Packages from PyPI and npm as they are published, for functions that bring them.

Versions and sums are those that the runtimes' own tests pin. Each set is installed once a machine, into a cache that
the caller names: a directory named after what was asked for, there only when it is complete.
"""

import functools
import hashlib
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from packaging.requirements import Requirement

RUNTIMES = pathlib.Path(__file__).parent.parent.parent / "runtimes"
REQUIREMENTS = RUNTIMES / "python3.13" / "tests" / "requirements.txt"
NODE = RUNTIMES / "nodejs-compat" / "tests" / "functions" / "packages"
NODE_FILES = ("package.json", "package-lock.json", ".npmrc")
# The wheels that Lambda's documentation has one take, whatever this machine is.
PIP = [
    *("install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-compile", "--no-deps"),
    *("--require-hashes", "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.13"),
    *("--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64"),
]
NPM = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
INSTALL_SECONDS = 300
# What tells whether a dependency is wanted: as on the Linux machine that a package is made on, by Lambda's Python.
MARKERS = {
    "python_version": "3.13",
    "python_full_version": "3.13.5",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "extra": "",
}


class Missing(RuntimeError):
    """Packages could not be installed, or one that is asked for is not among those pinned."""


class Python:
    """The distributions of `requirements.txt`, beside each other as `pip install --target` leaves them."""

    def __init__(self, cache):
        self.directory = _once(cache, "python", [REQUIREMENTS], _pip)

    def files(self, *names):
        """The files of distributions and of all that they depend on: `{path in the package: bytes}`."""
        found = {_normal(each.name): each for each in importlib.metadata.distributions(path=[str(self.directory)])}
        wanted, files = list(names), {}
        seen = set()
        while wanted:
            name = _normal(wanted.pop())
            if name in seen:
                continue
            seen.add(name)
            if name not in found:
                raise Missing(f"{REQUIREMENTS} has no {name}")
            distribution = found[name]
            for path in distribution.files or []:
                # Programs are installed beside the packages; a function has no use for them.
                if ".." not in path.parts and path.parts[0] != "bin":
                    files[path.as_posix()] = pathlib.Path(distribution.locate_file(path)).read_bytes()
            for line in distribution.requires or []:
                requirement = Requirement(line)
                if requirement.marker is None or requirement.marker.evaluate(MARKERS):
                    wanted.append(requirement.name)
        return files


class Node:
    """The packages of `package.json` and what they depend on, as `npm ci` leaves them in `node_modules`."""

    def __init__(self, cache):
        self.directory = _once(cache, "node", [NODE / name for name in NODE_FILES], _npm)

    @functools.cached_property
    def _lock(self):
        return json.loads((self.directory / "package-lock.json").read_text())["packages"]

    def files(self, *names):
        """The files of packages and of all that they depend on: `{"node_modules/…": bytes}`."""
        wanted, files = [("", name) for name in names], {}
        seen = set()
        while wanted:
            place = self._resolve(*wanted.pop())
            # Peers may be optional, and then not installed.
            if place is None or place in seen:
                continue
            seen.add(place)
            for path in (self.directory / place).rglob("*"):
                inside = path.relative_to(self.directory)
                # Packages nested in this one are asked for by name.
                if path.is_file() and "node_modules" not in inside.relative_to(place).parts:
                    files[inside.as_posix()] = path.read_bytes()
            entry = self._lock[place]
            for kind in ("dependencies", "optionalDependencies", "peerDependencies"):
                wanted.extend((place, name) for name in entry.get(kind, {}))
        for name in names:
            if not any(path.startswith(f"node_modules/{name}/") for path in files):
                raise Missing(f"{NODE}/package.json has no {name}")
        return files

    def _resolve(self, place, name):
        """Where `name` is found from the package at `place`, as Node looks for it: from there upwards."""
        while True:
            found = f"{place}/node_modules/{name}".lstrip("/")
            if found in self._lock:
                return found
            if not place:
                return None
            place = place.rpartition("node_modules/")[0].rstrip("/")


def _normal(name):
    return name.lower().replace("_", "-").replace(".", "-")


def _once(cache, name, inputs, install):
    """The directory that `install` filled from `inputs`, filled now if it is not there."""
    told = hashlib.sha256(repr((PIP, NPM)).encode())
    for path in inputs:
        told.update(path.read_bytes())
    directory = pathlib.Path(cache) / f"{name}-{told.hexdigest()[:16]}"
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=directory.parent))
    try:
        install(scratch)
        try:
            scratch.rename(directory)
        except OSError:
            # Another run was sooner.
            if not directory.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return directory


def _pip(directory):
    _run([sys.executable, "-m", "pip", *PIP, "--target", directory, "-r", REQUIREMENTS], directory)


def _npm(directory):
    if shutil.which("npm") is None:
        raise Missing("npm is not on PATH: `cargo xtask test` installs it")
    for name in NODE_FILES:
        shutil.copy(NODE / name, directory)
    _run(NPM, directory)


def _run(command, directory):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=directory,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=INSTALL_SECONDS,
    )
    if done.returncode:
        raise Missing(f"{command[0]} ended with {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}")
