//! The servers of the rows: how each is started, and how it says that it is ready.

use super::contenders::{Ask, Package, SAMPLES, Server};
use super::load::Aim;
use super::process::{self, Says};
use super::site::Site;
use super::tools::Tools;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How long a server may take to be ready: the daemon compiles what it has not compiled yet.
pub const READY_WITHIN: Duration = Duration::from_secs(120);

/// Programs and files that servers are started from.
pub struct Programs {
    /// The daemon.
    pub lamina: PathBuf,
    /// `benches/hyper-floor`.
    pub hyper: PathBuf,
    /// `hello-http` as the component that the daemon made of it.
    pub component: PathBuf,
    /// `benches/workerd/config.capnp`.
    pub workerd_config: PathBuf,
    /// The others.
    pub tools: Tools,
    /// Where the daemons have their files.
    pub scratch: PathBuf,
    /// Where the guests are.
    pub guests: PathBuf,
    /// `benches/interpreted`.
    pub sources: PathBuf,
}

/// A server that is ready.
pub struct Running {
    /// Its process.
    pub process: process::Server,
    /// `http://…` of what functions answer.
    pub http: String,
    /// `http://…` of the AWS APIs, where it has them.
    pub api: Option<String>,
    /// `http://…` of metrics, where it has them.
    pub admin: Option<String>,
}

impl Running {
    /// Where load for `ask` goes.
    pub fn aim(&self, ask: Ask) -> Result<Aim> {
        let origin = match ask {
            Ask::Get(_) => self.http.clone(),
            Ask::Invoke(_) => self.api.clone().context("this server has no AWS API")?,
        };
        Ok(Aim { origin, ask })
    }
}

impl Programs {
    /// The daemon's site with the samples.
    pub fn samples(&self) -> Result<Site> {
        let site = Site::new(self.scratch.join("samples"));
        let mut declared = String::new();
        for sample in SAMPLES {
            let (name, sandbox) = (sample.name, sample.sandbox);
            let (package, runtime, handler) = match sample.package {
                Package::Guest(file) => (self.guests.join(file), "provided.al2023", "bootstrap"),
                Package::Source(directory, runtime, handler) => (self.sources.join(directory), runtime, handler),
            };
            declared += &format!(
                "[[functions]]\nname = \"{name}\"\npackage = \"{}\"\nruntime = \"{runtime}\"\nhandler = \"{handler}\"\nsandbox = \"{sandbox}\"\n\n\
                 [[routes]]\npath = \"/{name}\"\nfunction = \"{name}\"\n\n",
                package.display()
            );
        }
        site.configure("", &declared)?;
        Ok(site)
    }

    /// The daemon's site with so many functions; [`Site::deploy`] has filled it.
    pub fn functions(&self, count: u32) -> Site {
        Site::new(self.scratch.join(format!("functions-{count}")))
    }

    /// What starts a server, unpinned.
    pub fn command(&self, server: Server) -> Result<Command> {
        let missing = |name: &str| format!("{name} is not there");
        Ok(match server {
            Server::Hyper => Command::new(&self.hyper),
            Server::Lamina => self.samples()?.serve(&self.lamina),
            Server::LaminaFunctions(count) => self.functions(count).serve(&self.lamina),
            Server::Wasmtime { reuse } => {
                let mut command = Command::new(self.tools.wasmtime.as_ref().with_context(|| missing("wasmtime"))?);
                command.args(["serve", "--addr", "127.0.0.1:0"]);
                // Components of WASI 0.2 serve one request by default.
                let count = if reuse { u32::MAX.to_string() } else { "1".to_owned() };
                command.args(["--max-instance-reuse-count", &count]).arg(&self.component);
                command
            }
            Server::Workerd => {
                let mut command = Command::new(self.tools.workerd.as_ref().with_context(|| missing("workerd"))?);
                command.arg("serve").arg(&self.workerd_config);
                command.args(["--socket-addr", "http=127.0.0.1:0", "--control-fd", "1"]);
                command
            }
        })
    }

    /// Starts a server on `cores` and waits until it listens.
    pub fn start(&self, server: Server, cores: &str) -> Result<Running> {
        let mut command = process::pinned(cores, &self.command(server)?);
        let only = |(process, http)| Running { process, http, api: None, admin: None };
        match server {
            Server::Lamina | Server::LaminaFunctions(_) => lamina(&mut command),
            Server::Hyper => process::Server::start(&mut command, Says::Output, READY_WITHIN, |line| {
                line.strip_prefix("hyper: http ").map(str::to_owned)
            })
            .map(only),
            Server::Wasmtime { .. } => process::Server::start(&mut command, Says::Error, READY_WITHIN, |line| {
                let url = line.strip_prefix("Serving HTTP on ")?;
                Some(url.trim_end_matches('/').to_owned())
            })
            .map(only),
            Server::Workerd => process::Server::start(&mut command, Says::Output, READY_WITHIN, |line| {
                let said: serde_json::Value = serde_json::from_str(line).ok()?;
                Some(format!("http://127.0.0.1:{}", said["port"].as_u64()?))
            })
            .map(only),
        }
    }
}

/// Starts a daemon and waits until it is ready.
pub fn lamina(command: &mut Command) -> Result<Running> {
    let (mut api, mut http, mut admin) = (None, None, None);
    let (process, (http, api, admin)) = process::Server::start(command, Says::Output, READY_WITHIN, |line| {
        match line.strip_prefix("lamina: ")?.split_once(' ') {
            Some(("api", url)) => api = Some(url.to_owned()),
            Some(("http", url)) => http = Some(url.to_owned()),
            Some(("admin", url)) => admin = Some(url.to_owned()),
            // The line without a second word.
            _ => return Some((http.take()?, api.take(), admin.take())),
        }
        None
    })?;
    Ok(Running { process, http, api, admin })
}

/// Builds the floor as the daemon is built.
pub fn build_hyper(workspace: &Workspace) -> Result<PathBuf> {
    let mut build = workspace.cargo();
    crate::steps::show("bare hyper", build.args(["build", "--release", "-p", "lamina-hyper-floor"]))?;
    Ok(workspace.target.join("release/lamina-hyper-floor"))
}
