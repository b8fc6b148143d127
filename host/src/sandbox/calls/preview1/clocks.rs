//! The clocks guests read: the wall clock, one monotonic clock for all environments of the host, and the processor time of their own.

use super::abi::{Errno, Outcome};
use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

pub(super) const REALTIME: u32 = 0;
pub(super) const MONOTONIC: u32 = 1;
const PROCESS_CPU: u32 = 2;
const THREAD_CPU: u32 = 3;

/// Where the monotonic clock counts from, seconds since the Unix epoch: 2026-01-01. Small numbers keep a float's nanoseconds.
const START_S: u64 = 1_767_225_600;

/// Added to the clock, so that it is past every reading that an image was made at.
static ADVANCE_NS: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds of the host's monotonic clock. It never runs backwards while this process lives, and in environments of all
/// functions is the same.
///
/// It begins with the wall clock and goes on by itself, so that it is past what an earlier process showed unless the wall clock
/// was put back meanwhile; [`keep_past`] rules that out for whoever has kept a reading.
pub fn monotonic_ns() -> u64 {
    static START: OnceLock<(u64, Instant)> = OnceLock::new();
    let (base_ns, started) =
        START.get_or_init(|| (realtime_ns().saturating_sub(START_S.saturating_mul(1_000_000_000)), Instant::now()));
    base_ns.saturating_add(nanoseconds(started.elapsed())).saturating_add(ADVANCE_NS.load(Ordering::Relaxed))
}

/// Puts the monotonic clock forward where it is not past `reading_ns`, which an earlier process showed to a guest whose memory
/// is to be used again.
pub fn keep_past(reading_ns: u64) {
    let behind = reading_ns.saturating_sub(monotonic_ns());
    if behind > 0 {
        ADVANCE_NS.fetch_add(behind, Ordering::Relaxed);
    }
}

pub(super) fn realtime_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The processor time that an environment has used. Clones are the same time.
///
/// Whoever polls the guest says so with [`CpuTime::running`]; a guest runs on one thread at a time.
#[derive(Debug, Clone, Default)]
pub struct CpuTime(Arc<CpuTimes>);

#[derive(Debug, Default)]
struct CpuTimes {
    /// Of polls that have ended.
    spent_ns: AtomicU64,
    /// The thread's processor time when the poll under way began, plus one; 0 between polls.
    began_ns: AtomicU64,
}

/// The guest runs on this thread until this is dropped.
#[derive(Debug)]
pub struct Running<'a>(&'a CpuTime);

impl CpuTime {
    /// Counts this thread's processor time from here on.
    pub fn running(&self) -> Running<'_> {
        self.0.began_ns.store(thread_ns().saturating_add(1), Ordering::Relaxed);
        Running(self)
    }

    /// Processor time so far, in nanoseconds. While the guest runs, to be asked on its thread.
    pub fn spent_ns(&self) -> u64 {
        let spent = self.0.spent_ns.load(Ordering::Relaxed);
        match self.0.began_ns.load(Ordering::Relaxed).checked_sub(1) {
            Some(began) => spent.saturating_add(thread_ns().saturating_sub(began)),
            None => spent,
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let times = &self.0.0;
        times.spent_ns.store(self.0.spent_ns(), Ordering::Relaxed);
        times.began_ns.store(0, Ordering::Relaxed);
    }
}

fn thread_ns() -> u64 {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).map_or(0, nanoseconds)
}

/// What `clock_time_get` answers, in nanoseconds.
pub(super) fn now(clock: u32, cpu: &CpuTime) -> Outcome<u64> {
    match clock {
        REALTIME => Ok(realtime_ns()),
        MONOTONIC => Ok(monotonic_ns()),
        PROCESS_CPU | THREAD_CPU => Ok(cpu.spent_ns()),
        _ => Err(Errno::INVAL.into()),
    }
}

/// What `clock_res_get` answers, in nanoseconds.
pub(super) fn resolution(clock: u32) -> Outcome<u64> {
    if clock <= THREAD_CPU { Ok(1) } else { Err(Errno::INVAL.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_is_past_whatever_was_read_before() {
        let first = monotonic_ns();
        assert!(first > 0);
        keep_past(first);
        let reading = monotonic_ns() + 3_600_000_000_000;
        keep_past(reading);
        assert!(monotonic_ns() >= reading);
    }

    #[test]
    fn processor_time_counts_while_the_guest_runs() {
        let cpu = CpuTime::default();
        assert_eq!(cpu.spent_ns(), 0);
        let during = {
            let _running = cpu.running();
            let mut x = 0u64;
            while cpu.spent_ns() < 1_000_000 {
                x = std::hint::black_box(x.wrapping_add(1));
            }
            cpu.spent_ns()
        };
        let after = cpu.spent_ns();
        assert!(after >= during);
        std::hint::black_box((0..1_000_000u64).map(std::hint::black_box).sum::<u64>());
        assert_eq!(cpu.spent_ns(), after);
    }
}
