"""Builds dist/runtime.wasm.gz from sources that this directory pins: crates by shim/Cargo.lock, npm packages by js/package-lock.json, and
QuickJS-NG out of its crate with patches/quickjs.patch applied.

Needs on the machine: rustup's target wasm32-wasip1, clang-22 and llvm-ar-22, wasi-libc's headers, Node with npm, patch. The directory for
everything in between is the first argument, or `target/` beside this file. Two builds give the same bytes.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = "wasm32-wasip1"
ENGINE = "rquickjs-sys"
# The shadow stack; JavaScript's share of it is bounded in shim/src/engine.rs.
STACK_BYTES = 4 << 20


def run(*command, **more):
    subprocess.run([str(part) for part in command], check=True, **more)


def output(*command, **more):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, **more).stdout.strip()


def engine_source(work):
    """QuickJS-NG's crate, checked against its pinned sum, with the patch applied."""
    pinned = tomllib.loads((HERE / "patches" / "engine.toml").read_text())
    name = f"{ENGINE}-{pinned['version']}"
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    fetched = sorted(home.glob(f"registry/cache/*/{name}.crate"))
    if not fetched:
        probe = work / "probe"
        (probe / "src").mkdir(parents=True, exist_ok=True)
        (probe / "src" / "lib.rs").touch()
        manifest = f'[workspace]\n[package]\nname = "probe"\nedition = "2024"\n[dependencies]\n{ENGINE} = "={pinned["version"]}"\n'
        (probe / "Cargo.toml").write_text(manifest)
        run("cargo", "fetch", cwd=probe)
        fetched = sorted(home.glob(f"registry/cache/*/{name}.crate"))
    archive = fetched[0]
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != pinned["sha256"]:
        sys.exit(f"{archive.name} has sha256 {found}, not the pinned {pinned['sha256']}")
    with tarfile.open(archive) as crate:
        crate.extractall(work, filter="data")
    source = work / name
    run("patch", "-p1", "-s", "-i", HERE / "patches" / "quickjs.patch", cwd=source)
    return source


def library(work):
    """The JavaScript library as one script."""
    sources = work / "js"
    shutil.copytree(HERE / "js", sources, ignore=shutil.ignore_patterns("node_modules"))
    run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=sources)
    script = work / "library.js"
    run("node", "bundle.mjs", script, cwd=sources)
    return script


def compile_shim(work, engine, script):
    """The core module, before compression."""
    reactor = Path(output("rustc", "--print", "sysroot", cwd=HERE / "shim")) / "lib" / "rustlib" / TARGET / "lib/self-contained/crt1-reactor.o"
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    flags = [
        f"-Clink-arg={reactor}",
        f"-Clink-arg=-zstack-size={STACK_BYTES}",
        "-Clink-arg=--stack-first",
        "-Clink-arg=--export=__stack_pointer",
        # Panic messages name source files; a build must not show where it ran.
        f"--remap-path-prefix={home}=/cargo",
        f"--remap-path-prefix={HERE}=/runtime",
        f"--remap-path-prefix={work}=/build",
    ]
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(work / "cargo"),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "NODEJS_COMPAT_LIBRARY": str(script),
        "RQUICKJS_SYS_NO_WASI_SDK": "1",
        "CC_wasm32_wasip1": "clang-22",
        "AR_wasm32_wasip1": "llvm-ar-22",
        "CFLAGS_wasm32_wasip1": f"-isystem /usr/include/wasm32-wasi -O3 -g0 -ffile-prefix-map={work}=/build",
    }
    patched = f'patch.crates-io.{ENGINE}.path="{engine}"'
    run("cargo", "--config", patched, "build", "--release", "--locked", "-j2", "--target", TARGET, cwd=HERE / "shim", env=environment)
    return work / "cargo" / TARGET / "release" / "nodejs_compat.wasm"


def main():
    work = Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "target").resolve()
    for name in ("js", "probe", "library.js"):
        path = work / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    for path in work.glob(f"{ENGINE}-*"):
        shutil.rmtree(path)
    work.mkdir(parents=True, exist_ok=True)
    wasm = compile_shim(work, engine_source(work), library(work)).read_bytes()
    packed = gzip.compress(wasm, compresslevel=9, mtime=0)
    dist = HERE / "dist"
    dist.mkdir(exist_ok=True)
    (dist / "runtime.wasm.gz").write_bytes(packed)
    (dist / "SHA256SUMS").write_text(f"{hashlib.sha256(packed).hexdigest()}  runtime.wasm.gz\n")
    print(f"dist/runtime.wasm.gz: {len(packed)} bytes, of {len(wasm)}")


if __name__ == "__main__":
    main()
