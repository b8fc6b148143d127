//! An extension that does what `EXTENSION_OPS` says: `<when>:<what>`, several separated by commas.
//!
//! When: `init`, `invoke`, `telemetry`, `shutdown`. What: `trap`, `exit`, `fail`, `loop`, `print`, `grow` (more memory than there is),
//! `sleep-<ms>`. `only-<name>:` before it makes it that of the extension with this name alone. `subscribe:<types>-<timeout ms>` with `p`, `f`
//! and `e` for types; `subscribe:bad` asks for more than is allowed.

use lamina::Error;
use lamina::extension::{Environment, Extension, InvokeEvent, Record, Registration, ShutdownEvent, Subscription};
use std::time::Duration;

struct Ops {
    name: String,
    wishes: String,
    kept: Vec<Vec<u8>>,
}

impl Ops {
    /// What is to be done now.
    fn now(&mut self, when: &str, what: &str) -> Result<(), Error> {
        for wish in self.wishes.clone().split(',') {
            let wish = match wish.strip_prefix("only-").and_then(|wish| wish.split_once(':')) {
                Some((name, wish)) if name == self.name => wish,
                Some(_) => continue,
                None => wish,
            };
            if let Some((at, act)) = wish.split_once(':') {
                if at == when {
                    self.act(act, when, what)?;
                }
            }
        }
        Ok(())
    }

    fn act(&mut self, act: &str, when: &str, what: &str) -> Result<(), Error> {
        match act {
            "trap" => std::process::abort(),
            "exit" => std::process::exit(7),
            "fail" => return Err(Error::new("Ops.Asked", format!("{when} is to fail"))),
            "loop" => loop {
                std::hint::black_box(());
            },
            "print" => println!("{} {when} {what}", self.name),
            "grow" => loop {
                self.kept.push(vec![1; 1 << 20]);
            },
            _ => {
                if let Some(ms) = act.strip_prefix("sleep-").and_then(|ms| ms.parse().ok()) {
                    std::thread::sleep(Duration::from_millis(ms));
                }
            }
        }
        Ok(())
    }

    fn subscription(&self) -> Option<Subscription> {
        let wish = self.wishes.split(',').find_map(|wish| wish.strip_prefix("subscribe:"))?;
        let (types, timeout) = wish.split_once('-').unwrap_or((wish, "25"));
        if types == "bad" {
            return Some(Subscription::all().buffering(1, 1, 1));
        }
        let mut subscription = Subscription::nothing();
        if types.contains('p') {
            subscription = subscription.and(Subscription::platform());
        }
        if types.contains('f') {
            subscription = subscription.and(Subscription::function());
        }
        if types.contains('e') {
            subscription = Subscription::all();
        }
        Some(subscription.buffering(1_000, 262_144, timeout.parse().unwrap_or(25)))
    }
}

impl Extension for Ops {
    fn init(environment: Environment) -> Result<(Self, Registration), Error> {
        let wishes = std::env::var("EXTENSION_OPS").unwrap_or_default();
        let mut ops = Self { name: environment.extension_name, wishes, kept: Vec::new() };
        ops.now("init", &environment.function_name)?;
        let registration = match ops.subscription() {
            Some(subscription) => Registration::events().telemetry(subscription),
            None => Registration::events(),
        };
        Ok((ops, registration))
    }

    fn invoke(&mut self, event: InvokeEvent) -> Result<(), Error> {
        self.now("invoke", &event.request_id)
    }

    fn telemetry(&mut self, records: Vec<Record>) -> Result<(), Error> {
        let kinds: Vec<String> = records.iter().map(|record| format!("{}={}", record.kind, record.record)).collect();
        self.now("telemetry", &kinds.join(" "))
    }

    fn shutdown(&mut self, event: ShutdownEvent) {
        let _ = self.now("shutdown", event.reason.as_str());
    }
}

lamina::extension!(Ops);
