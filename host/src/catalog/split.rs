//! How an alias with weights picks a version.

use crate::ids::Version;
use crate::storage::functions::{AliasRecord, Sticky};
use sha2::{Digest, Sha256};

/// A cumulative distribution over what an alias points to.
#[derive(Debug, Clone)]
pub struct Split<T> {
    /// Upper bounds of each share, rising to 1, without shares of nothing.
    shares: Vec<(f64, T)>,
    sticky: Option<Sticky>,
}

impl<T> Split<T> {
    /// The split of `alias`; `find` gives what stands for a version. `None` if one is missing.
    pub fn new(alias: &AliasRecord, mut find: impl FnMut(Version) -> Option<T>) -> Option<Self> {
        let mut shares = Vec::with_capacity(alias.weights.len().saturating_add(1));
        let mut sum = 0.0;
        for (version, weight) in &alias.weights {
            let target = find(*version)?;
            if *weight > 0.0 {
                sum += weight;
                shares.push((sum, target));
            }
        }
        // The alias's own version has what the others leave; rounding must not leave a gap at the end.
        let primary = find(alias.version)?;
        if shares.is_empty() || sum < 1.0 {
            shares.push((1.0, primary));
        } else if let Some(last) = shares.last_mut() {
            last.0 = 1.0;
        }
        Some(Self { shares, sticky: alias.sticky.clone() })
    }

    /// What `point`, from 0 to 1, falls on.
    pub fn at(&self, point: f64) -> Option<&T> {
        self.shares.iter().find(|(end, _)| point < *end).or(self.shares.last()).map(|(_, target)| target)
    }

    /// Picks for a request: by the sticky key where the alias has one and the request carries it, else by `random`.
    pub fn pick(&self, headers: Option<&http::HeaderMap>, random: impl FnOnce() -> f64) -> Option<&T> {
        if let [(_, only)] = self.shares.as_slice() {
            return Some(only);
        }
        let key = self.sticky.as_ref().zip(headers).and_then(|(sticky, headers)| sticky_key(sticky, headers));
        self.at(key.map_or_else(random, point_of))
    }

    /// Each target with its share.
    pub fn shares(&self) -> impl Iterator<Item = (f64, &T)> {
        let mut from = 0.0;
        self.shares.iter().map(move |(end, target)| {
            let share = end - from;
            from = *end;
            (share, target)
        })
    }
}

fn sticky_key<'a>(sticky: &Sticky, headers: &'a http::HeaderMap) -> Option<&'a [u8]> {
    match sticky {
        Sticky::Header(name) => headers.get(name).map(http::HeaderValue::as_bytes),
        Sticky::Cookie(name) => headers.get_all(http::header::COOKIE).iter().find_map(|header| {
            header.as_bytes().split(|b| *b == b';').find_map(|pair| {
                let pair = pair.trim_ascii();
                pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
            })
        }),
    }
}

/// A point from 0 to 1, the same for the same key on every host and after every restart and upgrade.
fn point_of(key: &[u8]) -> f64 {
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(key));
    // 53 bits are what a double holds exactly.
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AliasName, FunctionName};

    fn split(weights: &[(u64, f64)], sticky: Option<Sticky>) -> Split<Version> {
        let alias = AliasRecord {
            function: FunctionName::new("f").unwrap(),
            name: AliasName::new("live").unwrap(),
            version: Version::Number(1),
            weights: weights.iter().map(|(v, w)| (Version::Number(*v), *w)).collect(),
            sticky,
            description: String::new(),
            revision_id: String::new(),
        };
        Split::new(&alias, Some).unwrap()
    }

    #[test]
    fn shares_follow_the_weights_over_any_number_of_versions() {
        let split = split(&[(2, 0.1), (3, 0.2), (4, 0.3)], None);
        let mut counts = std::collections::BTreeMap::new();
        for step in 0..1000 {
            *counts.entry(*split.at(f64::from(step) / 1000.0).unwrap()).or_insert(0i32) += 1;
        }
        let expected = [(1, 400), (2, 100), (3, 200), (4, 300)].map(|(v, n)| (Version::Number(v), n));
        for (version, count) in expected {
            assert!((counts[&version] - count).abs() <= 1, "{counts:?}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_covered() {
        for weights in [&[][..], &[(2, 0.0)], &[(2, 1.0)], &[(2, 0.1), (3, 0.2), (4, 0.7)]] {
            let split = split(weights, None);
            assert!(split.at(0.0).is_some() && split.at(0.999_999_999).is_some() && split.at(1.0).is_some());
        }
        assert_eq!(split(&[(2, 0.0)], None).at(0.0), Some(&Version::Number(1)));
        assert_eq!(split(&[(2, 1.0)], None).at(0.9999), Some(&Version::Number(2)));
    }

    #[test]
    fn a_sticky_key_always_picks_the_same_and_keys_spread() {
        for (sticky, name, value) in
            [(Sticky::Header("x-user".into()), "x-user", "u"), (Sticky::Cookie("sid".into()), "cookie", "a=1; sid=u")]
        {
            let split = split(&[(2, 0.5)], Some(sticky));
            let pick = |i: u32| {
                let mut headers = http::HeaderMap::new();
                headers.insert(name, format!("{value}{i}").parse().unwrap());
                *split.pick(Some(&headers), || panic!("random")).unwrap()
            };
            let second = (0..1000).filter(|i| pick(*i) == Version::Number(2)).count();
            assert!((400..600).contains(&second), "{second}");
            assert!((0..100).all(|i| pick(i) == pick(i)));
            assert_eq!(split.pick(Some(&http::HeaderMap::new()), || 0.9), Some(&Version::Number(1)));
        }
    }
}
