//! Series of functions: who has them, how many there may be, and the handles they are counted through.
//!
//! An [`InvocationSeries`] belongs to a function, version and alias. Its holder gets it once, and counts without formatting,
//! hashing or locking; single series come into being with their first observation, so a function that never ran costs nothing.
//! After [`InvocationMetrics::forget_function`] old handles go nowhere: an invocation still running counts into the void.

use super::OTHER;
use super::labels::{AsyncDrop, EnvironmentState, Label, Source, Start, Throttle};
use crate::ids::{AliasName, FunctionName, Version};
use parking_lot::{Mutex, RwLock};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How many error types of one function have a series of their own: a function may name its errors as it likes.
const MAX_ERROR_TYPES: usize = 32;

/// Error types are cut to this many characters.
const MAX_ERROR_TYPE_CHARS: usize = 64;

/// The families that series of functions belong to.
pub(super) struct Families {
    pub(super) invocations: IntCounterVec,
    pub(super) durations: HistogramVec,
    pub(super) init_durations: HistogramVec,
    pub(super) errors: IntCounterVec,
    pub(super) throttles: IntCounterVec,
    pub(super) async_received: IntCounterVec,
    pub(super) async_dropped: IntCounterVec,
    pub(super) async_undeliverable: IntCounterVec,
    pub(super) async_ages: HistogramVec,
    pub(super) environments: IntGaugeVec,
}

/// Invocations, by function.
pub struct InvocationMetrics {
    families: Arc<Families>,
    functions: Mutex<Functions>,
    max_label_sets: usize,
}

#[derive(Default)]
struct Functions {
    by_name: HashMap<Arc<str>, FunctionEntry>,
    label_sets: usize,
}

struct FunctionEntry {
    series: Arc<FunctionSeries>,
    versions: HashMap<LabelSet, Arc<InvocationSeries>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum LabelSet {
    Of(Version, Option<AliasName>),
    Other,
}

impl InvocationMetrics {
    pub(super) fn new(families: Families, max_label_sets: usize) -> Self {
        Self { families: Arc::new(families), functions: Mutex::default(), max_label_sets }
    }

    /// The series of one version as reached through one alias (or none). Get it once and keep it.
    ///
    /// Past the bound, a function that has series keeps its name and its further versions share `version="_other"`; a function
    /// that has none shares those of `function="_other"`.
    pub fn series(&self, name: &FunctionName, version: Version, alias: Option<&AliasName>) -> Arc<InvocationSeries> {
        let mut functions = self.functions.lock();
        let Functions { by_name, label_sets } = &mut *functions;
        let full = *label_sets >= self.max_label_sets;
        let name = if full && !by_name.contains_key(name.as_str()) { OTHER } else { name.as_str() };
        let entry = entry_of(by_name, name, &self.families);
        let wanted = LabelSet::Of(version, alias.cloned());
        let folds = name == OTHER || (full && !entry.versions.contains_key(&wanted));
        let set = if folds { LabelSet::Other } else { wanted };
        if let Some(series) = entry.versions.get(&set) {
            return Arc::clone(series);
        }
        let (version, alias) = match &set {
            LabelSet::Of(version, alias) => (version.to_string(), alias.as_ref().map_or("", AliasName::as_str)),
            LabelSet::Other => (OTHER.to_owned(), ""),
        };
        let series = Arc::new(InvocationSeries {
            function: Arc::clone(&entry.series),
            version: version.into(),
            alias: alias.into(),
            closed: Mutex::new(false),
            invocations: Default::default(),
            durations: Default::default(),
            init_durations: Default::default(),
        });
        if set != LabelSet::Other {
            *label_sets = label_sets.saturating_add(1);
        }
        entry.versions.insert(set, Arc::clone(&series));
        series
    }

    /// The series of a function as a whole. Get it once and keep it.
    pub fn function(&self, name: &FunctionName) -> Arc<FunctionSeries> {
        let mut functions = self.functions.lock();
        let known = functions.by_name.contains_key(name.as_str());
        let name = if known || functions.by_name.len() < self.max_label_sets { name.as_str() } else { OTHER };
        Arc::clone(&entry_of(&mut functions.by_name, name, &self.families).series)
    }

    /// Ends the series of a deleted function.
    pub fn forget_function(&self, name: &FunctionName) {
        if name.as_str() == OTHER {
            return;
        }
        let mut functions = self.functions.lock();
        let Some(entry) = functions.by_name.remove(name.as_str()) else { return };
        for (set, series) in &entry.versions {
            series.close();
            if *set != LabelSet::Other {
                functions.label_sets = functions.label_sets.saturating_sub(1);
            }
        }
        entry.series.close();
    }

    /// Ends the series of a deleted version, through whatever alias they were reached.
    pub fn forget_version(&self, name: &FunctionName, version: Version) {
        let mut functions = self.functions.lock();
        let Functions { by_name, label_sets } = &mut *functions;
        let Some(entry) = by_name.get_mut(name.as_str()) else { return };
        entry.versions.retain(|set, series| {
            let gone = matches!(set, LabelSet::Of(of, _) if *of == version);
            if gone {
                series.close();
                *label_sets = label_sets.saturating_sub(1);
            }
            !gone
        });
    }
}

fn entry_of<'a>(
    by_name: &'a mut HashMap<Arc<str>, FunctionEntry>,
    name: &str,
    families: &Arc<Families>,
) -> &'a mut FunctionEntry {
    by_name.entry(name.into()).or_insert_with_key(|name| FunctionEntry {
        series: Arc::new(FunctionSeries {
            name: Arc::clone(name),
            families: Arc::clone(families),
            closed: Mutex::new(false),
            errors: RwLock::default(),
            throttles: Default::default(),
            environments: Default::default(),
            async_received: Default::default(),
            async_dropped: Default::default(),
            async_undeliverable: Default::default(),
            async_ages: Default::default(),
        }),
        versions: HashMap::new(),
    })
}

/// A series made at first use; `None` inside once its function was forgotten before that.
type Lazy<T> = OnceLock<Option<T>>;

/// Counts the invocations of one version through one alias.
pub struct InvocationSeries {
    function: Arc<FunctionSeries>,
    version: Box<str>,
    alias: Box<str>,
    closed: Mutex<bool>,
    invocations: [Lazy<IntCounter>; Source::ALL.len()],
    durations: [Lazy<Histogram>; Start::ALL.len()],
    init_durations: [Lazy<Histogram>; Start::ALL.len()],
}

impl std::fmt::Debug for InvocationSeries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InvocationSeries")
            .field("version", &self.version)
            .field("alias", &self.alias)
            .finish_non_exhaustive()
    }
}

impl InvocationSeries {
    /// Counts one invocation that reached the function. `init` is the init phase it waited for, if it did.
    pub fn observe(&self, source: Source, start: Start, duration: Duration, init: Option<Duration>) {
        let families = &self.function.families;
        let (function, version, alias) = (&*self.function.name, &*self.version, &*self.alias);
        if let Some(counter) = lazy(&self.invocations, source, &self.closed, || {
            families.invocations.get_metric_with_label_values(&[function, version, alias, source.as_str()])
        }) {
            counter.inc();
        }
        if let Some(histogram) = lazy(&self.durations, start, &self.closed, || {
            families.durations.get_metric_with_label_values(&[function, version, alias, start.as_str()])
        }) {
            histogram.observe(duration.as_secs_f64());
        }
        if let Some(init) = init {
            self.observe_init(start, init);
        }
    }

    /// Counts one init phase on its own: that of a provisioned environment, which no invocation waits for.
    pub fn observe_init(&self, start: Start, init: Duration) {
        if let Some(histogram) = lazy(&self.init_durations, start, &self.closed, || {
            let labels = [&*self.function.name, &*self.version, start.as_str()];
            self.function.families.init_durations.get_metric_with_label_values(&labels)
        }) {
            histogram.observe(init.as_secs_f64());
        }
    }

    /// The series of the function as a whole.
    pub fn function(&self) -> &Arc<FunctionSeries> {
        &self.function
    }

    fn close(&self) {
        let mut closed = self.closed.lock();
        *closed = true;
        let families = &self.function.families;
        let (function, version, alias) = (&*self.function.name, &*self.version, &*self.alias);
        // A series that was never made cannot be removed; that is no error.
        for source in Source::ALL {
            let _ = families.invocations.remove_label_values(&[function, version, alias, source.as_str()]);
        }
        for start in Start::ALL {
            let _ = families.durations.remove_label_values(&[function, version, alias, start.as_str()]);
            let _ = families.init_durations.remove_label_values(&[function, version, start.as_str()]);
        }
    }
}

/// Counts what happens to one function as a whole.
pub struct FunctionSeries {
    name: Arc<str>,
    families: Arc<Families>,
    closed: Mutex<bool>,
    errors: RwLock<HashMap<Box<str>, IntCounter>>,
    throttles: [Lazy<IntCounter>; Throttle::ALL.len()],
    environments: [Lazy<IntGauge>; EnvironmentState::ALL.len()],
    async_received: Lazy<IntCounter>,
    async_dropped: [Lazy<IntCounter>; AsyncDrop::ALL.len()],
    async_undeliverable: Lazy<IntCounter>,
    async_ages: Lazy<Histogram>,
}

impl FunctionSeries {
    /// Counts an invocation that ended in a function error. Of types that functions invent, the first few have series.
    pub fn error(&self, error_type: &str) {
        if let Some(counter) = self.errors.read().get(error_type) {
            counter.inc();
            return;
        }
        let closed = self.closed.lock();
        if *closed {
            return;
        }
        let mut errors = self.errors.write();
        let cut: String = error_type.chars().take(MAX_ERROR_TYPE_CHARS).collect();
        let label =
            if errors.len() < MAX_ERROR_TYPES || errors.contains_key(cut.as_str()) { cut.as_str() } else { OTHER };
        if let Ok(counter) = self.families.errors.get_metric_with_label_values(&[&self.name, label]) {
            counter.inc();
            errors.insert(label.into(), counter);
        }
    }

    /// Counts a refused invocation.
    pub fn throttle(&self, reason: Throttle) {
        if let Some(counter) = lazy(&self.throttles, reason, &self.closed, || {
            self.families.throttles.get_metric_with_label_values(&[&self.name, reason.as_str()])
        }) {
            counter.inc();
        }
    }

    /// Counts events accepted for asynchronous invocation.
    pub fn async_received(&self, events: u64) {
        if let Some(counter) = lazy_in(&self.async_received, &self.closed, || {
            self.families.async_received.get_metric_with_label_values(&[&*self.name])
        }) {
            counter.inc_by(events);
        }
    }

    /// Counts an asynchronous event given up.
    pub fn async_dropped(&self, reason: AsyncDrop) {
        if let Some(counter) = lazy(&self.async_dropped, reason, &self.closed, || {
            self.families.async_dropped.get_metric_with_label_values(&[&*self.name, reason.as_str()])
        }) {
            counter.inc();
        }
    }

    /// Counts a record or dead letter of an asynchronous event that could not be delivered.
    pub fn async_undeliverable(&self) {
        if let Some(counter) = lazy_in(&self.async_undeliverable, &self.closed, || {
            self.families.async_undeliverable.get_metric_with_label_values(&[&*self.name])
        }) {
            counter.inc();
        }
    }

    /// Notes how old an asynchronous event was when the function was invoked with it.
    pub fn async_age(&self, age: Duration) {
        if let Some(histogram) = lazy_in(&self.async_ages, &self.closed, || {
            self.families.async_ages.get_metric_with_label_values(&[&*self.name])
        }) {
            histogram.observe(age.as_secs_f64());
        }
    }

    /// Sets how many environments of the function are in a state. Zero makes no series that is not there yet.
    pub fn set_environments(&self, state: EnvironmentState, count: i64) {
        let known = self.environments.get(state.index()).is_some_and(|slot| slot.get().is_some());
        if count == 0 && !known {
            return;
        }
        if let Some(gauge) = self.environments(state) {
            gauge.set(count);
        }
    }

    fn environments(&self, state: EnvironmentState) -> Option<&IntGauge> {
        lazy(&self.environments, state, &self.closed, || {
            self.families.environments.get_metric_with_label_values(&[&self.name, state.as_str()])
        })
    }

    fn close(&self) {
        let mut closed = self.closed.lock();
        *closed = true;
        for error_type in self.errors.read().keys() {
            let _ = self.families.errors.remove_label_values(&[&*self.name, error_type]);
        }
        for reason in Throttle::ALL {
            let _ = self.families.throttles.remove_label_values(&[&self.name, reason.as_str()]);
        }
        for reason in AsyncDrop::ALL {
            let _ = self.families.async_dropped.remove_label_values(&[&*self.name, reason.as_str()]);
        }
        let _ = self.families.async_received.remove_label_values(&[&*self.name]);
        let _ = self.families.async_undeliverable.remove_label_values(&[&*self.name]);
        let _ = self.families.async_ages.remove_label_values(&[&*self.name]);
        for state in EnvironmentState::ALL {
            let _ = self.families.environments.remove_label_values(&[&self.name, state.as_str()]);
        }
    }
}

/// The series at a label's place, made under the lock that [`InvocationSeries::close`] takes, so that none appears after it.
fn lazy<'a, L: Label, T>(
    slots: &'a [Lazy<T>],
    label: L,
    closed: &Mutex<bool>,
    make: impl FnOnce() -> prometheus::Result<T>,
) -> Option<&'a T> {
    lazy_in(slots.get(label.index())?, closed, make)
}

/// A series made at first use, as [`lazy`] makes them.
fn lazy_in<'a, T>(
    slot: &'a Lazy<T>,
    closed: &Mutex<bool>,
    make: impl FnOnce() -> prometheus::Result<T>,
) -> Option<&'a T> {
    slot.get_or_init(|| {
        let closed = closed.lock();
        if *closed { None } else { make().ok() }
    })
    .as_ref()
}
