//! Every guest of the repository as `<target>/guests/<name>.wasm`.
//!
//! `functions/` (samples) and `tests/guests/` (fixtures) are cargo workspaces of their own. Of each package the library
//! (`cdylib`) or else the program is built, for `wasm32-wasip1` or for the target named in
//! `[package.metadata.lamina] target`. A folder with `.c` files and no `Cargo.toml` is a C guest. `.wat` files are copied.
//! A file is replaced only where its content changed, so what depends on it is not done again.

use crate::steps;
use crate::toolchain::{self, Rust, TARGETS};
use crate::workspace::{Workspace, metadata};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Workspaces with guests.
pub const WORKSPACES: [&str; 2] = ["functions", "tests/guests"];

/// What `cargo xtask guests` takes.
#[derive(clap::Args, Default)]
pub struct Options {
    /// Which Rust compiler to use for guests; the first that can be had otherwise
    #[arg(long, value_enum)]
    pub toolchain: Option<Rust>,
}

/// One wasm file to make with cargo.
struct Guest {
    package: String,
    /// The file as cargo names it, without its ending.
    file: String,
    target: String,
    library: bool,
}

/// Builds them all; answers the toolchain used.
pub fn build(workspace: &Workspace, options: &Options) -> Result<Rust> {
    steps::heading("guests");
    let rust = Rust::set_up(workspace, options.toolchain)?;
    let out = workspace.guests();
    // A link that a build with another target directory left, see `link_default_target`.
    if out.is_symlink() {
        fs::remove_file(&out)?;
    }
    fs::create_dir_all(&out)?;
    let mut made: BTreeMap<String, PathBuf> = BTreeMap::new();
    for directory in WORKSPACES {
        let root = workspace.root.join(directory);
        if root.join("Cargo.toml").is_file() {
            build_cargo(workspace, rust, &root, &mut made)?;
        }
    }
    let samples = workspace.root.join("functions");
    for folder in folders(&samples)? {
        if !folder.join("Cargo.toml").exists() {
            build_c(workspace, &folder, &mut made)?;
        }
        for file in files(&folder, "wat")? {
            made.insert(name_of(&file)? + ".wat", file);
        }
    }
    let mut changed = 0;
    for (name, from) in &made {
        changed += usize::from(replace(from, &out.join(name))?);
    }
    link_default_target(workspace)?;
    steps::note(&format!("{} guests in {} ({changed} changed)", made.len(), out.display()));
    Ok(rust)
}

fn build_cargo(workspace: &Workspace, rust: Rust, root: &Path, made: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for guest in guests_of(root)? {
        let cargo = rust.cargo(workspace, root, &guest.target, !guest.library);
        let from = cargo.artifacts.join(format!("{}.wasm", guest.file));
        // One at a time: in a common build the features one guest asks of a dependency would reach the others.
        steps::show(&format!("guest {}", guest.package), &mut cargo.build(&guest.package, guest.library))?;
        if let Some(other) = made.insert(format!("{}.wasm", guest.package), from.clone()) {
            bail!("two guests are named {}: {} and {}", guest.package, other.display(), from.display());
        }
    }
    Ok(())
}

/// What a guest workspace holds; a package that is neither library nor program for wasm is none.
fn guests_of(root: &Path) -> Result<Vec<Guest>> {
    let metadata = metadata(&root.join("Cargo.toml"))?;
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let mut guests = Vec::new();
    for package in list(&metadata["packages"]) {
        let name = package["name"].as_str().context("a package without a name")?.to_owned();
        let target = package["metadata"]["lamina"]["target"].as_str().unwrap_or(TARGETS[0]).to_owned();
        if !TARGETS.contains(&target.as_str()) {
            bail!("{name}: [package.metadata.lamina] target is {target}, which is none of {}", TARGETS.join(", "));
        }
        let targets = list(&package["targets"]);
        let of_kind = |kind: &str| {
            targets.iter().find(|t| list(&t["kind"]).iter().any(|k| k == kind)).and_then(|t| t["name"].as_str())
        };
        let (file, library) = match (of_kind("cdylib"), of_kind("bin")) {
            (Some(library), _) => (library.replace('-', "_"), true),
            (None, Some(program)) => (program.to_owned(), false),
            (None, None) => continue,
        };
        guests.push(Guest { package: name, file, target, library });
    }
    Ok(guests)
}

fn build_c(workspace: &Workspace, folder: &Path, made: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let sources = files(folder, "c")?;
    if sources.is_empty() {
        return Ok(());
    }
    let name = name_of(folder)?;
    let out = workspace.guests().join("build-c").join(format!("{name}.wasm"));
    let modified = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let fresh = sources.iter().chain(&files(folder, "h")?).all(|source| modified(source) < modified(&out));
    if !fresh {
        fs::create_dir_all(workspace.guests().join("build-c"))?;
        let (program, first) = toolchain::c_compiler(workspace)?;
        let mut compile = Command::new(program);
        compile.args(first).args(["-O2", "-Wall", "-Wextra", "-Werror", "-s", "-o"]).arg(&out).args(&sources);
        steps::quietly(&workspace.own().join("logs"), &format!("C guest {name}"), &mut compile)?;
    }
    made.insert(format!("{name}.wasm"), out);
    Ok(())
}

/// `config.toml` names guests under `target/guests`; with another target directory that is a link to the real one.
fn link_default_target(workspace: &Workspace) -> Result<()> {
    let default = workspace.root.join("target");
    if default == workspace.target {
        return Ok(());
    }
    let link = default.join("guests");
    if fs::read_link(&link).is_ok_and(|to| to == workspace.guests()) {
        return Ok(());
    }
    if link.is_symlink() {
        fs::remove_file(&link)?;
    } else if link.exists() {
        fs::remove_dir_all(&link)?;
    }
    fs::create_dir_all(&default)?;
    std::os::unix::fs::symlink(workspace.guests(), &link)
        .with_context(|| format!("cannot link {} to {}", link.display(), workspace.guests().display()))
}

/// Copies a file where the content differs; whether it did.
fn replace(from: &Path, to: &Path) -> Result<bool> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    let part = to.with_extension("part");
    fs::write(&part, content)?;
    fs::rename(&part, to)?;
    Ok(true)
}

fn folders(directory: &Path) -> Result<Vec<PathBuf>> {
    entries(directory, |path| path.is_dir() && path.file_name().is_none_or(|name| name != "target"))
}

fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    entries(directory, |path| path.is_file() && path.extension().is_some_and(|e| e == extension))
}

fn entries(directory: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        if wanted(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_stem().and_then(|name| name.to_str());
    Ok(name.with_context(|| format!("{} has no readable name", path.display()))?.to_owned())
}
