//! Steps that a person can watch.
//!
//! [`show`] is for programs that show progress themselves (cargo, pytest): their output goes straight through.
//! [`quietly`] is for installs: a spinner on a terminal, a line every 20 seconds elsewhere; the output goes to a log
//! whose end is printed when the step fails.

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::{self, File};
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Lines of a failed step's log that are printed.
const LOG_TAIL_LINES: usize = 40;

/// Prints a heading.
pub fn heading(text: &str) {
    eprintln!("\n==> {text}");
}

/// Prints a line about what was found or chosen.
pub fn note(text: &str) {
    eprintln!("    {text}");
}

/// Runs a program with its output shown.
pub fn show(title: &str, command: &mut Command) -> Result<()> {
    let (status, elapsed) = status(title, command)?;
    if !status.success() {
        bail!("{title}: {status}");
    }
    note(&format!("{title}: done in {:.1} s", elapsed.as_secs_f64()));
    Ok(())
}

/// Runs a program with its output shown and answers how it ended.
pub fn status(title: &str, command: &mut Command) -> Result<(ExitStatus, Duration)> {
    heading(&format!("{title}: {}", line(command)));
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {}", line(command)))?;
    Ok((status, start.elapsed()))
}

/// Runs a program with its output in `logs/<title>.log`, and shows that it is still running.
pub fn quietly(logs: &Path, title: &str, command: &mut Command) -> Result<()> {
    fs::create_dir_all(logs)?;
    let path = logs.join(format!("{}.log", title.replace(|c: char| !c.is_ascii_alphanumeric(), "-")));
    let log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot run {}", line(command)))?;
    let spinner = std::io::stderr().is_terminal().then(|| spinner(title));
    if spinner.is_none() {
        eprintln!("    {title} …");
    }
    let mut said = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if spinner.is_none() && said.elapsed() >= Duration::from_secs(20) {
            said = Instant::now();
            eprintln!("    {title}: still at it after {} s", start.elapsed().as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    };
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    if !status.success() {
        let text = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LOG_TAIL_LINES)) {
            eprintln!("    | {line}");
        }
        bail!("{title}: `{}` ended with {status} (log: {})", line(command), path.display());
    }
    note(&format!("{title}: done in {:.1} s", start.elapsed().as_secs_f64()));
    Ok(())
}

/// A spinner with a title and the time it has been turning.
pub fn spinner(title: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("    {spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// The command as a person would type it.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
