//! Beats on a schedule: counts in memory and in `/tmp`, both of which last as long as the execution environment.

use std::{
    fs::OpenOptions,
    io::{self, BufRead, BufReader, Seek, Write},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use lamina::{Context, Error};
use serde::Serialize;
use serde_json::Value;

/// Beats of this execution environment.
static BEATS: AtomicU64 = AtomicU64::new(0);

#[derive(Serialize)]
struct Beat {
    beats: u64,
    /// Lines in the beat file; the same number, unless something else wrote to it.
    recorded: u64,
    remaining_ms: u64,
}

#[lamina::init]
fn init() -> Result<(), Error> {
    log::info!("a new environment: no beats yet");
    Ok(())
}

/// Takes any event: Scheduler sends the schedule's `Input`, EventBridge its scheduled event.
#[lamina::handler]
fn handle(event: Value, ctx: Context) -> Result<Beat, Error> {
    let beats = BEATS.fetch_add(1, Ordering::Relaxed).saturating_add(1);
    let recorded = record(Path::new("/tmp/heartbeat.log"), &ctx.request_id)?;
    let source = event.get("source").and_then(Value::as_str).unwrap_or("a schedule");
    log::info!("beat {beats} from {source}");
    let remaining_ms = u64::try_from(ctx.remaining_time().as_millis()).unwrap_or(u64::MAX);
    Ok(Beat { beats, recorded, remaining_ms })
}

/// Appends a line and counts the lines.
fn record(path: &Path, line: &str) -> io::Result<u64> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    writeln!(file, "{line}")?;
    file.rewind()?;
    BufReader::new(file).lines().try_fold(0, |count, line| line.map(|_| count + 1))
}

#[cfg(test)]
mod tests {
    use lamina::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn beats_add_up() {
        let beats = |event| testing::invoke(handle, event).unwrap()["beats"].as_u64().unwrap();
        let first = beats(json!({"source": "aws.scheduler"}));
        assert_eq!(beats(json!(null)), first + 1);
    }

    #[test]
    fn each_record_is_a_line() {
        let path = std::env::temp_dir().join(format!("heartbeat-{}", std::process::id()));
        let counts = ["r-1", "r-2"].map(|line| record(&path, line).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((counts, text.as_str()), ([1, 2], "r-1\nr-2\n"));
    }
}
