//! Numbers compared by value: `300`, `300.0` and `3e2` are one number, whole numbers never lose digits.

use std::cmp::Ordering;

use serde_json::Number;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Num {
    Whole(i128),
    Real(f64),
}

impl Num {
    pub(crate) fn of(number: &Number) -> Option<Self> {
        if let Some(whole) = number.as_i64() {
            return Some(Self::Whole(whole.into()));
        }
        if let Some(whole) = number.as_u64() {
            return Some(Self::Whole(whole.into()));
        }
        number.as_f64().map(Self::Real)
    }

    fn real(self) -> f64 {
        match self {
            // Only reached beside a real number, whose own precision is no better.
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

impl PartialEq for Num {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(two)) => Some(one.cmp(two)),
            _ => self.real().partial_cmp(&other.real()),
        }
    }
}
