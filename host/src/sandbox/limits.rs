//! The memory limit of one environment, and the budget all of them share.
//!
//! A guest that asks for more than its function's memory size is refused (`memory.grow` answers -1) and marked: if it
//! then dies, it died of that. What guests grow beyond their initial memories is charged to one host-wide budget, so
//! that together they cannot drive the machine out of memory.

use super::engine::TABLE_ELEMENTS;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::ResourceLimiter;

/// Bytes that all guests together may still grow.
#[derive(Debug)]
pub struct GrowthBudget {
    left_bytes: AtomicU64,
}

impl GrowthBudget {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self { left_bytes: AtomicU64::new(bytes) })
    }

    /// What is left.
    pub fn left_bytes(&self) -> u64 {
        self.left_bytes.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        self.left_bytes.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.left_bytes.fetch_add(bytes, Ordering::AcqRel);
    }
}

/// What an environment's memories may and do take.
#[derive(Debug)]
pub struct MemoryLimits {
    limit_bytes: u64,
    used_bytes: u64,
    peak_bytes: u64,
    grown_bytes: u64,
    denied: bool,
    /// Set once the guest is instantiated: from then on all memory is growth.
    running: bool,
    budget: Arc<GrowthBudget>,
}

impl MemoryLimits {
    /// For a function with `memory_size_mb`.
    pub fn new(memory_size_mb: u32, budget: Arc<GrowthBudget>) -> Self {
        let limit_bytes = u64::from(memory_size_mb) << 20;
        Self { limit_bytes, used_bytes: 0, peak_bytes: 0, grown_bytes: 0, denied: false, running: false, budget }
    }

    /// The most linear memory the environment had at once.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes
    }

    /// Whether the guest was refused memory since the last call of [`Self::clear_denied`].
    pub fn was_denied(&self) -> bool {
        self.denied
    }

    /// From here on the guest grows at the host's expense, from nothing too.
    pub fn start_running(&mut self) {
        self.running = true;
    }

    /// Forgets earlier refusals, before another invocation.
    pub fn clear_denied(&mut self) {
        self.denied = false;
    }
}

impl ResourceLimiter for MemoryLimits {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grow_bytes = (desired as u64).saturating_sub(current as u64);
        let used_bytes = self.used_bytes.saturating_add(grow_bytes);
        let initial = current == 0 && !self.running;
        if used_bytes > self.limit_bytes || (!initial && !self.budget.take(grow_bytes)) {
            self.denied = true;
            return Ok(false);
        }
        if !initial {
            self.grown_bytes = self.grown_bytes.saturating_add(grow_bytes);
        }
        self.used_bytes = used_bytes;
        self.peak_bytes = self.peak_bytes.max(used_bytes);
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= TABLE_ELEMENTS;
        self.denied |= !allowed;
        Ok(allowed)
    }
}

impl Drop for MemoryLimits {
    fn drop(&mut self) {
        self.budget.give_back(self.grown_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_stops_at_the_limit_and_at_the_budget_and_comes_back() {
        let budget = GrowthBudget::new(3 << 20);
        let mut limits = MemoryLimits::new(128, budget.clone());
        assert!(limits.memory_growing(0, 1 << 20, None).unwrap());
        assert_eq!(budget.left_bytes(), 3 << 20, "initial memory is not growth");
        limits.start_running();
        assert!(limits.memory_growing(1 << 20, 3 << 20, None).unwrap());
        assert!(!limits.memory_growing(3 << 20, 6 << 20, None).unwrap(), "beyond the budget");
        assert!(limits.was_denied());
        limits.clear_denied();
        assert!(!limits.memory_growing(3 << 20, 200 << 20, None).unwrap(), "beyond the memory size");
        assert_eq!(limits.peak_bytes(), 3 << 20);
        drop(limits);
        assert_eq!(budget.left_bytes(), 3 << 20);
    }

    #[test]
    fn a_memory_that_starts_empty_grows_at_the_budgets_expense() {
        let budget = GrowthBudget::new(1 << 20);
        let mut limits = MemoryLimits::new(128, budget.clone());
        assert!(limits.memory_growing(0, 0, None).unwrap());
        limits.start_running();
        assert!(!limits.memory_growing(0, 2 << 20, None).unwrap());
        assert!(limits.memory_growing(0, 1 << 20, None).unwrap());
        assert_eq!(budget.left_bytes(), 0);
    }

    #[test]
    fn tables_are_bounded() {
        let mut limits = MemoryLimits::new(128, GrowthBudget::new(0));
        assert!(limits.table_growing(0, TABLE_ELEMENTS, None).unwrap());
        assert!(!limits.table_growing(0, TABLE_ELEMENTS + 1, None).unwrap());
    }
}
