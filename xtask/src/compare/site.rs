//! A daemon's directory: its configuration and its data.
//!
//! Functions are deployed through Lambda's API, as a client would, and by several clients at once. A deployment of thousands takes
//! minutes, so a site that is whole is kept for the next run of the same daemon: [`Site::deploy`] stamps it.

use super::{process, servers};
use crate::http::Connection;
use crate::steps;
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// A function of a few hundred bytes; what differs between two is the number put in for `SEED`.
const COUNTER: &str = include_str!("../../../benches/src/counter.wat");

/// Clients that deploy at the same time.
const DEPLOYERS: usize = 4;

/// One daemon's directory.
pub struct Site {
    /// Where it is.
    pub directory: PathBuf,
}

impl Site {
    /// The site at `directory`, which may not exist yet.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Writes its configuration: free ports, no log of the daemon's own, `settings` (tables of `config.toml`), and what is declared.
    pub fn configure(&self, settings: &str, declared: &str) -> Result<()> {
        fs::create_dir_all(&self.directory)?;
        let any = "127.0.0.1:0";
        let text = format!(
            "[listen]\napi_addr = \"{any}\"\nhttp_addr = \"{any}\"\nadmin_addr = \"{any}\"\n\n\
             [storage]\ndata_dir = \"data\"\n\n[host_log]\nlevel = \"off\"\n\n{settings}\n{declared}"
        );
        fs::write(self.config(), text).with_context(|| format!("cannot write {}", self.config().display()))
    }

    fn config(&self) -> PathBuf {
        self.directory.join("config.toml")
    }

    /// `lamina serve` on it.
    pub fn serve(&self, lamina: &Path) -> Command {
        let mut command = Command::new(lamina);
        command.args(["serve", "--config"]).arg(self.config());
        command
    }

    /// Removes it.
    pub fn remove(&self) -> Result<()> {
        if self.directory.exists() {
            fs::remove_dir_all(&self.directory)
                .with_context(|| format!("cannot remove {}", self.directory.display()))?;
        }
        Ok(())
    }

    /// Makes it a site with the functions `f1` to `f<count>`, compiled; nothing is done where an earlier run of this daemon did it.
    pub fn deploy(&self, lamina: &Path, count: u32) -> Result<()> {
        let stamp = self.directory.join("deployed");
        let file = fs::metadata(lamina).with_context(|| format!("no daemon at {}", lamina.display()))?;
        let wanted =
            format!("{count} functions, daemon of {:?} with {} bytes\n{COUNTER}", file.modified()?, file.len());
        if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
            return self.configure("", "");
        }
        self.remove()?;
        self.configure("", "")?;
        steps::note(&format!("deploying {} functions with code of their own", super::words::count(count.into())));
        let daemon = servers::lamina(&mut self.serve(lamina))?;
        deploy(daemon.api.as_deref().context("the daemon has no API")?, 1, count)?;
        drop(daemon);
        fs::write(&stamp, wanted).context("cannot write the stamp")
    }
}

/// Deploys the functions `f<first>` to `f<first + count - 1>`.
pub fn deploy(api: &str, first: u32, count: u32) -> Result<()> {
    let next = AtomicU32::new(first);
    let one = || -> Result<()> {
        let mut connection = Connection::open(api)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= first + count {
                return Ok(());
            }
            process::uninterrupted()?;
            create(&mut connection, number)?;
        }
    };
    thread::scope(|scope| {
        let deployers: Vec<_> = (0..DEPLOYERS).map(|_| scope.spawn(one)).collect();
        deployers.into_iter().try_for_each(|deployer| deployer.join().unwrap_or_else(|_| bail!("a deployer panicked")))
    })
}

fn create(connection: &mut Connection, number: u32) -> Result<()> {
    let code = COUNTER.replace("SEED", &number.to_string());
    let function = json!({
        "FunctionName": format!("f{number}"),
        "Runtime": "provided.al2023",
        "Role": "arn:aws:iam::000000000000:role/bench",
        "Handler": "bootstrap",
        "Code": { "ZipFile": base64::engine::general_purpose::STANDARD.encode(code) },
    });
    let answer = connection.send("POST", "/2015-03-31/functions", &function.to_string())?;
    if answer.status != 201 {
        bail!("f{number} was not deployed: {} {}", answer.status, answer.body);
    }
    Ok(())
}

/// The path of `Invoke` of a function.
pub fn invoke(number: u32) -> String {
    format!("/2015-03-31/functions/f{number}/invocations")
}

/// The component that a daemon made of the package at `package`: packages and components are files named by their digests.
pub fn component(lamina: &Path, package: &Path, scratch: &Path) -> Result<PathBuf> {
    let site = Site::new(scratch.join("component"));
    site.remove()?;
    site.configure("", &format!("[[functions]]\nname = \"hello\"\npackage = \"{}\"\n", package.display()))?;
    drop(servers::lamina(&mut site.serve(lamina))?);
    let blobs = site.directory.join("data/blobs");
    for blob in fs::read_dir(&blobs).with_context(|| format!("cannot read {}", blobs.display()))? {
        let blob = blob?.path();
        if is_component(&fs::read(&blob)?) {
            let component = scratch.join("hello-http.component.wasm");
            fs::copy(&blob, &component)?;
            site.remove()?;
            return Ok(component);
        }
    }
    bail!("the daemon made no component of {}", package.display())
}

/// Whether it begins as a component and not as a module.
fn is_component(wasm: &[u8]) -> bool {
    wasm.starts_with(b"\0asm\x0d\0\x01\0")
}
