//! Where the guests come from.

use anyhow::{Context, bail};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

/// A component of a few hundred bytes that answers how often it was called; what differs between two of them is the number
/// put in for `SEED`.
const COUNTER: &str = include_str!("counter.wat");

/// The sample `hello`, as `cargo xtask guests` builds it: `LAMINA_GUESTS`, else `<target directory>/guests`.
pub fn hello() -> anyhow::Result<Vec<u8>> {
    let dir = match std::env::var_os("LAMINA_GUESTS") {
        Some(dir) => PathBuf::from(dir),
        None => target_dir()?.join("guests"),
    };
    let path = dir.join("hello.wasm");
    std::fs::read(&path).with_context(|| format!("no guest at {}: run `cargo xtask guests`", path.display()))
}

/// A counter that no other seed's counter shares its code with, as text.
pub fn counter(seed: u32) -> String {
    COUNTER.replace("SEED", &seed.to_string())
}

/// A function in each language that a runtime interprets: the runtime's name among AWS's, the handler, and a package with an echo.
pub fn interpreted() -> anyhow::Result<Vec<(&'static str, &'static str, Vec<u8>)>> {
    let python = ("app.py", "def handler(event, context):\n    return event\n");
    let javascript = ("index.mjs", "export const handler = async (event) => event;\n");
    let package = |(name, text): (&str, &str)| {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file(name, zip::write::SimpleFileOptions::default())?;
        archive.write_all(text.as_bytes())?;
        anyhow::Ok(archive.finish()?.into_inner())
    };
    Ok(vec![("python3.13", "app.handler", package(python)?), ("nodejs22.x", "index.handler", package(javascript)?)])
}

/// The directory that this program was built into, found from its own path: `<target>/<profile>[/deps]/<program>`.
fn target_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("this program's own path")?;
    let marked = program.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    match marked.map(Path::to_owned) {
        Some(dir) => Ok(dir),
        None => bail!("{} is not in a target directory: set LAMINA_GUESTS", program.display()),
    }
}
