//! From a pattern's JSON to alternatives, each a set of fields that must all hold.
//!
//! `$or` is multiplied out, so that fields inside and outside of it constrain the same array element, and a
//! field named again replaces what it said before, as in AWS's own compiler.
//! Bounds: [`MAX_DEPTH`] levels, [`MAX_ALTERNATIVES`] alternatives, [`MAX_FIELDS`] fields in all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::PatternError;
use crate::condition::Condition;
use crate::tree::Node;

/// The deepest nesting of a pattern, counting each part of a dotted name as a level.
pub const MAX_DEPTH: usize = 100;
/// The most combinations that the `$or`s of a pattern may multiply to: EventBridge's own limit.
pub const MAX_ALTERNATIVES: usize = 1_000;
/// The most fields over all alternatives.
pub const MAX_FIELDS: usize = 100_000;

const OR: &str = "$or";
/// Names that would make a member of `$or` read like a condition.
const RESERVED_IN_OR: [&str; 9] =
    ["exactly", "prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr"];

type Fields = BTreeMap<String, Arc<[Condition]>>;

pub(crate) fn compile(pattern: &Value) -> Result<Vec<Node>, PatternError> {
    let Value::Object(object) = pattern else {
        return Err(PatternError::new("Filter is not an object"));
    };
    let mut alternatives = vec![Fields::new()];
    let mut path = Vec::new();
    object_into(&mut alternatives, &mut path, object, &Place { depth: 1, in_or: false })?;
    Ok(alternatives
        .into_iter()
        .map(|fields| {
            let mut root = Node::default();
            for (path, conditions) in fields {
                root.insert(&path, conditions);
            }
            root
        })
        .collect())
}

/// Where an object stands: how many objects and `$or`s enclose it, itself included.
struct Place {
    depth: usize,
    in_or: bool,
}

/// Adds the fields of one object to every alternative.
fn object_into<'a>(
    alternatives: &mut Vec<Fields>,
    path: &mut Vec<&'a str>,
    object: &'a Map<String, Value>,
    place: &Place,
) -> Result<(), PatternError> {
    if place.depth > MAX_DEPTH {
        return Err(too_deep());
    }
    if object.is_empty() {
        return Err(PatternError::new("Empty objects are not allowed"));
    }
    for (name, value) in object {
        if name == OR {
            or_into(alternatives, path, value, place.depth)?;
            continue;
        }
        if place.in_or && RESERVED_IN_OR.contains(&name.as_str()) {
            return Err(PatternError::new(format!(
                "{name} is Ruler reserved fieldName which cannot be used inside $or."
            )));
        }
        path.push(name);
        if path.iter().map(|name| name.split('.').count()).sum::<usize>() > MAX_DEPTH {
            return Err(too_deep());
        }
        match value {
            Value::Object(inner) => {
                let place = Place { depth: place.depth + 1, in_or: place.in_or };
                object_into(alternatives, path, inner, &place)?;
            }
            Value::Array(members) => {
                let conditions: Arc<[Condition]> = members.iter().map(Condition::parse).collect::<Result<_, _>>()?;
                if conditions.is_empty() {
                    return Err(PatternError::new("Empty arrays are not allowed"));
                }
                let path = path.join(".");
                for fields in alternatives.iter_mut() {
                    fields.insert(path.clone(), Arc::clone(&conditions));
                }
                check_size(alternatives)?;
            }
            _ => {
                return Err(PatternError::new(format!("\"{name}\" must be an object or an array")));
            }
        }
        path.pop();
    }
    Ok(())
}

fn or_into<'a>(
    alternatives: &mut Vec<Fields>,
    path: &mut Vec<&'a str>,
    value: &'a Value,
    depth: usize,
) -> Result<(), PatternError> {
    let Value::Array(branches) = value else {
        return Err(PatternError::new("It must be an Array followed with $or."));
    };
    let before = std::mem::take(alternatives);
    for branch in branches {
        let Value::Object(object) = branch else {
            return Err(PatternError::new("Only JSON object is allowed in array of $or relationship."));
        };
        let mut branched = before.clone();
        let place = Place { depth: depth + 1, in_or: true };
        object_into(&mut branched, path, object, &place)?;
        alternatives.append(&mut branched);
        check_size(alternatives)?;
    }
    if branches.len() < 2 {
        return Err(PatternError::new("There must have at least 2 Objects in $or relationship."));
    }
    Ok(())
}

fn too_deep() -> PatternError {
    PatternError::new(format!("Pattern is nested more than {MAX_DEPTH} levels deep"))
}

fn check_size(alternatives: &[Fields]) -> Result<(), PatternError> {
    if alternatives.len() > MAX_ALTERNATIVES {
        return Err(PatternError::new(format!("Pattern has more than {MAX_ALTERNATIVES} combinations of $or")));
    }
    if alternatives.iter().map(BTreeMap::len).sum::<usize>() > MAX_FIELDS {
        return Err(PatternError::new(format!("Pattern has more than {MAX_FIELDS} fields in all combinations of $or")));
    }
    Ok(())
}
