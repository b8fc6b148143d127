#!/usr/bin/env python3
"""Builds dist/ of this runtime from sources that this directory pins: `build.py [--work DIR] [--out DIR] [--jobs N]`.

Crates are pinned by shim/Cargo.lock, npm packages by js/package-lock.json; QuickJS-NG comes out of its crate, with patches/quickjs.patch
applied. Needs rustup, which installs the compiler and its target where they are missing, clang-22, llvm-ar-22, wasi-libc's headers, Node
with npm, patch and gzip. The same compilers make the same bytes, wherever this checkout and DIR are.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import tomllib

HERE = Path(__file__).resolve().parent
TOOLCHAIN = "1.95.0"
TARGET = "wasm32-wasip1"
ENGINE = "rquickjs-sys"
# The shadow stack; JavaScript's share of it is bounded in shim/src/engine.rs.
STACK_BYTES = 4 << 20


def run(*command, **more):
    subprocess.run([str(part) for part in command], check=True, **more)


def output(*command, **more):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, **more).stdout.strip()


def toolchain():
    """Has rustup install what is missing."""
    listed = ["rustup", "target", "list", "--toolchain", TOOLCHAIN, "--installed"]
    told = subprocess.run(listed, capture_output=True, text=True, check=False)
    if TARGET not in told.stdout.split():
        run("rustup", "toolchain", "install", TOOLCHAIN, "--profile", "minimal", "--target", TARGET)


def shim_source(work):
    """A copy of the shim, in which the engine's crate is put as well.

    Cargo hashes the path of each package into symbols, but a path below the workspace only as it is seen from there.
    """
    source = work / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE / "shim", source, ignore=shutil.ignore_patterns("target"))
    return source


def engine_source(work, shim):
    """QuickJS-NG's crate inside of `shim`, checked against its pinned sum, with the patch applied."""
    pinned = tomllib.loads((HERE / "patches" / "engine.toml").read_text())
    name = f"{ENGINE}-{pinned['version']}"
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    fetched = sorted(home.glob(f"registry/cache/*/{name}.crate"))
    if not fetched:
        probe = work / "probe"
        (probe / "src").mkdir(parents=True, exist_ok=True)
        (probe / "src" / "lib.rs").touch()
        package = '[workspace]\n[package]\nname = "probe"\nedition = "2024"\n'
        manifest = f'{package}[dependencies]\n{ENGINE} = "={pinned["version"]}"\n'
        (probe / "Cargo.toml").write_text(manifest)
        run("cargo", "fetch", cwd=probe)
        fetched = sorted(home.glob(f"registry/cache/*/{name}.crate"))
    archive = fetched[0]
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != pinned["sha256"]:
        sys.exit(f"{archive.name} has sha256 {found}, not the pinned {pinned['sha256']}")
    patch = HERE / "patches" / "quickjs.patch"
    # Cargo does not look at the C files: a directory of its own for each patch has it compile them anew.
    place = shim / f"engine-{hashlib.sha256(patch.read_bytes()).hexdigest()[:12]}"
    source = place / name
    with tarfile.open(archive) as crate:
        crate.extractall(place, filter="data")
    run("patch", "-p1", "-s", "-i", patch, cwd=source)
    return source


def library(work):
    """The JavaScript library as one script."""
    sources = work / "js"
    shutil.copytree(HERE / "js", sources, ignore=shutil.ignore_patterns("node_modules"))
    run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=sources)
    script = work / "library.js"
    run("node", "bundle.mjs", script, cwd=sources)
    return script


def compile_shim(work, shim, engine, script, jobs):
    """The core module, before compression."""
    sysroot = Path(output("rustc", f"+{TOOLCHAIN}", "--print", "sysroot"))
    version = output("rustc", f"+{TOOLCHAIN}", "-vV").splitlines()
    commit = next(line.removeprefix("commit-hash: ") for line in version if line.startswith("commit-hash: "))
    reactor = sysroot / "lib" / "rustlib" / TARGET / "lib/self-contained/crt1-reactor.o"
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    flags = [
        f"-Clink-arg={reactor}",
        f"-Clink-arg=-zstack-size={STACK_BYTES}",
        "-Clink-arg=--stack-first",
        "-Clink-arg=--export=__stack_pointer",
        # Panic messages name source files; a build must not show where it ran. The standard library's have the last
        # of these names where its source is not installed.
        f"--remap-path-prefix={home}=/cargo",
        f"--remap-path-prefix={work}=/build",
        f"--remap-path-prefix={sysroot}/lib/rustlib/src/rust=/rustc/{commit}",
    ]
    # The engine is compiled in a directory that cargo names by a hash of the flags above, paths and all: its assertions name
    # files without directories.
    c_flags = ["-isystem", "/usr/include/wasm32-wasi", "-O3", "-g0", "-D__FILE__=__FILE_NAME__", "-Wno-builtin-macro-redefined"]
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(work / "cargo"),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "NODEJS_COMPAT_LIBRARY": str(script),
        "RQUICKJS_SYS_NO_WASI_SDK": "1",
        "CC_wasm32_wasip1": "clang-22",
        "AR_wasm32_wasip1": "llvm-ar-22",
        "CFLAGS_wasm32_wasip1": " ".join(c_flags),
    }
    patched = f'patch.crates-io.{ENGINE}.path="{engine}"'
    build = ["build", "--release", "--locked", f"-j{jobs}", "--target", TARGET]
    run("cargo", f"+{TOOLCHAIN}", "--config", patched, *build, cwd=shim, env=environment)
    return work / "cargo" / TARGET / "release" / "nodejs_compat.wasm"


def pack(wasm, out):
    """dist/: gzip -9, without name and time."""
    out.mkdir(parents=True, exist_ok=True)
    packed = out / "runtime.wasm.gz"
    with wasm.open("rb") as stream, packed.open("wb") as target:
        subprocess.run(["gzip", "-9n"], stdin=stream, stdout=target, check=True)
    sums = f"{hashlib.sha256(packed.read_bytes()).hexdigest()}  {packed.name}\n"
    (out / "SHA256SUMS").write_text(sums)
    print(sums, end="")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, default=HERE / "target", help="where to build (default: target/)")
    parser.add_argument("--out", type=Path, default=HERE / "dist", help="where the results go (default: dist/)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many compilers at once")
    options = parser.parse_args()
    work = options.work.resolve()
    for name in ("js", "probe", "library.js"):
        path = work / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    toolchain()
    shim = shim_source(work)
    engine = engine_source(work, shim)
    pack(compile_shim(work, shim, engine, library(work), options.jobs), options.out.resolve())


if __name__ == "__main__":
    main()
