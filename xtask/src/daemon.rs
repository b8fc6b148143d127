//! The daemon as a child: started, waited for, told to end.
//!
//! It runs in a process group of its own, so a Ctrl-C in the terminal reaches only this program, which passes it on as
//! one SIGTERM: the daemon drains. A second Ctrl-C is passed on as a second, on which it leaves at once.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A running daemon; dropped, it is told to end and waited for.
pub struct Daemon {
    child: Child,
    /// `http://…` of the AWS APIs.
    pub api: String,
    /// `http://…` of the function routes.
    pub http: String,
    /// `http://…` of metrics and health.
    pub admin: String,
}

impl Daemon {
    /// Starts `command` and reads its standard output until it says that it is ready.
    pub fn start(command: &mut Command, within: Duration) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let output = child.stdout.take().context("the daemon has no standard output")?;
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Once nobody listens the pipe still has to be emptied.
                let _ = send.send(line);
            }
        });
        let mut daemon = Self { child, api: String::new(), http: String::new(), admin: String::new() };
        let deadline = Instant::now() + within;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    match line.strip_prefix("lamina: ").map(|said| said.split_once(' ').unwrap_or((said, ""))) {
                        Some(("api", url)) => daemon.api = url.to_owned(),
                        Some(("http", url)) => daemon.http = url.to_owned(),
                        Some(("admin", url)) => daemon.admin = url.to_owned(),
                        Some(("ready", _)) => return Ok(daemon),
                        _ => {}
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => bail!("the daemon is not ready after {} s", within.as_secs()),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    bail!("the daemon ended before it was ready: {}", daemon.child.wait()?)
                }
            }
        }
    }

    /// Passes Ctrl-C and SIGTERM on to the daemon from now on.
    pub fn forward_signals(&self) -> Result<()> {
        let pid = self.pid().context("the daemon has no process id")?;
        ctrlc::set_handler(move || {
            let _ = kill_process(pid, Signal::TERM);
        })
        .context("cannot listen for signals")
    }

    /// Waits until it ends by itself or by a signal.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().context("cannot wait for the daemon")
    }

    /// Tells it to end and waits.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.terminate();
        self.wait()
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    fn terminate(&mut self) {
        // Once it was waited for, its id may be another process's.
        if let (Ok(None), Some(pid)) = (self.child.try_wait(), self.pid()) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.terminate();
        let _ = self.child.wait();
    }
}
