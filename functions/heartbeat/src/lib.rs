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
    fn beats_add_up_in_memory_and_on_disk() {
        let first = testing::invoke(handle, json!({"source": "aws.scheduler"})).unwrap();
        let second = testing::invoke(handle, json!(null)).unwrap();
        let count = |beat: &Value, key: &str| beat[key].as_u64().unwrap();
        assert_eq!(count(&second, "beats"), count(&first, "beats") + 1);
        assert_eq!(count(&second, "recorded"), count(&first, "recorded") + 1);
        assert!(count(&second, "remaining_ms") <= 3_000);
    }
}
