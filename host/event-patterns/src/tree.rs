//! Fields as a tree, and the walk of a tree over an event.
//!
//! Fields that lead through one array of objects must hold in the same element of it. Names with dots and
//! nested names are the same path, in the pattern and in the event. A field that is an empty array, or that
//! holds an object where the pattern has conditions, counts as absent: only leaves exist.
//! The depth of the recursion is that of the pattern; arrays within arrays of an event are walked in a loop.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::condition::Condition;

/// A place in the pattern's paths: what is asked of the values there, and what of their members.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    conditions: Option<Arc<[Condition]>>,
    members: BTreeMap<Box<str>, Node>,
}

/// How a part of a pattern fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Failed,
    /// Holds because nothing is there.
    ByAbsence,
    /// Holds, and at least one value that is there was asked for.
    ByPresence,
}

impl Outcome {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::ByAbsence, Self::ByAbsence) => Self::ByAbsence,
            _ => Self::ByPresence,
        }
    }
}

/// A value of the event, or one that hangs by the rest of a dotted name.
#[derive(Clone, Copy)]
enum View<'a> {
    Value(&'a Value),
    Dotted(&'a str, &'a Value),
}

impl<'a> View<'a> {
    /// Adds what is found under one part of a path.
    fn find(self, part: &str, found: &mut Vec<View<'a>>) {
        let mut dotted = |name: &'a str, value: &'a Value| {
            if let Some(rest) = name.strip_prefix(part).and_then(|rest| rest.strip_prefix('.')) {
                found.push(View::Dotted(rest, value));
            }
        };
        match self {
            View::Value(Value::Object(object)) => {
                for (name, value) in object {
                    dotted(name, value);
                }
                if let Some(value) = object.get(part) {
                    found.push(View::Value(value));
                }
            }
            View::Dotted(name, value) => {
                dotted(name, value);
                if name == part {
                    found.push(View::Value(value));
                }
            }
            View::Value(_) => {}
        }
    }
}

impl Node {
    /// Puts conditions at a dotted path, over those that are there.
    pub(crate) fn insert(&mut self, path: &str, conditions: Arc<[Condition]>) {
        let mut node = self;
        for part in path.split('.') {
            node = node.members.entry(part.into()).or_default();
        }
        node.conditions = Some(conditions);
    }

    pub(crate) fn matches(&self, event: &Value) -> bool {
        self.over_object(&[View::Value(event)]) != Outcome::Failed
    }

    /// The node over every value found at its place.
    fn over(&self, views: &[View<'_>]) -> Outcome {
        // Most fields hold one plain value or one object; only the rest need taking apart.
        let mut objects = Vec::new();
        let mut leaves = Vec::new();
        let mut elements = Vec::new();
        for view in views {
            match view {
                View::Value(Value::Array(array)) => {
                    let mut open: Vec<&Value> = array.iter().collect();
                    while let Some(element) = open.pop() {
                        match element {
                            Value::Array(inner) => open.extend(inner),
                            Value::Object(_) => elements.push(element),
                            leaf => leaves.push(leaf),
                        }
                    }
                }
                View::Value(Value::Object(_)) | View::Dotted(..) => objects.push(*view),
                View::Value(leaf) => leaves.push(leaf),
            }
        }
        let own = match &self.conditions {
            Some(conditions) => over_leaves(conditions, &leaves),
            None => Outcome::ByAbsence,
        };
        if own == Outcome::Failed || self.members.is_empty() {
            return own;
        }
        if elements.is_empty() {
            return own.and(self.over_object(&objects));
        }
        // One element must do for all members; by absence only if no element has what must be absent.
        // What stands beside an array under a dotted name counts as one more element, so that each part of
        // an event is looked at once per part of the pattern, whatever the event repeats.
        let beside = (!objects.is_empty()).then(|| self.over_object(&objects));
        let each = elements.into_iter().map(|element| self.over_object(&[View::Value(element)]));
        let mut members = Outcome::ByAbsence;
        for outcome in beside.into_iter().chain(each) {
            match outcome {
                Outcome::ByPresence => return Outcome::ByPresence,
                Outcome::ByAbsence => {}
                Outcome::Failed => members = Outcome::Failed,
            }
        }
        own.and(members)
    }

    /// The members of the node, in objects that together hold them.
    fn over_object(&self, objects: &[View<'_>]) -> Outcome {
        let mut outcome = Outcome::ByAbsence;
        let mut found = Vec::new();
        for (name, member) in &self.members {
            found.clear();
            for object in objects {
                object.find(name, &mut found);
            }
            outcome = outcome.and(member.over(&found));
            if outcome == Outcome::Failed {
                break;
            }
        }
        outcome
    }
}

fn over_leaves(conditions: &[Condition], leaves: &[&Value]) -> Outcome {
    if leaves.is_empty() {
        return if conditions.iter().any(|condition| matches!(condition, Condition::Absent)) {
            Outcome::ByAbsence
        } else {
            Outcome::Failed
        };
    }
    let met = leaves.iter().any(|leaf| conditions.iter().any(|condition| condition.matches(leaf)));
    if met { Outcome::ByPresence } else { Outcome::Failed }
}
