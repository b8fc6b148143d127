//! The lane of one function: takes its events in the order of their time, and starts their deliveries.
//!
//! A lane ends when its function has no event left, and is made again with the next one.

use super::delivery::{self, End};
use super::{AsyncInvocations, Config};
use crate::ids::FunctionName;
use crate::shutdown::Phase;
use crate::storage::async_events::{Event, EventId};
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// Events read at once, where more are due.
const BATCH: usize = 64;
/// Payloads read ahead in one batch; one event may be larger.
const BATCH_BYTES: usize = 1 << 20;
/// The longest wait before looking again, so that a stepped clock is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Pause after storage failed.
const STORAGE_PAUSE: Duration = Duration::from_secs(1);

/// One function's events.
pub(super) struct Lane {
    function: FunctionName,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// Something may have become due since the last look.
    signalled: bool,
    /// Read and not begun.
    read: VecDeque<Event>,
    /// All that were read and are not settled.
    held: HashSet<EventId>,
    /// Deliveries under way.
    running: usize,
    /// A place among all deliveries that was waited for.
    place: Option<OwnedSemaphorePermit>,
    pace: Pace,
}

/// How much a lane tries at a time, by what became of its last tries.
struct Pace {
    limit: usize,
    throttles: u32,
    paused_until_ms: Option<i64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { limit: usize::MAX, throttles: 0, paused_until_ms: None }
    }
}

impl Pace {
    /// The function ran: what holds it back has given way.
    fn ran(&mut self) {
        self.limit = self.limit.saturating_add(1);
        (self.throttles, self.paused_until_ms) = (0, None);
    }

    /// The function could not run, while `running` other deliveries are under way. Those begun together count once.
    fn throttled(&mut self, now_ms: i64, running: usize, config: &Config) {
        self.limit = running.max(1);
        if self.paused_until_ms.is_some_and(|until_ms| now_ms < until_ms) {
            return;
        }
        self.throttles = self.throttles.saturating_add(1);
        let doubled = 1u64.checked_shl(self.throttles.saturating_sub(1)).unwrap_or(u64::MAX);
        let pause_ms = config.first_throttle_pause_ms.saturating_mul(doubled).min(config.longest_throttle_pause_ms);
        self.paused_until_ms = Some(now_ms.saturating_add_unsigned(pause_ms));
    }
}

/// What a lane does next.
enum Next {
    /// Looks again.
    Again,
    /// Waits to be woken, or for this long.
    Wait(Option<Duration>),
    /// Waits for a place among all deliveries.
    Place,
    /// Ends; it is in the table no more.
    End,
}

impl Lane {
    pub(super) fn new(function: FunctionName) -> Self {
        Self { function, state: Mutex::default(), wake: Notify::new() }
    }

    /// Something may be due.
    pub(super) fn signal(&self) {
        self.state.lock().signalled = true;
        self.wake.notify_one();
    }

    /// Whether an event is being attempted, or about to be.
    pub(super) fn holds(&self, id: EventId) -> bool {
        self.state.lock().held.contains(&id)
    }

    /// All such events.
    pub(super) fn held(&self) -> Vec<EventId> {
        self.state.lock().held.iter().copied().collect()
    }

    pub(super) async fn run(self: Arc<Self>, all: Arc<AsyncInvocations>) {
        let stop = all.shutdown.token(Phase::Intake);
        while !stop.is_cancelled() {
            let pause = match self.step(&all).await {
                Next::Again => continue,
                Next::End => return,
                Next::Wait(pause) => pause,
                Next::Place => {
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => {}
                        () = self.wake.notified() => {}
                        place = Arc::clone(&all.in_flight).acquire_owned() => self.state.lock().place = place.ok(),
                    }
                    continue;
                }
            };
            let slept = async {
                match pause {
                    Some(pause) => all.parts.clock.sleep(pause.min(LONGEST_WAIT)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = slept => {}
            }
        }
    }

    async fn step(self: &Arc<Self>, all: &Arc<AsyncInvocations>) -> Next {
        let now_ms = all.parts.clock.now_ms();
        let share = all.share();
        let (free, is_empty, held) = {
            let mut state = self.state.lock();
            state.signalled = false;
            if let Some(until_ms) = state.pace.paused_until_ms.filter(|until_ms| now_ms < *until_ms) {
                return Next::Wait(Some(millis(until_ms.saturating_sub(now_ms))));
            }
            let free = share.min(state.pace.limit).saturating_sub(state.running);
            let is_empty = state.read.is_empty();
            (free, is_empty, if is_empty && free > 0 { state.held.clone() } else { HashSet::new() })
        };
        if free == 0 {
            return Next::Wait(None);
        }
        if is_empty {
            let limit = free.min(share).max(BATCH);
            let due = all.parts.events.due(self.function.clone(), now_ms, held, limit, BATCH_BYTES).await;
            let due = match due {
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(function = %self.function, %error, "waiting events could not be read");
                    return Next::Wait(Some(STORAGE_PAUSE));
                }
            };
            if due.events.is_empty() {
                return match due.next_at_ms {
                    Some(at_ms) => Next::Wait(Some(millis(at_ms.saturating_sub(now_ms).max(1)))),
                    None => self.end(all),
                };
            }
            let mut state = self.state.lock();
            state.held.extend(due.events.iter().map(|event| event.summary.id));
            state.read.extend(due.events);
        }
        for _ in 0..free {
            let mut state = self.state.lock();
            if state.read.is_empty() {
                return Next::Again;
            }
            let place = match state.place.take() {
                Some(place) => Some(place),
                // Its first delivery waits for nobody.
                None if state.running == 0 => None,
                None => match Arc::clone(&all.in_flight).try_acquire_owned() {
                    Ok(place) => Some(place),
                    Err(_) => return Next::Place,
                },
            };
            let Some(event) = state.read.pop_front() else { return Next::Again };
            state.running = state.running.saturating_add(1);
            drop(state);
            let begun = Begun { all: Arc::clone(all), lane: Arc::clone(self), id: event.summary.id, end: End::Lost };
            all.shutdown.spawn(Phase::Intake, "async-delivery", begun.run(event, place));
        }
        Next::Wait(None)
    }

    /// Ends, unless something was signalled meanwhile or is still under way.
    fn end(&self, all: &AsyncInvocations) -> Next {
        let mut lanes = all.lanes.lock();
        let mut state = self.state.lock();
        if state.signalled {
            return Next::Again;
        }
        if state.running > 0 {
            return Next::Wait(None);
        }
        state.place = None;
        lanes.remove(&self.function);
        Next::End
    }
}

/// A delivery under way. Its end is told to the lane even where it panics or is cut.
struct Begun {
    all: Arc<AsyncInvocations>,
    lane: Arc<Lane>,
    id: EventId,
    end: End,
}

impl Begun {
    async fn run(mut self, event: Event, place: Option<OwnedSemaphorePermit>) {
        self.end = delivery::deliver(&self.all, event).await;
        drop(place);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut state = self.lane.state.lock();
        // What the lane reads at this moment may leave this event out as under way.
        state.signalled = true;
        state.running = state.running.saturating_sub(1);
        let running = state.running;
        let now_ms = self.all.parts.clock.now_ms();
        match std::mem::replace(&mut self.end, End::Lost) {
            End::Settled { ran } => {
                state.held.remove(&self.id);
                if ran {
                    state.pace.ran();
                }
            }
            End::Throttled(event) => {
                state.read.push_front(*event);
                state.pace.throttled(now_ms, running, &self.all.config);
            }
            End::Lost => {
                state.held.remove(&self.id);
                state.pace.throttled(now_ms, running, &self.all.config);
            }
        }
        drop(state);
        self.lane.wake.notify_one();
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_nothing_runs_and_end_when_something_does() {
        let config = Config { first_throttle_pause_ms: 100, longest_throttle_pause_ms: 300, ..Config::default() };
        let mut pace = Pace::default();
        pace.throttled(0, 3, &config);
        pace.throttled(50, 2, &config);
        assert_eq!((pace.limit, pace.paused_until_ms), (2, Some(100)));
        pace.throttled(100, 0, &config);
        assert_eq!((pace.limit, pace.paused_until_ms), (1, Some(300)));
        pace.throttled(300, 0, &config);
        assert_eq!(pace.paused_until_ms, Some(600));
        pace.ran();
        assert_eq!((pace.limit, pace.paused_until_ms), (2, None));
        pace.throttled(700, 1, &config);
        assert_eq!(pace.paused_until_ms, Some(800));
    }
}
