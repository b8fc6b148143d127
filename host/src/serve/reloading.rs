//! Access keys and certificates are read again when their files change, and at `SIGHUP`.

use crate::clock::SharedClock;
use crate::credentials::{Keys, Stamp};
use crate::listener::Tls;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is read again. A file that is wrong changes nothing but the log, and is tried again when it changes again.
pub(super) struct Reloading {
    keys: Arc<Keys>,
    certificates: Vec<Arc<Tls>>,
    seen: Mutex<Seen>,
}

/// The files as they were when they were last read, right or wrong.
#[derive(PartialEq, Eq)]
struct Seen {
    keys: Stamp,
    certificates: Vec<[Stamp; 2]>,
}

impl Seen {
    fn now(keys: &Keys, certificates: &[Arc<Tls>]) -> Self {
        let of = |tls: &Arc<Tls>| tls.paths().map(Stamp::of);
        Self { keys: Stamp::of(keys.path()), certificates: certificates.iter().map(of).collect() }
    }
}

impl Reloading {
    /// Of what was just read.
    pub(super) fn new(keys: Arc<Keys>, certificates: Vec<Arc<Tls>>) -> Self {
        let seen = Mutex::new(Seen::now(&keys, &certificates));
        Self { keys, certificates, seen }
    }

    /// Looks at the files until it is dropped.
    pub(super) async fn look_again_and_again(self: Arc<Self>, clock: SharedClock) {
        loop {
            clock.sleep(LOOK_EVERY).await;
            Arc::clone(&self).look(false).await;
        }
    }

    /// Reads what has changed, or (`all`) everything.
    pub(super) async fn look(self: Arc<Self>, all: bool) {
        let looked = tokio::task::spawn_blocking(move || self.look_now(all)).await;
        if let Err(error) = looked {
            tracing::error!(%error, "access keys and certificates could not be looked at");
        }
    }

    fn look_now(&self, all: bool) {
        let mut seen = self.seen.lock();
        // Taken before the files are read: what changes meanwhile differs next time.
        let now = Seen::now(&self.keys, &self.certificates);
        if all || now.keys != seen.keys {
            match self.keys.reload() {
                Ok(count) => tracing::info!(count, "access keys were read"),
                Err(error) => tracing::error!(%error, "access keys were not read; those of before stay"),
            }
        }
        let stamps = now.certificates.iter().zip(&seen.certificates);
        for (tls, (now, before)) in self.certificates.iter().zip(stamps) {
            if all || now != before {
                let [certificate, _] = tls.paths();
                let file = certificate.display();
                match tls.reload() {
                    Ok(()) => tracing::info!(%file, "a certificate was read"),
                    Err(error) => tracing::error!(%error, "a certificate was not read; the one of before stays"),
                }
            }
        }
        *seen = now;
    }
}
