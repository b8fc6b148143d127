//! The limit of messages in flight.
//!
//! Counting them takes time with the queue's length, so a bound is kept a queue: what the last count said and what was received
//! here since. Only when the bound passes the limit is the queue counted again, at most once a second. What event source
//! mappings receive enters with the next count, so the limit can be passed by as much as they hold.

use super::super::error::WireError;
use crate::ids::QueueName;
use crate::storage::queues::Queues;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Messages in flight a queue at most, standard and FIFO
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
pub const IN_FLIGHT_LIMIT: u64 = 120_000;

/// How long a count that was at the limit stands.
const RECOUNT_MS: i64 = 1000;

/// Queues at which bounds are forgotten; the next receive of each counts again.
const CLEAN_AT: usize = 10_000;

pub(super) struct InFlight {
    pub(super) limit: u64,
    bounds: Mutex<HashMap<QueueName, Bound>>,
}

#[derive(Clone, Copy)]
struct Bound {
    at_most: u64,
    counted_at_ms: i64,
}

impl InFlight {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, bounds: Mutex::default() }
    }

    /// How many of `wanted` messages may be received now.
    pub(super) async fn room(
        &self,
        queues: &dyn Queues,
        name: &QueueName,
        wanted: usize,
        now_ms: i64,
    ) -> Result<usize, WireError> {
        let known = self.bounds.lock().get(name).copied();
        let at_most = match known {
            Some(bound) if bound.at_most.saturating_add(wanted as u64) <= self.limit => return Ok(wanted),
            Some(bound) if now_ms.saturating_sub(bound.counted_at_ms) < RECOUNT_MS => bound.at_most,
            _ => {
                let stats = queues.stats(name.clone(), now_ms).await??;
                let mut bounds = self.bounds.lock();
                if bounds.len() >= CLEAN_AT {
                    bounds.clear();
                }
                bounds.insert(name.clone(), Bound { at_most: stats.in_flight, counted_at_ms: now_ms });
                stats.in_flight
            }
        };
        let room = usize::try_from(self.limit.saturating_sub(at_most)).unwrap_or(usize::MAX);
        Ok(wanted.min(room))
    }

    /// Notes received messages.
    pub(super) fn add(&self, name: &QueueName, messages: usize) {
        if let Some(bound) = self.bounds.lock().get_mut(name) {
            bound.at_most = bound.at_most.saturating_add(messages as u64);
        }
    }

    /// Notes that messages were deleted or are visible again.
    pub(super) fn release(&self, name: &QueueName, messages: usize) {
        if let Some(bound) = self.bounds.lock().get_mut(name) {
            bound.at_most = bound.at_most.saturating_sub(messages as u64);
        }
    }
}
