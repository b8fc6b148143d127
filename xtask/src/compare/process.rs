//! Programs that a comparison starts: pinned to cores, measured from outside, ended by their process id.
//!
//! Every server runs in a process group of its own, so that a Ctrl-C in the terminal reaches this program only, and is ended when its [`Server`]
//! is dropped: with SIGTERM, and after [`GRACE`] with SIGKILL. [`watch_signals`] turns Ctrl-C and SIGTERM into an error of the next
//! [`uninterrupted`], so that everything is dropped on the way out.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);
/// How often what is waited for is looked at.
const POLL: Duration = Duration::from_millis(5);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C and SIGTERM end what is under way in order.
pub fn watch_signals() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)).context("cannot listen for signals")
}

/// An error once there was a signal.
pub fn uninterrupted() -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}

/// `command` on the processors of a list such as `0` or `2-3,6`.
pub fn pinned(cores: &str, command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", cores]).arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        pinned.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(name, value),
            None => pinned.env_remove(name),
        };
    }
    pinned
}

/// The command as a person would type it, with whole paths.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Where a server says that it listens.
#[derive(Clone, Copy)]
pub enum Says {
    /// On its standard output.
    Output,
    /// On its standard error.
    Error,
}

/// A running server, ended when it is dropped.
pub struct Server {
    child: Child,
    /// When it was started.
    pub started: Instant,
}

impl Server {
    /// Starts `command` and gives its lines to `ready` until that answers something, which is answered here.
    pub fn start<T>(
        command: &mut Command,
        says: Says,
        within: Duration,
        mut ready: impl FnMut(&str) -> Option<T>,
    ) -> Result<(Self, T)> {
        command.stdin(Stdio::null()).process_group(0);
        match says {
            Says::Output => command.stdout(Stdio::piped()).stderr(Stdio::null()),
            Says::Error => command.stderr(Stdio::piped()).stdout(Stdio::null()),
        };
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {}", line(command)))?;
        let pipe: Option<Box<dyn Read + Send>> = match says {
            Says::Output => child.stdout.take().map(|pipe| Box::new(pipe) as _),
            Says::Error => child.stderr.take().map(|pipe| Box::new(pipe) as _),
        };
        // From here on it is ended whatever happens.
        let mut server = Self { child, started };
        let (send, lines) = mpsc::channel();
        let pipe = pipe.context("no pipe to the server")?;
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                // Once nobody listens the pipe still has to be emptied.
                let _ = send.send(line);
            }
        });
        let mut said = Vec::new();
        loop {
            uninterrupted()?;
            match lines.recv_timeout(Duration::from_millis(100)) {
                Ok(text) => {
                    if let Some(found) = ready(&text) {
                        return Ok((server, found));
                    }
                    said.push(text);
                }
                Err(mpsc::RecvTimeoutError::Timeout) if started.elapsed() < within => {}
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    bail!("{} is not ready after {} s", line(command), within.as_secs())
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let status = server.child.wait()?;
                    bail!("{} ended before it was ready: {status}: {}", line(command), said.join("\n"))
                }
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time it has used so far, user and system.
    pub fn cpu_time(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.pid());
        let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let ticks = cpu_ticks(&stat).with_context(|| format!("{path} is not what it should be"))?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Its resident memory, in kB.
    pub fn rss_kb(&self) -> Result<u64> {
        rss_kb(self.pid())
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            // Once it was waited for, its id may be another process's: no signal after this.
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Resident memory of a process, in kB.
pub fn rss_kb(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// Clock ticks of user and system time in the text of `/proc/<pid>/stat`; the program's name, in brackets, may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some(user + system)
}

/// The processors that a list such as `0` or `2-3,6` names; what is no number is passed over.
pub fn cores(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.trim().parse().ok()?..=to.trim().parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// Confines this thread, and all that it starts, to `list`.
pub fn confine(list: &str) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for core in cores(list).into_iter().filter(|&core| core < rustix::thread::CpuSet::MAX_CPU) {
        set.set(core);
    }
    rustix::thread::sched_setaffinity(None, &set).with_context(|| format!("cannot run on the cores {list:?}"))
}

/// As many open files as may be: loads of thousands of connections need them, on both sides.
pub fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised the load says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Runs a program to its end and answers its standard output. A signal ends it.
pub fn output(command: &mut Command) -> Result<String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {}", line(command)))?;
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let text = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let errors = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if let Err(interrupted) = uninterrupted() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(interrupted);
        }
        thread::sleep(POLL);
    };
    let text = text.join().unwrap_or_default();
    if !status.success() {
        bail!("{}: {status}: {}", line(command), errors.join().unwrap_or_default().trim());
    }
    Ok(text)
}

/// Load average of the last minute: what else runs here disturbs every figure.
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "42 (a) b) (c) S 1 42 42 0 -1 4194560 100 0 0 0 17 25 0 0 20 0 4 0 100 1000 10";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("42 (cut"), None);
    }

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(cores("0"), [0]);
        assert_eq!(cores("2-4,7"), [2, 3, 4, 7]);
        assert!(cores("all").is_empty());
    }

    #[test]
    fn a_server_is_waited_for_and_ended() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo before; echo ready 7; exec sleep 60"]);
        let (server, port) = Server::start(&mut command, Says::Output, Duration::from_secs(5), |line| {
            line.strip_prefix("ready ").map(str::to_owned)
        })
        .unwrap();
        assert_eq!(port, "7");
        assert!(server.rss_kb().unwrap() > 0);
        let pid = server.pid();
        drop(server);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_server_that_ends_early_is_an_error_with_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no port; exit 3"]);
        let failed = Server::start(&mut command, Says::Output, Duration::from_secs(5), |_| None::<()>);
        assert!(failed.err().unwrap().to_string().contains("no port"));
    }
}
