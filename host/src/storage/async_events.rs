//! Events of asynchronous invocations, from their acceptance until they are delivered, given up or purged.
//!
//! An event waits until it is due; what is being attempted is known to the trigger alone, so an attempt costs no write and a crash leaves
//! the event waiting, to be attempted again. A dead event is one that was given up with nowhere to go; it is kept to be looked at and
//! redriven. Times are milliseconds since the Unix epoch and come from the caller; values are validated by the caller.

use super::Pending;
use crate::ids::{FunctionName, FunctionRef};
use bytes::Bytes;
use std::collections::HashSet;
use uuid::Uuid;

/// The backend's number of an event; greater than that of every event accepted before.
pub type EventId = i64;

/// An event to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// As answered to the caller; kept over all attempts.
    pub request_id: Uuid,
    /// The function and the qualifier the caller named.
    pub target: FunctionRef,
    /// The event, JSON.
    pub payload: Bytes,
    /// `X-Amzn-Trace-Id` as it came in, with the lineage it carries.
    pub trace_id: Option<String>,
    /// From here its age counts.
    pub accepted_at_ms: i64,
}

/// What is known of an event without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSummary {
    /// Its number.
    pub id: EventId,
    /// As accepted.
    pub request_id: Uuid,
    /// As accepted.
    pub target: FunctionRef,
    /// From here its age counts: its acceptance or its last redrive.
    pub accepted_at_ms: i64,
    /// When it is to be attempted next; of a dead event, when it last was to be.
    pub due_at_ms: i64,
    /// Attempts in which the function ran.
    pub attempts: u32,
    /// Since when it is dead; `None` while it waits.
    pub dead_at_ms: Option<i64>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// All but its content.
    pub summary: EventSummary,
    /// As accepted.
    pub payload: Bytes,
    /// As accepted.
    pub trace_id: Option<String>,
    /// How the last attempt failed, as the trigger encodes it (JSON); not interpreted.
    pub failure: Option<String>,
}

/// Events that are due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Those due first, in the order of their time.
    pub events: Vec<Event>,
    /// Where these are all: when the next one is due.
    pub next_at_ms: Option<i64>,
}

/// What a function's events amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The function.
    pub function: FunctionName,
    /// Events that wait or are being attempted.
    pub waiting: u64,
    /// Dead events.
    pub dead: u64,
    /// When the oldest waiting event was accepted.
    pub oldest_accepted_at_ms: Option<i64>,
}

/// Where an event stands in storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// To be attempted.
    Waiting,
    /// Given up.
    Dead,
}

/// Which events a call is about; what is `None` does not narrow it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Of this function.
    pub function: Option<FunctionName>,
    /// Standing so.
    pub standing: Option<Standing>,
    /// This one alone.
    pub request_id: Option<Uuid>,
}

/// The table of asynchronous events.
pub trait AsyncEvents: Send + Sync + 'static {
    /// Adds events, all or none, due at once.
    fn accept(&self, events: Vec<NewEvent>) -> Pending<'_, ()>;

    /// Reads events of a function that are due, but for those in `except`: at most `limit`, and no further once their payloads
    /// exceed `limit_bytes`, though at least one.
    fn due(
        &self,
        function: FunctionName,
        now_ms: i64,
        except: HashSet<EventId>,
        limit: usize,
        limit_bytes: usize,
    ) -> Pending<'_, Due>;

    /// Notes a failed attempt and when the next one is due; `false` if the event is gone.
    fn reschedule(&self, id: EventId, attempts: u32, due_at_ms: i64, failure: Option<String>) -> Pending<'_, bool>;

    /// Notes that the event was given up; `false` if it is gone.
    fn bury(&self, id: EventId, attempts: u32, dead_at_ms: i64, failure: Option<String>) -> Pending<'_, bool>;

    /// Removes an event that is delivered or was handed on; `false` if it is gone.
    fn remove(&self, id: EventId) -> Pending<'_, bool>;

    /// One event; takes time with the number of events, off the write path.
    fn find(&self, request_id: Uuid) -> Pending<'_, Option<Event>>;

    /// Selected events with numbers greater than `after`, in order of their numbers, at most `limit`.
    fn list(&self, selection: Selection, after: Option<EventId>, limit: usize) -> Pending<'_, Vec<EventSummary>>;

    /// Makes selected events with numbers greater than `after`, at most `limit` in order of their numbers, due at once; dead ones wait
    /// again, with all attempts and their age counted anew. Gives them as they then are.
    fn redrive(
        &self,
        selection: Selection,
        after: Option<EventId>,
        limit: usize,
        now_ms: i64,
    ) -> Pending<'_, Vec<EventSummary>>;

    /// Removes selected events, at most `limit`, but for those in `except`. Gives how many; as many as `limit` means there may be more.
    fn purge(&self, selection: Selection, except: HashSet<EventId>, limit: usize) -> Pending<'_, usize>;

    /// Removes at most `limit` events that died before `dead_before_ms`. Gives how many.
    fn sweep(&self, dead_before_ms: i64, limit: usize) -> Pending<'_, usize>;

    /// What all functions' events amount to; takes time with their number, off the write path.
    fn backlog(&self) -> Pending<'_, Vec<Backlog>>;
}
