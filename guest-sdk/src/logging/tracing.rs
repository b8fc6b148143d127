//! Events and spans of the `tracing` crate.
//!
//! An event's line is `span{field=value}:inner: message field=value`. Spans are kept from creation to the last
//! handle's drop; what they cost is bounded by the spans the function holds.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    sync::OnceLock,
};

use tracing_core::{
    Event, Interest, LevelFilter, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::{Level, write};

/// Takes `tracing`'s events from here on.
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "natively the test sets up its own log"))]
pub(super) fn install() {
    let subscriber = FunctionLog { level: OnceLock::new(), emit: write };
    let _ = tracing_core::dispatcher::set_global_default(tracing_core::Dispatch::new(subscriber));
}

struct FunctionLog {
    /// Read when it is first needed.
    level: OnceLock<LevelFilter>,
    emit: fn(Level, fmt::Arguments<'_>),
}

impl FunctionLog {
    fn level(&self) -> LevelFilter {
        *self.level.get_or_init(|| filter(Level::from_environment()))
    }
}

thread_local! {
    static SPANS: RefCell<Spans> = RefCell::default();
}

#[derive(Default)]
struct Spans {
    /// Ids start at one and are not used twice.
    last: u64,
    /// Few at a time, so a search beats a hash.
    live: Vec<Span>,
    /// The spans entered and not left, outermost first.
    entered: Vec<u64>,
}

impl Spans {
    fn get(&self, id: u64) -> Option<&Span> {
        self.live.iter().find(|span| span.id == id)
    }

    fn get_mut(&mut self, id: &span::Id) -> Option<&mut Span> {
        let id = id.into_u64();
        self.live.iter_mut().find(|span| span.id == id)
    }
}

struct Span {
    id: u64,
    metadata: &'static Metadata<'static>,
    /// ` field=value` for each recorded field.
    fields: String,
    handles: usize,
}

impl Subscriber for FunctionLog {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // Asked at once when this is installed; each callsite asks `enabled` later.
        self.level.get().copied()
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        SPANS.with_borrow_mut(|spans| {
            spans.last = spans.last.saturating_add(1);
            let span = Span { id: spans.last, metadata: attributes.metadata(), fields: fields.text, handles: 1 };
            spans.live.push(span);
            span::Id::from_u64(spans.last)
        })
    }

    fn record(&self, id: &span::Id, values: &span::Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        SPANS.with_borrow_mut(|spans| {
            if let Some(span) = spans.get_mut(id) {
                span.fields.push_str(&fields.text);
            }
        });
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let path = SPANS.with_borrow(|spans| {
            let mut path = String::new();
            for span in spans.entered.iter().filter_map(|id| spans.get(*id)) {
                path.push_str(span.metadata.name());
                if let Some(fields) = span.fields.get(1..) {
                    let _ = write!(path, "{{{fields}}}");
                }
                path.push(':');
            }
            if !path.is_empty() {
                path.push(' ');
            }
            path
        });
        let Fields { message, text } = fields;
        // An event of fields only has no message to stand before them.
        let text = if message.is_empty() { text.trim_start() } else { &text };
        (self.emit)(severity(*event.metadata().level()), format_args!("{path}{message}{text}"));
    }

    fn enter(&self, id: &span::Id) {
        SPANS.with_borrow_mut(|spans| spans.entered.push(id.into_u64()));
    }

    fn exit(&self, id: &span::Id) {
        SPANS.with_borrow_mut(|spans| {
            // Spans may be left out of order.
            if let Some(at) = spans.entered.iter().rposition(|entered| *entered == id.into_u64()) {
                spans.entered.remove(at);
            }
        });
    }

    fn clone_span(&self, id: &span::Id) -> span::Id {
        SPANS.with_borrow_mut(|spans| {
            if let Some(span) = spans.get_mut(id) {
                span.handles = span.handles.saturating_add(1);
            }
        });
        id.clone()
    }

    fn try_close(&self, id: span::Id) -> bool {
        SPANS.with_borrow_mut(|spans| {
            let Some(span) = spans.get_mut(&id) else {
                return false;
            };
            span.handles = span.handles.saturating_sub(1);
            let closed = span.handles == 0;
            if closed {
                spans.live.retain(|span| span.id != id.into_u64());
            }
            closed
        })
    }

    fn current_span(&self) -> span::Current {
        SPANS.with_borrow(|spans| {
            let current = spans.entered.iter().rev().find_map(|id| Some((*id, spans.get(*id)?)));
            match current {
                Some((id, span)) => span::Current::new(span::Id::from_u64(id), span.metadata),
                None => span::Current::none(),
            }
        })
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    /// ` field=value` for each.
    text: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.record_debug(field, &value);
        }
    }

    /// Through `serde_json`, which is linked anyway: the formatter in `core` would add 13 kB to every function.
    fn record_f64(&mut self, field: &Field, value: f64) {
        match serde_json::to_string(&value) {
            Ok(number) if value.is_finite() => self.record_debug(field, &format_args!("{number}")),
            _ if value.is_nan() => self.record_debug(field, &format_args!("NaN")),
            _ if value > 0.0 => self.record_debug(field, &format_args!("inf")),
            _ => self.record_debug(field, &format_args!("-inf")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.text, " {name}={value:?}"),
        };
    }
}

fn severity(level: tracing_core::Level) -> Level {
    match level {
        tracing_core::Level::TRACE => Level::Trace,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::INFO => Level::Info,
        tracing_core::Level::WARN => Level::Warn,
        tracing_core::Level::ERROR => Level::Error,
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
        Level::Fatal => LevelFilter::OFF,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static LINES: RefCell<Vec<String>> = RefCell::default();
    }

    fn capture(level: Level, message: fmt::Arguments<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(format!("{level:?} {message}")));
    }

    fn lines(level: Option<Level>, run: impl FnOnce()) -> Vec<String> {
        let subscriber =
            FunctionLog { level: level.map(|level| OnceLock::from(filter(level))).unwrap_or_default(), emit: capture };
        tracing_core::dispatcher::with_default(&tracing_core::Dispatch::new(subscriber), run);
        LINES.take()
    }

    #[test]
    fn events_carry_their_spans_and_fields() {
        let lines = lines(Some(Level::Info), || {
            tracing::info!(order = 7, who = "ann", "placed");
            let outer = tracing::info_span!("batch", size = 2, failed = tracing::field::Empty);
            let entered = outer.enter();
            outer.record("failed", 1);
            tracing::info_span!("order").in_scope(|| tracing::error!("rejected {}", 7));
            drop(entered);
            tracing::warn!(left = true, share = 0.25, worst = f64::NEG_INFINITY);
            tracing::debug!("not at this level");
        });
        assert_eq!(
            lines,
            [
                "Info placed order=7 who=\"ann\"",
                "Error batch{size=2 failed=1}:order: rejected 7",
                "Warn left=true share=0.25 worst=-inf",
            ]
        );
        SPANS.with_borrow(|spans| assert!(spans.entered.is_empty()));
    }

    #[test]
    fn a_level_not_yet_read_is_read_with_the_first_event() {
        let lines = lines(None, || {
            tracing::debug!("below what holds where the environment says nothing");
            tracing::info!("there");
        });
        assert_eq!(lines, ["Info there"]);
    }

    #[test]
    fn a_span_lives_as_long_as_its_handles() {
        lines(Some(Level::Info), || {
            let span = tracing::info_span!("held");
            let other = span.clone();
            drop(span);
            SPANS.with_borrow(|spans| assert_eq!(spans.live.len(), 1));
            drop(other);
            SPANS.with_borrow(|spans| assert!(spans.live.is_empty()));
        });
    }
}
