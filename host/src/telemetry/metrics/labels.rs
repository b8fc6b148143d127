//! The closed sets of label values.

/// A fixed set of values of one label.
pub trait Label: Copy + Sized + 'static {
    /// All of them, each at the index [`Label::index`] gives.
    const ALL: &'static [Self];

    /// The position in [`Label::ALL`].
    fn index(self) -> usize;

    /// The label's value.
    fn as_str(self) -> &'static str;
}

macro_rules! label {
    ($(#[$meta:meta])* $name:ident { $($(#[$value_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_meta])* $variant,)+
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn index(self) -> usize {
                self as usize
            }

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

label! {
    /// What an extension did when it failed.
    ExtensionPhase {
        /// Starting.
        Init = "init",
        /// Hearing of an invocation.
        Invoke = "invoke",
        /// Taking records.
        Telemetry = "telemetry",
        /// Ending.
        Shutdown = "shutdown",
    }
}

label! {
    /// What came of making the image of a version's memory.
    ImageOutcome {
        /// It is there.
        Made = "made",
        /// The version starts without one: its memory cannot be kept, and its log says why.
        Refused = "refused",
        /// The function failed while it was loaded.
        Failed = "failed",
    }
}

label! {
    /// `source`: who asked for an invocation.
    Source {
        /// The `Invoke` API.
        Api = "api",
        /// An HTTP route.
        Http = "http",
        /// A schedule.
        Schedule = "schedule",
        /// A queue's event source mapping.
        Queue = "queue",
        /// The `Invoke` API, asynchronously.
        Asynchronous = "asynchronous",
    }
}

label! {
    /// `reason` for which an asynchronous event was given up.
    AsyncDrop {
        /// All attempts failed.
        RetriesExhausted = "retries_exhausted",
        /// It became too old.
        EventAgeExceeded = "event_age_exceeded",
        /// The function, version or alias is gone.
        FunctionNotFound = "function_not_found",
        /// Its chain had come through the function too often.
        RecursiveLoop = "recursive_loop",
        /// The function's reserved concurrency is 0.
        SwitchedOff = "switched_off",
    }
}

label! {
    /// `state` of asynchronous events.
    AsyncState {
        /// To be attempted, or being attempted.
        Waiting = "waiting",
        /// Given up, and kept.
        Dead = "dead",
    }
}

label! {
    /// `start`: how the environment that served an invocation came about.
    Start {
        /// Made for this invocation.
        Cold = "cold",
        /// Had served before.
        Warm = "warm",
        /// Made ahead under provisioned concurrency.
        Provisioned = "provisioned",
    }
}

label! {
    /// `reason` of a throttle, as AWS spells it.
    Throttle {
        /// The function's reserved concurrency is in use.
        Reserved = "ReservedFunctionConcurrentInvocationLimitExceeded",
        /// The unreserved rest, or the host's ceiling, is in use.
        Concurrency = "ConcurrentInvocationLimitExceeded",
        /// No sandbox slot or memory is free on this host.
        HostCapacity = "HostCapacity",
        /// More is asked of the host than its processors can do.
        Overload = "Overload",
    }
}

label! {
    /// `outcome` of a message that an event source mapping received.
    MessageOutcome {
        /// Delivered and deleted.
        Succeeded = "succeeded",
        /// The function failed it; it stays for another try.
        Failed = "failed",
        /// Deleted, because no filter let it through.
        Filtered = "filtered",
        /// Moved to the dead-letter queue instead of being received again.
        DeadLettered = "dead_lettered",
        /// Made visible again without an outcome.
        GivenBack = "given_back",
    }
}

label! {
    /// `outcome` of a log event that matched a subscription filter.
    SubscriptionOutcome {
        /// Accepted for the function, durably.
        Delivered = "delivered",
        /// There is no such function, or it may not be invoked.
        Refused = "refused",
        /// The function wrote it in a chain of invocations that came through it too often.
        Recursive = "recursive",
        /// It waited for too long.
        Expired = "expired",
        /// No invocation takes so much.
        TooLarge = "too_large",
    }
}

label! {
    /// `state` of an execution environment.
    EnvironmentState {
        /// In its init phase.
        Initializing = "initializing",
        /// Made on demand, waiting for work.
        Idle = "idle",
        /// Serving an invocation.
        Busy = "busy",
        /// Made ahead, initialised, waiting for work.
        Provisioned = "provisioned",
    }
}

label! {
    /// `state` of a sandbox pool slot.
    SlotState {
        /// Holds a sandbox.
        Used = "used",
        /// Could hold one.
        Free = "free",
    }
}

label! {
    /// `state` of a queue's messages.
    MessageState {
        /// May be received now.
        Available = "available",
        /// Received, and hidden until deleted or timed out.
        InFlight = "in_flight",
        /// Sent with a delay that has not passed.
        Delayed = "delayed",
    }
}

label! {
    /// `class` of an HTTP status.
    StatusClass {
        /// 100 to 199.
        Informational = "1xx",
        /// 200 to 299.
        Success = "2xx",
        /// 300 to 399.
        Redirection = "3xx",
        /// 400 to 499.
        ClientError = "4xx",
        /// Everything else.
        ServerError = "5xx",
    }
}

impl StatusClass {
    /// The class of a status code.
    pub fn of(status: u16) -> Self {
        match status {
            100..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<L: Label + PartialEq + std::fmt::Debug>() {
        for (position, value) in L::ALL.iter().enumerate() {
            assert_eq!(value.index(), position);
        }
    }

    #[test]
    fn an_index_is_a_position_in_all() {
        check::<Source>();
        check::<Start>();
        check::<Throttle>();
        check::<EnvironmentState>();
        check::<SubscriptionOutcome>();
        check::<SlotState>();
        check::<MessageState>();
        check::<AsyncDrop>();
        check::<AsyncState>();
        check::<StatusClass>();
    }

    #[test]
    fn a_status_that_is_none_counts_against_the_server() {
        assert_eq!(StatusClass::of(204), StatusClass::Success);
        assert_eq!(StatusClass::of(499), StatusClass::ClientError);
        assert_eq!(StatusClass::of(0), StatusClass::ServerError);
        assert_eq!(StatusClass::of(999), StatusClass::ServerError);
    }
}
