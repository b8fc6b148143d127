//! `poll_oneoff`: descriptors are ready at once, since nothing here ever waits; clocks are waited for without holding a thread.

use super::abi::{self, Errno, Outcome};
use super::clocks::{MONOTONIC, REALTIME, monotonic_ns, realtime_ns};
use super::files::left_to_read;
use super::table::Kind;
use super::{Preview1, Preview1Access, parts};
use crate::sandbox::calls::memory::GuestMemory;
use std::time::Duration;
use wasmtime::Caller;

const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: u32 = 32;

/// The most subscriptions of one call: one for each descriptor a guest may have, for reading and writing.
const MAX_SUBSCRIPTIONS: u32 = 2048;

/// `subclockflags`: the time is one to come, not a time from now.
const ABSOLUTE: u16 = 1;

/// `eventtype`s.
const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

/// What a guest waits for.
struct Subscription {
    userdata: [u8; 8],
    kind: u8,
    wants: Wants,
}

enum Wants {
    /// A time on the monotonic clock.
    Time(u64),
    Descriptor(u32),
    /// This, at once.
    Error(Errno),
}

fn subscription(memory: &GuestMemory<'_>, ptr: u32) -> Outcome<Subscription> {
    let at = |offset: u32| ptr.checked_add(offset).ok_or(Errno::FAULT);
    memory.bytes(ptr, SUBSCRIPTION_BYTES)?;
    let userdata = memory.array(ptr)?;
    let [kind] = memory.array(at(8)?)?;
    let first = memory.u32(at(16)?)?;
    let wants = match kind {
        CLOCK => {
            let timeout = u64::from_le_bytes(memory.array(at(24)?)?);
            let flags = u16::from_le_bytes(memory.array(at(40)?)?);
            match (first, flags & ABSOLUTE != 0) {
                (REALTIME | MONOTONIC, false) => Wants::Time(monotonic_ns().saturating_add(timeout)),
                (MONOTONIC, true) => Wants::Time(timeout),
                (REALTIME, true) => Wants::Time(monotonic_ns().saturating_add(timeout.saturating_sub(realtime_ns()))),
                _ => Wants::Error(Errno::NOTSUP),
            }
        }
        FD_READ | FD_WRITE => Wants::Descriptor(first),
        _ => return Err(Errno::INVAL.into()),
    };
    Ok(Subscription { userdata, kind, wants })
}

impl Preview1 {
    /// The event of a descriptor, ready for what is asked or not open for it.
    fn ready(&self, subscription: &Subscription, fd: u32) -> [u8; 32] {
        let event = |error, bytes, hangup| abi::event(subscription.userdata, error, subscription.kind, bytes, hangup);
        let Ok(entry) = self.table.get(fd) else { return event(Some(Errno::BADF), 0, false) };
        match (&entry.kind, subscription.kind) {
            (Kind::Stdin, FD_READ) => event(None, 0, true),
            (Kind::Stdin, _) | (Kind::Output, FD_READ) => event(Some(Errno::BADF), 0, false),
            (kind, FD_READ) => event(None, left_to_read(kind), false),
            (Kind::Output | Kind::File(_) | Kind::Dir(_), _) => event(None, u64::from(super::PIECE_BYTES), false),
        }
    }

    /// The events there are now.
    fn events(&self, subscriptions: &[Subscription], now: u64) -> Vec<[u8; 32]> {
        let events = subscriptions.iter().filter_map(|subscription| match subscription.wants {
            Wants::Time(time) => {
                (time <= now).then(|| abi::event(subscription.userdata, None, subscription.kind, 0, false))
            }
            Wants::Descriptor(fd) => Some(self.ready(subscription, fd)),
            Wants::Error(errno) => Some(abi::event(subscription.userdata, Some(errno), subscription.kind, 0, false)),
        });
        events.collect()
    }
}

pub(super) async fn poll_oneoff<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    input: u32,
    output: u32,
    count: u32,
    out: u32,
) -> Outcome {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::INVAL.into());
    }
    let (memory, guest) = parts(caller)?;
    memory.bytes(output, count.saturating_mul(EVENT_BYTES))?;
    memory.bytes(out, 4)?;
    memory.bytes(input, count.saturating_mul(SUBSCRIPTION_BYTES))?;
    let subscriptions = (0..count)
        .map(|number| {
            let offset = number.saturating_mul(SUBSCRIPTION_BYTES);
            subscription(&memory, input.checked_add(offset).ok_or(Errno::FAULT)?)
        })
        .collect::<Outcome<Vec<_>>>()?;
    let mut events = guest.events(&subscriptions, monotonic_ns());
    if events.is_empty() {
        let times = subscriptions.iter().filter_map(|subscription| match subscription.wants {
            Wants::Time(time) => Some(time),
            Wants::Descriptor(_) | Wants::Error(_) => None,
        });
        let until = times.min().unwrap_or(0);
        loop {
            let left = until.saturating_sub(monotonic_ns());
            if left == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_nanos(left)).await;
        }
        events = caller.data_mut().preview1().events(&subscriptions, monotonic_ns());
    } else {
        // A guest that looks in a loop lets others run.
        tokio::task::yield_now().await;
    }
    let (mut memory, _) = parts(caller)?;
    let mut at = output;
    for event in &events {
        memory.put(at, event)?;
        at = at.checked_add(EVENT_BYTES).ok_or(Errno::FAULT)?;
    }
    Ok(memory.put_u32(out, u32::try_from(events.len()).unwrap_or(count))?)
}
