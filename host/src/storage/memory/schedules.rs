//! Schedules and their groups in memory.

use super::super::Pending;
use super::super::schedules::{
    Advance, DEFAULT_GROUP, Firing, Next, PutMode, PutOutcome, ScheduleGroupRecord, ScheduleKey, ScheduleRecord,
    Schedules,
};
use super::Gate;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The table.
pub(super) struct ScheduleTable {
    gate: Arc<Gate>,
    tables: Mutex<Tables>,
}

struct Tables {
    groups: BTreeMap<String, ScheduleGroupRecord>,
    schedules: BTreeMap<ScheduleKey, ScheduleRecord>,
    unfinished: BTreeSet<Firing>,
    revision: u64,
}

impl ScheduleTable {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        let default = ScheduleGroupRecord {
            name: DEFAULT_GROUP.into(),
            tags: BTreeMap::new(),
            created_at_ms: 0,
            modified_at_ms: 0,
        };
        let groups = BTreeMap::from([(default.name.clone(), default)]);
        Self {
            gate,
            tables: Mutex::new(Tables { groups, schedules: BTreeMap::new(), unfinished: BTreeSet::new(), revision: 0 }),
        }
    }
}

impl Schedules for ScheduleTable {
    fn put_group(&self, group: ScheduleGroupRecord, mode: PutMode) -> Pending<'_, PutOutcome> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            if let Some(refusal) = refusal(mode, tables.groups.contains_key(&group.name)) {
                return Ok(refusal);
            }
            tables.groups.insert(group.name.clone(), group);
            Ok(PutOutcome::Stored(0))
        })
    }

    fn get_group(&self, name: String) -> Pending<'_, Option<ScheduleGroupRecord>> {
        Box::pin(async move { Ok(self.tables.lock().groups.get(&name).cloned()) })
    }

    fn list_groups(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Pending<'_, Vec<ScheduleGroupRecord>> {
        Box::pin(async move {
            let tables = self.tables.lock();
            let wanted = |group: &&ScheduleGroupRecord| {
                group.name.starts_with(&prefix) && after.as_ref().is_none_or(|after| group.name > *after)
            };
            Ok(tables.groups.values().filter(wanted).take(limit).cloned().collect())
        })
    }

    fn delete_group(&self, name: String) -> Pending<'_, Option<Vec<ScheduleKey>>> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            if name != DEFAULT_GROUP && tables.groups.remove(&name).is_none() {
                return Ok(None);
            }
            tables.unfinished.retain(|firing| firing.key.group != name);
            let deleted = tables.schedules.extract_if(.., |key, _| key.group == name);
            Ok(Some(deleted.map(|(key, _)| key).collect()))
        })
    }

    fn put(&self, mut schedule: ScheduleRecord, mode: PutMode) -> Pending<'_, PutOutcome> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            if !tables.groups.contains_key(&schedule.key.group) {
                return Ok(PutOutcome::NoGroup);
            }
            if let Some(refusal) = refusal(mode, tables.schedules.contains_key(&schedule.key)) {
                return Ok(refusal);
            }
            tables.revision = tables.revision.saturating_add(1);
            schedule.revision = tables.revision;
            tables.schedules.insert(schedule.key.clone(), schedule);
            Ok(PutOutcome::Stored(tables.revision))
        })
    }

    fn get(&self, key: ScheduleKey) -> Pending<'_, Option<ScheduleRecord>> {
        Box::pin(async move { Ok(self.tables.lock().schedules.get(&key).cloned()) })
    }

    fn delete(&self, key: ScheduleKey) -> Pending<'_, bool> {
        Box::pin(async move {
            self.gate.pass()?;
            Ok(self.tables.lock().delete(&key))
        })
    }

    fn list(
        &self,
        group: Option<String>,
        prefix: String,
        after: Option<ScheduleKey>,
        limit: usize,
    ) -> Pending<'_, Vec<ScheduleRecord>> {
        Box::pin(async move {
            let tables = self.tables.lock();
            let wanted = |schedule: &&ScheduleRecord| {
                let key = &schedule.key;
                group.as_ref().is_none_or(|group| key.group == *group)
                    && key.name.starts_with(&prefix)
                    && after.as_ref().is_none_or(|after| key > after)
            };
            Ok(tables.schedules.values().filter(wanted).take(limit).cloned().collect())
        })
    }

    fn load(&self) -> Pending<'_, Vec<ScheduleRecord>> {
        Box::pin(async move { Ok(self.tables.lock().schedules.values().cloned().collect()) })
    }

    fn advance(&self, steps: Vec<Advance>) -> Pending<'_, Vec<bool>> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            Ok(steps.into_iter().map(|step| tables.take(&step)).collect())
        })
    }

    fn finish(&self, firings: Vec<Firing>) -> Pending<'_, ()> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            for firing in firings {
                tables.unfinished.remove(&firing);
            }
            Ok(())
        })
    }

    fn unfinished(&self) -> Pending<'_, Vec<Firing>> {
        Box::pin(async move { Ok(self.tables.lock().unfinished.iter().cloned().collect()) })
    }
}

impl Tables {
    fn take(&mut self, step: &Advance) -> bool {
        let Some(schedule) = self.schedules.get_mut(&step.key) else { return false };
        let begun = step.unfinished.iter().map(|&fire_at_ms| Firing { key: step.key.clone(), fire_at_ms });
        self.unfinished.extend(begun);
        if (schedule.revision, schedule.next_fire_at_ms) != (step.revision, step.expected_next_fire_at_ms) {
            return false;
        }
        match step.next {
            Next::FireAt(at_ms) => schedule.next_fire_at_ms = Some(at_ms),
            Next::Finished => schedule.next_fire_at_ms = None,
            Next::Delete => return self.delete(&step.key),
        }
        true
    }

    fn delete(&mut self, key: &ScheduleKey) -> bool {
        self.unfinished.retain(|firing| firing.key != *key);
        self.schedules.remove(key).is_some()
    }
}

fn refusal(mode: PutMode, exists: bool) -> Option<PutOutcome> {
    match (mode, exists) {
        (PutMode::Create, true) => Some(PutOutcome::Exists),
        (PutMode::Update, false) => Some(PutOutcome::Missing),
        _ => None,
    }
}
