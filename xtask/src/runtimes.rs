//! `cargo xtask runtimes`: the language runtimes of `runtimes/`, built from source by their own scripts.
//!
//! The scripts promise the same bytes wherever they run, given the same compilers. What is committed in `dist/` is built anew, or, to compare,
//! left alone: the build goes beside it, and its sums must be those of `dist/SHA256SUMS`. What lies in between is kept under the target
//! directory; a script uses of it what it trusts.

use crate::workspace::{Workspace, which};
use crate::{apt, python, steps, test};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `cargo xtask runtimes` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Runtimes; all of `runtimes/` where none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Leave dist/ alone, run its tests, and fail where a build has other sums
    #[arg(long)]
    compare: bool,
    /// Build nothing: run the language's own tests in the sandbox and write what came of them to CONFORMANCE.md
    #[arg(long, conflicts_with = "compare")]
    conformance: bool,
}

/// What the scripts need beside rustup and Python, by runtime: a program or an absolute path, and the Debian package that has it.
const NEEDS: [(&str, &[(&str, &str)]); 2] = [
    (
        "nodejs-compat",
        &[
            ("clang-22", "clang-22"),
            ("llvm-ar-22", "llvm-22"),
            ("/usr/include/wasm32-wasi/stdio.h", "wasi-libc"),
            ("node", "nodejs"),
            ("npm", "npm"),
            ("patch", "patch"),
            ("gzip", "gzip"),
        ],
    ),
    (
        "python3.13",
        &[
            ("apt-get", "apt"),
            ("clang-22", "clang-22"),
            ("wasm-ld-22", "lld-22"),
            ("llvm-ar-22", "llvm-22"),
            ("/usr/lib/llvm-22/lib/clang/22/lib/wasi/libclang_rt.builtins-wasm32.a", "libclang-rt-22-dev-wasm32"),
            ("cc", "gcc"),
            ("make", "make"),
            ("patch", "patch"),
            ("tclsh", "tcl"),
            ("xz", "xz-utils"),
            ("gzip", "gzip"),
        ],
    ),
];

/// Builds them, the one after the other.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let known = names(workspace)?;
    if let Some(unknown) = options.names.iter().find(|name| !known.contains(name)) {
        bail!("there is no runtime {unknown}; there are {}", known.join(", "));
    }
    let chosen = if options.names.is_empty() { &known } else { &options.names };
    if options.conformance {
        return conformance(workspace, chosen);
    }
    for name in chosen {
        let script = Script::set_up(workspace, name)?;
        if options.compare {
            own_tests(workspace, name)?;
            compare(workspace, &script)?;
        } else {
            script.build(workspace, &dist(workspace, name))?;
        }
    }
    Ok(())
}

/// Runs the scripts in `conformance/` of those runtimes that have one, against a daemon built for it.
fn conformance(workspace: &Workspace, names: &[String]) -> Result<()> {
    let python = test::python(workspace)?;
    let daemon = test::daemon(workspace, false)?;
    for name in names {
        let script = workspace.root.join("runtimes").join(name).join("conformance/run.py");
        if !script.is_file() {
            steps::note(&format!("runtime {name} has no tests of its language's"));
            continue;
        }
        let mut command = Command::new(&python);
        command.arg(&script).arg("--work").arg(work(workspace, name).join("conformance"));
        command.env("LAMINA_BIN", &daemon).env("PYTHONDONTWRITEBYTECODE", "1");
        steps::show(&format!("conformance of {name}"), &mut command)?;
    }
    Ok(())
}

/// Tests all, and compares those whose compilers are to be had here, saying which are not.
pub fn check(workspace: &Workspace) -> Result<()> {
    for name in names(workspace)? {
        own_tests(workspace, &name)?;
        match Script::set_up(workspace, &name) {
            Ok(script) => compare(workspace, &script)?,
            Err(why) => steps::note(&format!("runtime {name} is not built and compared: {why:#}")),
        }
    }
    Ok(())
}

/// Runs the tests of the module in `dist/`, which need no daemon.
fn own_tests(workspace: &Workspace, name: &str) -> Result<()> {
    let directory = workspace.root.join("runtimes").join(name);
    if !directory.join("tests").is_dir() {
        return Ok(());
    }
    let mut pytest = Command::new(test::python(workspace)?);
    pytest.current_dir(directory.join("tests")).env("PYTHONDONTWRITEBYTECODE", "1");
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    steps::show(&format!("tests of the runtime {name}"), &mut pytest)
}

/// The runtimes of the repository: directories with a manifest.
fn names(workspace: &Workspace) -> Result<Vec<String>> {
    let all = workspace.root.join("runtimes");
    let mut names = Vec::new();
    for entry in fs::read_dir(&all).with_context(|| format!("cannot read {}", all.display()))? {
        let entry = entry?;
        if entry.path().join("runtime.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn dist(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.root.join("runtimes").join(name).join("dist")
}

/// A runtime's script, with what it needs at hand.
struct Script {
    name: String,
    /// The interpreter of `build.py`; without one, the script is `build.sh`.
    python: Option<PathBuf>,
}

impl Script {
    /// Installs what is missing; an error says what is not to be had here.
    fn set_up(workspace: &Workspace, name: &str) -> Result<Self> {
        let purpose = format!("building the runtime {name}");
        for (_, needs) in NEEDS.iter().filter(|(of, _)| *of == name) {
            let missing: Vec<&str> =
                needs.iter().filter(|(what, _)| !there(what)).map(|(_, package)| *package).collect();
            apt::install(workspace, &purpose, &missing)?;
            if let Some((what, package)) = needs.iter().find(|(what, _)| !there(what)) {
                bail!("{purpose} needs {what}, which the package {package} does not bring here");
            }
        }
        let directory = workspace.root.join("runtimes").join(name);
        let rust = directory.join("Cargo.toml").is_file() || directory.join("shim/Cargo.toml").is_file();
        if rust && which("rustup").is_none() {
            bail!("{purpose} needs rustup, which is not on PATH");
        }
        let python = if directory.join("build.py").is_file() {
            // One with pip, which fetches sources.
            Some(python::environment(workspace, "venv", &workspace.root.join("tests/requirements.txt"))?)
        } else {
            None
        };
        Ok(Self { name: name.to_owned(), python })
    }

    /// Builds to `out`.
    fn build(&self, workspace: &Workspace, out: &Path) -> Result<()> {
        let work = work(workspace, &self.name);
        fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        let mut command = if let Some(python) = &self.python {
            let mut command = Command::new(python);
            command.arg("build.py").arg("--work").arg(&work).arg("--out").arg(out);
            command
        } else {
            let mut command = Command::new("./build.sh");
            command.arg(out).env("CARGO_TARGET_DIR", &work);
            command
        };
        command.current_dir(workspace.root.join("runtimes").join(&self.name));
        // Of the cargo that runs us: the scripts have compilers of their own.
        for name in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "LD_LIBRARY_PATH"] {
            command.env_remove(name);
        }
        steps::quietly(&workspace.own().join("logs"), &format!("runtime {}", self.name), &mut command)
    }
}

/// Where a runtime's scripts keep what lies in between.
fn work(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.own().join("runtimes").join(name)
}

/// Builds beside `dist/`; an error has both sums.
fn compare(workspace: &Workspace, script: &Script) -> Result<()> {
    let out = work(workspace, &script.name).join("dist");
    script.build(workspace, &out)?;
    let sums = |directory: &Path| {
        let path = directory.join("SHA256SUMS");
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let (committed, built) = (sums(&dist(workspace, &script.name))?, sums(&out)?);
    let name = &script.name;
    if committed != built {
        bail!(
            "runtime {name}: dist/ is not what its sources and the compilers here make. Committed:\n{committed}built, in {}:\n{built}\
             `cargo xtask runtimes {name}` builds dist/ anew.",
            out.display()
        );
    }
    steps::note(&format!("runtime {name}: the same bytes as in dist/"));
    Ok(())
}

/// Whether a program is on `PATH`, or a file at its path.
fn there(what: &str) -> bool {
    if what.starts_with('/') { Path::new(what).is_file() } else { which(what).is_some() }
}
