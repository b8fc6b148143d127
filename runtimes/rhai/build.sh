#!/bin/sh
# build.sh [OUT]: builds dist/, or OUT, from this directory and the crates that Cargo.lock names: the same bytes wherever it runs, given
# the same compiler.
# Needs rustup, which installs the compiler and its target where they are missing.
set -eu
out=$(realpath -m "${1:-$(dirname "$0")/dist}")
cd "$(dirname "$0")"

toolchain=1.95.0
target=wasm32-wasip1
rustup target list --toolchain "$toolchain" --installed 2>/dev/null | grep -qx "$target" ||
    rustup toolchain install "$toolchain" --profile minimal --target "$target"

directory=$(pwd)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
library=$(rustc "+$toolchain" --print sysroot)/lib/rustlib/src/rust
commit=$(rustc "+$toolchain" -vV | sed -n 's/^commit-hash: //p')
# Messages of panics name files: not by where they lie on this machine. The standard library's have this name where its source is not installed.
RUSTFLAGS="--remap-path-prefix=$directory=/rhai --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$library=/rustc/$commit"
# `ahash` draws numbers when it is compiled.
CONST_RANDOM_SEED=lamina
SOURCE_DATE_EPOCH=0
export RUSTFLAGS CONST_RANDOM_SEED SOURCE_DATE_EPOCH

cargo "+$toolchain" build --release --locked --lib --target "$target"

mkdir -p "$out"
gzip -9 -n <"${CARGO_TARGET_DIR:-target}/$target/release/lamina_rhai.wasm" >"$out/runtime.wasm.gz"
(cd "$out" && sha256sum runtime.wasm.gz >SHA256SUMS && cat SHA256SUMS)
