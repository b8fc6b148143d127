"""Language runtimes for tests: the probe, which is text, as a directory that a daemon takes runtimes from."""

import gzip
import hashlib

from . import config, packages

PROBE = {"Runtime": "probe"}

# What functions of the runtimes that come with Lamina are made with, where a test says nothing else.
PYTHON = {"Runtime": "python3.12", "Handler": "app.handler", "Timeout": 30, "MemorySize": 256}
JAVASCRIPT = {"Runtime": "nodejs22.x", "Handler": "index.handler", "Timeout": 30, "MemorySize": 256}

MANIFEST = {
    "name": "probe",
    "version": "1.0",
    "abi": 1,
    "aws": ["provided", "ruby3.3"],
    "handler_default": "h.h",
    "memory_floor_mb": 16,
}


def write(directory, name="probe", text=None, library=None, **manifest):
    """Writes a runtime into `directory`: its manifest and what is built of it."""
    dist = directory / name / "dist"
    dist.mkdir(parents=True)
    settings = MANIFEST | {"name": name} | manifest
    (directory / name / "runtime.toml").write_text(config.render(settings))
    files = {"runtime.wasm.gz": gzip.compress((text or packages.wat("probe-runtime")).encode(), mtime=0)}
    if library is not None:
        files["lib.tar.gz"] = library
    for file, content in files.items():
        (dist / file).write_bytes(content)
    sums = [f"{hashlib.sha256(content).hexdigest()}  {file}\n" for file, content in files.items()]
    (dist / "SHA256SUMS").write_text("".join(sums))
    return directory


def settings(directory, **names):
    """The configuration of a daemon with the runtimes in `directory`; `names` are AWS's."""
    return config.render({"runtimes": {"dir": str(directory), "names": names}})
