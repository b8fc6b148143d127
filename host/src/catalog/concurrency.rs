//! Who may run now: the host's ceiling, reserved concurrency as guarantee and cap, and what provisioning sets aside.
//!
//! Reserved and provisioned concurrency are taken off the ceiling whether in use or not; what is left is shared by
//! functions without a reservation. All counters are atomics: admission takes no lock
//! (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// Lambda's reasons for a 429 (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>, `TooManyRequestsException`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThrottleReason {
    /// The function's reserved concurrency is in use.
    ReservedFunctionConcurrentInvocationLimitExceeded,
    /// The unreserved rest, or the host's ceiling, is in use.
    ConcurrentInvocationLimitExceeded,
    /// No sandbox slot or memory is free on this host.
    HostCapacity,
    /// More is asked of this host than its processors can do.
    Overload,
}

/// The whole host's concurrency.
#[derive(Debug)]
pub struct AccountConcurrency {
    ceiling: u32,
    unreserved_minimum: u32,
    /// What reservations and the provisioned concurrency of unreserved functions leave.
    unreserved_capacity: AtomicU32,
    unreserved_in_use: AtomicU32,
}

impl AccountConcurrency {
    /// Nothing reserved, nothing in use.
    pub fn new(ceiling: u32, unreserved_minimum: u32) -> Arc<Self> {
        Arc::new(Self {
            ceiling,
            unreserved_minimum,
            unreserved_capacity: AtomicU32::new(ceiling),
            unreserved_in_use: AtomicU32::new(0),
        })
    }

    /// Invocations that can run at once on this host.
    pub fn ceiling(&self) -> u32 {
        self.ceiling
    }

    /// What reservations must leave.
    pub fn unreserved_minimum(&self) -> u32 {
        self.unreserved_minimum
    }

    /// What functions without a reservation share.
    pub fn unreserved_capacity(&self) -> u32 {
        self.unreserved_capacity.load(Ordering::Relaxed)
    }

    /// Sets what reservations and provisioning take, all functions together.
    pub fn set_taken(&self, taken: u64) {
        let left = u64::from(self.ceiling).saturating_sub(taken);
        self.unreserved_capacity.store(u32::try_from(left).unwrap_or(u32::MAX), Ordering::Release);
    }
}

/// One function's concurrency. Lives as long as the function, across updates.
#[derive(Debug)]
pub struct FunctionConcurrency {
    account: Arc<AccountConcurrency>,
    /// Negative where nothing is reserved.
    reserved: AtomicI64,
    /// All provisioned environments of the function together.
    provisioned: AtomicU32,
    in_use: AtomicU32,
}

impl FunctionConcurrency {
    /// Without a reservation.
    pub fn new(account: Arc<AccountConcurrency>) -> Arc<Self> {
        Arc::new(Self {
            account,
            reserved: AtomicI64::new(-1),
            provisioned: AtomicU32::new(0),
            in_use: AtomicU32::new(0),
        })
    }

    /// Sets the reservation.
    pub fn set_reserved(&self, reserved: Option<u32>) {
        self.reserved.store(reserved.map_or(-1, i64::from), Ordering::Release);
    }

    /// Sets how much is provisioned.
    pub fn set_provisioned(&self, provisioned: u32) {
        self.provisioned.store(provisioned, Ordering::Release);
    }

    /// Invocations running on demand (not on provisioned environments).
    pub fn in_use(&self) -> u32 {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Lets one invocation run on demand, or says why not.
    pub fn admit(self: &Arc<Self>) -> Result<Permit, ThrottleReason> {
        let below = |counter: &AtomicU32, limit: u32| {
            counter.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |used| (used < limit).then_some(used + 1)).is_ok()
        };
        match u32::try_from(self.reserved.load(Ordering::Acquire)) {
            Ok(reserved) => {
                let limit = reserved.saturating_sub(self.provisioned.load(Ordering::Acquire));
                if below(&self.in_use, limit) {
                    Ok(Permit { function: Arc::clone(self), unreserved: false })
                } else {
                    Err(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded)
                }
            }
            Err(_) => {
                let account = &self.account;
                if below(&account.unreserved_in_use, account.unreserved_capacity()) {
                    self.in_use.fetch_add(1, Ordering::AcqRel);
                    Ok(Permit { function: Arc::clone(self), unreserved: true })
                } else {
                    Err(ThrottleReason::ConcurrentInvocationLimitExceeded)
                }
            }
        }
    }

    /// Whether the function is switched off by a reservation of nothing, provisioned environments included.
    pub fn is_switched_off(&self) -> bool {
        self.reserved.load(Ordering::Acquire) == 0
    }
}

/// An admitted invocation; dropping it lets another run.
#[derive(Debug)]
pub struct Permit {
    function: Arc<FunctionConcurrency>,
    /// Which counter it was taken from: a reservation may have come or gone since.
    unreserved: bool,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.function.in_use.fetch_sub(1, Ordering::AcqRel);
        if self.unreserved {
            self.function.account.unreserved_in_use.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_cap_and_guarantee() {
        let account = AccountConcurrency::new(10, 0);
        let (reserved, other) = (FunctionConcurrency::new(account.clone()), FunctionConcurrency::new(account.clone()));
        reserved.set_reserved(Some(3));
        account.set_taken(3);
        let others: Vec<_> = std::iter::from_fn(|| other.admit().ok()).collect();
        assert_eq!(others.len(), 7, "the rest is shared");
        assert_eq!(other.admit().unwrap_err(), ThrottleReason::ConcurrentInvocationLimitExceeded);
        let mine: Vec<_> = std::iter::from_fn(|| reserved.admit().ok()).collect();
        assert_eq!(mine.len(), 3, "guaranteed while others fill the rest");
        assert_eq!(reserved.admit().unwrap_err(), ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
        drop(mine);
        assert!(reserved.admit().is_ok());
    }

    #[test]
    fn a_permit_gives_back_what_it_took_even_if_a_reservation_came_meanwhile() {
        let account = AccountConcurrency::new(1, 0);
        let function = FunctionConcurrency::new(account.clone());
        let permit = function.admit().unwrap();
        function.set_reserved(Some(1));
        drop(permit);
        function.set_reserved(None);
        assert!(function.admit().is_ok());
    }

    #[test]
    fn provisioned_concurrency_is_part_of_the_reservation() {
        let function = FunctionConcurrency::new(AccountConcurrency::new(100, 0));
        function.set_reserved(Some(5));
        function.set_provisioned(3);
        let permits: Vec<_> = std::iter::from_fn(|| function.admit().ok()).collect();
        assert_eq!(permits.len(), 2);
        function.set_reserved(Some(0));
        assert!(function.is_switched_off());
    }

    #[test]
    fn many_threads_never_exceed_the_limit() {
        let account = AccountConcurrency::new(4, 0);
        let function = FunctionConcurrency::new(account);
        let most = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        if let Ok(permit) = function.admit() {
                            most.fetch_max(function.in_use(), Ordering::Relaxed);
                            drop(permit);
                        }
                    }
                });
            }
        });
        assert!(most.load(Ordering::Relaxed) <= 4);
        assert_eq!(function.in_use(), 0);
    }
}
