//! Records of the `log` crate.

use std::sync::Once;

use super::{Level, write};

/// Takes `log`'s records from here on.
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "natively the test sets up its own log"))]
pub(super) fn install() {
    if ::log::set_logger(&FunctionLog).is_ok() {
        // Everything gets here until the first record, with which the level is read.
        ::log::set_max_level(::log::LevelFilter::Trace);
    }
}

struct FunctionLog;

impl ::log::Log for FunctionLog {
    fn enabled(&self, metadata: &::log::Metadata<'_>) -> bool {
        static LEVEL: Once = Once::new();
        LEVEL.call_once(|| {
            // A level that the function has set itself stays.
            if ::log::max_level() == ::log::LevelFilter::Trace {
                ::log::set_max_level(filter(Level::from_environment()));
            }
        });
        metadata.level() <= ::log::max_level()
    }

    fn log(&self, record: &::log::Record<'_>) {
        if self.enabled(record.metadata()) {
            write(severity(record.level()), *record.args());
        }
    }

    fn flush(&self) {}
}

fn severity(level: ::log::Level) -> Level {
    match level {
        ::log::Level::Trace => Level::Trace,
        ::log::Level::Debug => Level::Debug,
        ::log::Level::Info => Level::Info,
        ::log::Level::Warn => Level::Warn,
        ::log::Level::Error => Level::Error,
    }
}

fn filter(level: Level) -> ::log::LevelFilter {
    match level {
        Level::Trace => ::log::LevelFilter::Trace,
        Level::Debug => ::log::LevelFilter::Debug,
        Level::Info => ::log::LevelFilter::Info,
        Level::Warn => ::log::LevelFilter::Warn,
        Level::Error => ::log::LevelFilter::Error,
        Level::Fatal => ::log::LevelFilter::Off,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_passes_its_own_filter_and_the_one_below_does_not() {
        for level in ::log::Level::iter() {
            let own = filter(severity(level));
            assert_eq!(own, level.to_level_filter());
        }
        assert_eq!(filter(Level::Fatal), ::log::LevelFilter::Off);
    }

    #[test]
    fn the_first_record_sets_the_level() {
        use ::log::Log as _;
        let enabled = |level| FunctionLog.enabled(&::log::Metadata::builder().level(level).build());
        ::log::set_max_level(::log::LevelFilter::Trace);
        assert!(!enabled(::log::Level::Debug), "INFO where the environment says nothing");
        assert_eq!(::log::max_level(), ::log::LevelFilter::Info);
        // Once: what the function sets afterwards holds.
        ::log::set_max_level(::log::LevelFilter::Trace);
        assert!(enabled(::log::Level::Debug));
    }
}
