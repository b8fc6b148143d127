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

/// A language that a runtime interprets.
#[derive(Debug, Clone, Copy)]
pub struct Interpreted {
    /// The runtime's name among AWS's.
    pub runtime: &'static str,
    /// The handler of [`Interpreted::package`].
    pub handler: &'static str,
    file: &'static str,
    text: &'static str,
}

/// The languages.
pub const INTERPRETED: [Interpreted; 2] = [
    Interpreted {
        runtime: "python3.13",
        handler: "app.handler",
        file: "app.py",
        text: "def handler(event, context):\n    return event\n",
    },
    Interpreted {
        runtime: "nodejs22.x",
        handler: "index.handler",
        file: "index.mjs",
        text: "export const handler = async (event) => event;\n",
    },
];

impl Interpreted {
    /// A package with an echo, another one for each number.
    pub fn package(&self, number: u32) -> anyhow::Result<Vec<u8>> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file(self.file, zip::write::SimpleFileOptions::default())?;
        archive.write_all(self.text.as_bytes())?;
        archive.start_file("number.txt", zip::write::SimpleFileOptions::default())?;
        write!(archive, "{number}")?;
        Ok(archive.finish()?.into_inner())
    }
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
