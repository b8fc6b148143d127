//! `cargo xtask release`: the daemon as it is meant to be served from, at `<target>/xtask/release/lamina`.
//!
//! It is built twice. The first build counts which ways its code takes while it does what daemons do ([`exercise`]); by those counts the
//! compiler lays out the second (`docs/decisions/0028-profile-guided.md` has what that brings). A profile fits one compiler and one
//! state of the sources, so none is kept.

use crate::compare::contenders::SAMPLES;
use crate::compare::{process, servers};
use crate::daemon::Daemon;
use crate::http::Connection;
use crate::workspace::{Workspace, which};
use crate::{apt, guests, steps};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Cargo's profile of both builds (`Cargo.toml`): with another one symbols have other names, and counts would be nobody's.
const PROFILE: &str = "shipped";
/// How long the daemon may take to be ready: while it counts it is slow, and the samples are compiled.
const READY_WITHIN: Duration = Duration::from_secs(900);
/// Clients at the same time.
const CLIENTS: usize = 8;
/// Requests of each client for each thing that is asked.
const REQUESTS: usize = 2_000;
/// Messages that go through a queue.
const MESSAGES: usize = 500;

/// Builds, counts, builds again.
pub fn run(workspace: &Workspace) -> Result<()> {
    process::watch_signals()?;
    guests::build(workspace, &guests::Options::default())?;
    let rustc = Rustc::find()?;
    let profdata = rustc.profdata(workspace)?;
    let scratch = workspace.own().join("release");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("cannot empty {}", scratch.display()))?;
    }
    let counts = scratch.join("counts");
    fs::create_dir_all(&counts)?;

    let counting = scratch.join("counting");
    let flags = format!("-Cprofile-generate={}", scratch.join("uncounted").display());
    build(workspace, &rustc, &scratch, "the daemon that counts", &flags, &counting)?;
    count(workspace, &scratch, &counting, &counts)?;

    let profile = scratch.join("lamina.profdata");
    let mut merge = Command::new(profdata);
    merge.args(["merge", "--sparse", "-o"]).arg(&profile).arg(&counts);
    steps::show("counts", &mut merge)?;

    let lamina = scratch.join("lamina");
    // Most functions of the libraries are never called: no news.
    let flags = format!("-Cprofile-use={} -Cllvm-args=-pgo-warn-missing-function=false", profile.display());
    build(workspace, &rustc, &scratch, "the daemon by its counts", &flags, &lamina)?;
    fs::remove_dir_all(target(&scratch))?;
    steps::note(&format!("the daemon is {}", lamina.display()));
    Ok(())
}

fn target(scratch: &Path) -> PathBuf {
    scratch.join("target")
}

/// Builds the daemon with these flags for all that becomes part of it, and puts it at `lamina`.
fn build(workspace: &Workspace, rustc: &Rustc, scratch: &Path, what: &str, flags: &str, lamina: &Path) -> Result<()> {
    let target = target(scratch);
    let flags = format!("{} {flags}", std::env::var("RUSTFLAGS").unwrap_or_default());
    let mut cargo = workspace.cargo();
    // Named, the target is what flags are for: compile-time programs go without.
    cargo.args(["build", "-p", "lamina", "--bin", "lamina", "--profile", PROFILE, "--target", &rustc.host]);
    cargo.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", flags.trim());
    steps::show(what, &mut cargo)?;
    let built = target.join(&rustc.host).join(PROFILE).join("lamina");
    fs::copy(&built, lamina).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(())
}

/// Lets the daemon that counts serve; its counts are in `counts` when it has ended.
fn count(workspace: &Workspace, scratch: &Path, counting: &Path, counts: &Path) -> Result<()> {
    let samples =
        servers::samples(&scratch.join("samples"), &workspace.guests(), &workspace.root.join("benches/interpreted"))?;
    let start = |title: &str, serve: &mut Command, work: fn(&Daemon) -> Result<()>| -> Result<()> {
        let spinner = steps::spinner(title);
        let daemon = Daemon::start(serve.current_dir(scratch), READY_WITHIN)?;
        work(&daemon)?;
        let status = daemon.stop()?;
        spinner.finish_and_clear();
        if !status.success() {
            bail!("the daemon that counts did not end well: {status}");
        }
        Ok(())
    };
    // What compiling takes would be more than all that is served: it is over before the start that counts, and it is done by children,
    // which get no variables and so write their counts where nobody looks.
    start("compiling the samples", &mut samples.serve(counting), |_| Ok(()))?;
    let file = counts.join("%p-%m.profraw");
    start("counting", samples.serve(counting).env("LLVM_PROFILE_FILE", file), exercise)
}

/// What daemons do: functions of each kind behind routes and through the Lambda API, and a queue.
fn exercise(daemon: &Daemon) -> Result<()> {
    for sample in SAMPLES {
        let path = format!("/{}", sample.name);
        repeat(&daemon.http, |connection| connection.send("GET", &path, ""))?;
    }
    let invoke = "/2015-03-31/functions/event/invocations";
    repeat(&daemon.api, |connection| connection.send("POST", invoke, r#"{"name":"Ada"}"#))?;
    let queue = daemon.sqs("CreateQueue", &json!({ "QueueName": "counted" }))?;
    let url = &queue["QueueUrl"];
    for number in 0..MESSAGES {
        daemon.sqs("SendMessage", &json!({ "QueueUrl": url, "MessageBody": number.to_string() }))?;
        let received = daemon.sqs("ReceiveMessage", &json!({ "QueueUrl": url }))?;
        let receipt = &received["Messages"][0]["ReceiptHandle"];
        daemon.sqs("DeleteMessage", &json!({ "QueueUrl": url, "ReceiptHandle": receipt }))?;
    }
    Ok(())
}

/// Asks the same of many clients, each [`REQUESTS`] times on a connection of its own.
fn repeat(origin: &str, ask: impl Fn(&mut Connection) -> Result<crate::http::Answer> + Sync) -> Result<()> {
    let client = || -> Result<()> {
        let mut connection = Connection::open(origin)?;
        for _ in 0..REQUESTS {
            process::uninterrupted()?;
            let answer = ask(&mut connection)?;
            if answer.status != 200 {
                bail!("{origin} answered {}: {}", answer.status, answer.body);
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().try_for_each(|client| client.join().unwrap_or_else(|_| bail!("a client panicked")))
    })
}

/// The compiler that builds the daemon.
struct Rustc {
    host: String,
    /// Of the LLVM that it writes counts for.
    llvm_major: String,
    sysroot: PathBuf,
}

impl Rustc {
    fn find() -> Result<Self> {
        let ask = |arguments: &[&str]| -> Result<String> {
            let output = Command::new("rustc").args(arguments).output().context("cannot run rustc")?;
            Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        };
        Self::read(&ask(&["-vV"])?, &ask(&["--print", "sysroot"])?)
    }

    fn read(version: &str, sysroot: &str) -> Result<Self> {
        let field = |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let llvm = field("LLVM version:").context("rustc does not say which LLVM it has")?;
        Ok(Self {
            host: field("host:").context("rustc does not say what it builds for")?.to_owned(),
            llvm_major: llvm.split('.').next().unwrap_or(llvm).to_owned(),
            sysroot: PathBuf::from(sysroot),
        })
    }

    /// `llvm-profdata` of the compiler's LLVM: the toolchain's own, or Debian's; other versions do not read its counts.
    fn profdata(&self, workspace: &Workspace) -> Result<PathBuf> {
        let own = self.sysroot.join("lib/rustlib").join(&self.host).join("bin/llvm-profdata");
        let debian = format!("llvm-profdata-{}", self.llvm_major);
        let there = || own.is_file().then(|| own.clone()).or_else(|| which(&debian));
        if let Some(found) = there() {
            return Ok(found);
        }
        if let Some(rustup) = which("rustup") {
            let mut add = Command::new(rustup);
            add.args(["component", "add", "llvm-tools"]);
            if let Err(why) = steps::quietly(&workspace.own().join("logs"), "rustup component add", &mut add) {
                steps::note(&format!("rustup's llvm-tools are not to be had ({why:#}); taking Debian's"));
            }
        }
        if there().is_none() && apt::usable() {
            apt::install(workspace, "reading counts", &[&format!("llvm-{}", self.llvm_major)])?;
        }
        there().with_context(|| format!("neither rustup's llvm-tools nor {debian} is there"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_says_what_counts_are_read_with() {
        let version = "rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 22.1.2";
        let rustc = Rustc::read(version, "/toolchain").unwrap();
        assert_eq!((rustc.host.as_str(), rustc.llvm_major.as_str()), ("x86_64-unknown-linux-gnu", "22"));
        assert!(Rustc::read("rustc 1.95.0", "/toolchain").is_err());
    }
}
