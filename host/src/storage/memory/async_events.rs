//! Events of asynchronous invocations in memory.

use super::super::async_events::{
    AsyncEvents, Backlog, Due, Event, EventId, EventSummary, NewEvent, Selection, Standing,
};
use super::super::{Pending, Result};
use super::Gate;
use crate::ids::FunctionName;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// The table.
pub(super) struct AsyncEventTable {
    gate: Arc<Gate>,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    events: BTreeMap<EventId, Event>,
    last_id: EventId,
}

impl AsyncEventTable {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, tables: Mutex::default() }
    }

    fn change<T: Send>(&self, work: impl FnOnce(&mut Tables) -> T) -> Result<T> {
        self.gate.pass()?;
        Ok(work(&mut self.tables.lock()))
    }
}

impl Tables {
    fn selected(&self, selection: &Selection, after: Option<EventId>, limit: usize) -> Vec<EventId> {
        let selected = |event: &&Event| {
            let summary = &event.summary;
            let standing = if summary.dead_at_ms.is_some() { Standing::Dead } else { Standing::Waiting };
            after.is_none_or(|after| summary.id > after)
                && selection.function.as_ref().is_none_or(|function| *function == summary.target.name)
                && selection.standing.is_none_or(|wanted| wanted == standing)
                && selection.request_id.is_none_or(|id| id == summary.request_id)
        };
        self.events.values().filter(selected).take(limit).map(|event| event.summary.id).collect()
    }

    /// A waiting event.
    fn waiting(&mut self, id: EventId) -> Option<&mut Event> {
        self.events.get_mut(&id).filter(|event| event.summary.dead_at_ms.is_none())
    }
}

impl AsyncEvents for AsyncEventTable {
    fn accept(&self, events: Vec<NewEvent>) -> Pending<'_, ()> {
        Box::pin(async move {
            self.change(|tables| {
                for event in events {
                    tables.last_id = tables.last_id.saturating_add(1);
                    let summary = EventSummary {
                        id: tables.last_id,
                        request_id: event.request_id,
                        target: event.target,
                        accepted_at_ms: event.accepted_at_ms,
                        due_at_ms: event.accepted_at_ms,
                        attempts: 0,
                        dead_at_ms: None,
                    };
                    let trace_id = event.trace_id;
                    let event = Event { summary, payload: event.payload, trace_id, failure: None };
                    tables.events.insert(tables.last_id, event);
                }
            })
        })
    }

    fn due(
        &self,
        function: FunctionName,
        now_ms: i64,
        except: HashSet<EventId>,
        limit: usize,
        limit_bytes: usize,
    ) -> Pending<'_, Due> {
        Box::pin(async move {
            let tables = self.tables.lock();
            let of_function = |event: &&Event| {
                let summary = &event.summary;
                summary.target.name == function && summary.dead_at_ms.is_none() && !except.contains(&summary.id)
            };
            let mut waiting: Vec<&Event> = tables.events.values().filter(of_function).collect();
            waiting.sort_by_key(|event| (event.summary.due_at_ms, event.summary.id));
            let mut found = Due::default();
            let mut size_bytes = 0usize;
            for event in waiting {
                let full = found.events.len() >= limit || (size_bytes >= limit_bytes && !found.events.is_empty());
                if event.summary.due_at_ms > now_ms || full {
                    found.next_at_ms = Some(event.summary.due_at_ms);
                    break;
                }
                size_bytes = size_bytes.saturating_add(event.payload.len());
                found.events.push(event.clone());
            }
            Ok(found)
        })
    }

    fn reschedule(&self, id: EventId, attempts: u32, due_at_ms: i64, failure: Option<String>) -> Pending<'_, bool> {
        Box::pin(async move {
            self.change(|tables| {
                let Some(event) = tables.waiting(id) else { return false };
                (event.summary.attempts, event.summary.due_at_ms) = (attempts, due_at_ms);
                event.failure = failure.or_else(|| event.failure.take());
                true
            })
        })
    }

    fn bury(&self, id: EventId, attempts: u32, dead_at_ms: i64, failure: Option<String>) -> Pending<'_, bool> {
        Box::pin(async move {
            self.change(|tables| {
                let Some(event) = tables.waiting(id) else { return false };
                (event.summary.attempts, event.summary.dead_at_ms) = (attempts, Some(dead_at_ms));
                event.failure = failure.or_else(|| event.failure.take());
                true
            })
        })
    }

    fn remove(&self, id: EventId) -> Pending<'_, bool> {
        Box::pin(async move { self.change(|tables| tables.events.remove(&id).is_some()) })
    }

    fn find(&self, request_id: Uuid) -> Pending<'_, Option<Event>> {
        Box::pin(async move {
            let tables = self.tables.lock();
            Ok(tables.events.values().find(|event| event.summary.request_id == request_id).cloned())
        })
    }

    fn list(&self, selection: Selection, after: Option<EventId>, limit: usize) -> Pending<'_, Vec<EventSummary>> {
        Box::pin(async move {
            let tables = self.tables.lock();
            let ids = tables.selected(&selection, after, limit);
            Ok(ids.iter().filter_map(|id| Some(tables.events.get(id)?.summary.clone())).collect())
        })
    }

    fn redrive(
        &self,
        selection: Selection,
        after: Option<EventId>,
        limit: usize,
        now_ms: i64,
    ) -> Pending<'_, Vec<EventSummary>> {
        Box::pin(async move {
            self.change(|tables| {
                let ids = tables.selected(&selection, after, limit);
                let mut redriven = Vec::with_capacity(ids.len());
                for id in ids {
                    let Some(event) = tables.events.get_mut(&id) else { continue };
                    let summary = &mut event.summary;
                    if summary.dead_at_ms.take().is_some() {
                        (summary.accepted_at_ms, summary.attempts) = (now_ms, 0);
                    }
                    summary.due_at_ms = summary.due_at_ms.min(now_ms);
                    redriven.push(summary.clone());
                }
                redriven
            })
        })
    }

    fn purge(&self, selection: Selection, except: HashSet<EventId>, limit: usize) -> Pending<'_, usize> {
        Box::pin(async move {
            self.change(|tables| {
                let mut ids = tables.selected(&selection, None, usize::MAX);
                ids.retain(|id| !except.contains(id));
                ids.truncate(limit);
                ids.iter().filter(|id| tables.events.remove(id).is_some()).count()
            })
        })
    }

    fn sweep(&self, dead_before_ms: i64, limit: usize) -> Pending<'_, usize> {
        Box::pin(async move {
            self.change(|tables| {
                let old =
                    |event: &&Event| event.summary.dead_at_ms.is_some_and(|dead_at_ms| dead_at_ms < dead_before_ms);
                let ids: Vec<_> =
                    tables.events.values().filter(old).take(limit).map(|event| event.summary.id).collect();
                ids.iter().filter(|id| tables.events.remove(id).is_some()).count()
            })
        })
    }

    fn backlog(&self) -> Pending<'_, Vec<Backlog>> {
        Box::pin(async move {
            let tables = self.tables.lock();
            let mut all: BTreeMap<FunctionName, Backlog> = BTreeMap::new();
            for Event { summary, .. } in tables.events.values() {
                let function = summary.target.name.clone();
                let blank = Backlog { function: function.clone(), waiting: 0, dead: 0, oldest_accepted_at_ms: None };
                let backlog = all.entry(function).or_insert(blank);
                if summary.dead_at_ms.is_some() {
                    backlog.dead = backlog.dead.saturating_add(1);
                } else {
                    backlog.waiting = backlog.waiting.saturating_add(1);
                    backlog.oldest_accepted_at_ms.get_or_insert(summary.accepted_at_ms);
                }
            }
            Ok(all.into_values().collect())
        })
    }
}
