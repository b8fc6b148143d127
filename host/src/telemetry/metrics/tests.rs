use super::labels::{EnvironmentState, Source, Start, Throttle};
use super::*;
use crate::ids::{AliasName, FunctionName, Version};
use std::io::Write;
use std::process::{Command, Stdio};

fn metrics(max_label_sets: usize) -> Metrics {
    Metrics::new(&Config { max_label_sets }, "0.1.0", "abc").unwrap()
}

fn name(text: &str) -> FunctionName {
    FunctionName::new(text).unwrap()
}

/// One observation of everything, so that every family is in the output.
fn full() -> Metrics {
    let metrics = metrics(1_000);
    let live = AliasName::new("live").unwrap();
    let series = metrics.invocations.series(&name("hello"), Version::Number(3), Some(&live));
    series.observe(Source::Http, Start::Cold, Duration::from_micros(120), Some(Duration::from_micros(80)));
    series.function().error("Sandbox.Timedout");
    series.function().throttle(Throttle::Reserved);
    series.function().set_environments(EnvironmentState::Idle, 1);
    metrics.sandbox.compile_duration.observe(0.2);
    metrics.on_scrape(|m| m.sandbox.set_slots(3, 997));
    metrics.on_scrape(|m| {
        m.queues.set([QueueSample {
            queue: "orders".into(),
            available: 4,
            in_flight: 2,
            delayed: 1,
            oldest_age: Duration::from_millis(1500),
        }]);
    });
    metrics.schedules.lateness.observe(0.004);
    metrics.mappings.messages(labels::MessageOutcome::Failed, 2);
    metrics.logs.tails.sessions.inc();
    metrics.logs.tails.left_out.inc_by(7);
    metrics.logs.subscriptions.events(labels::SubscriptionOutcome::Recursive, 3);
    metrics.on_scrape(|m| m.logs.subscriptions.lag.set(1.5));
    metrics.storage.committed(64, Duration::from_millis(2));
    metrics.http.answered(200);
    metrics
}

#[test]
fn a_scrape_says_what_was_counted() {
    let text = full().encode().unwrap();
    for line in [
        r#"lamina_invocations_total{alias="live",function="hello",source="http",version="3"} 1"#,
        r#"lamina_invocation_duration_seconds_bucket{alias="live",function="hello",start="cold",version="3",le="0.0001"} 0"#,
        r#"lamina_invocation_duration_seconds_bucket{alias="live",function="hello",start="cold",version="3",le="0.00025"} 1"#,
        r#"lamina_init_duration_seconds_count{function="hello",start="cold",version="3"} 1"#,
        r#"lamina_invocation_errors_total{error_type="Sandbox.Timedout",function="hello"} 1"#,
        r#"lamina_throttles_total{function="hello",reason="ReservedFunctionConcurrentInvocationLimitExceeded"} 1"#,
        r#"lamina_environments{function="hello",state="idle"} 1"#,
        r#"lamina_sandbox_pool_slots{state="free"} 997"#,
        r#"lamina_queue_messages{queue="orders",state="in_flight"} 2"#,
        r#"lamina_queue_oldest_message_age_seconds{queue="orders"} 1.5"#,
        r#"lamina_mapping_messages_total{outcome="failed"} 2"#,
        r#"lamina_storage_commit_writes_bucket{le="64"} 1"#,
        "lamina_log_tail_sessions 1",
        r#"lamina_log_tail_events_total{outcome="sent"} 0"#,
        r#"lamina_log_tail_events_total{outcome="left_out"} 7"#,
        r#"lamina_log_subscription_events_total{outcome="recursive"} 3"#,
        "lamina_log_subscription_lag_seconds 1.5",
        r#"lamina_http_requests_total{class="2xx"} 1"#,
        r#"lamina_build_info{commit="abc",version="0.1.0"} 1"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("\nprocess_resident_memory_bytes "));
}

/// Prometheus's naming rules, as far as they can be checked by a name alone.
#[test]
fn names_follow_the_rules() {
    let text = full().encode().unwrap();
    let mut families = 0;
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("# TYPE ") else { continue };
        let (name, kind) = rest.split_once(' ').unwrap();
        families += 1;
        assert!(name.starts_with("lamina_") || name.starts_with("process_"), "{name} has no prefix");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name} has odd characters");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        for unit in ["_ms", "_us", "_ns", "_kb", "_mb", "_milliseconds", "_minutes", "_percent", "_counter", "_gauge"] {
            assert!(!name.ends_with(unit), "{name} is not in base units");
        }
        let help = text.lines().find_map(|l| l.strip_prefix(&format!("# HELP {name} "))).unwrap();
        assert!(help.len() > 10 && help.ends_with('.'), "{name} has no sentence of help: {help:?}");
    }
    assert!(families >= 25, "{families} families");
}

/// Runs wherever Debian's `prometheus` package is installed; elsewhere [`names_follow_the_rules`] stands in for it.
#[test]
fn promtool_finds_nothing_to_say() {
    let Ok(mut promtool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return;
    };
    promtool.stdin.take().unwrap().write_all(full().encode().unwrap().as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn past_the_bound_values_fold() {
    let metrics = metrics(2);
    let observe = |function: &str, version: u64| {
        metrics.invocations.series(&name(function), Version::Number(version), None).observe(
            Source::Api,
            Start::Warm,
            Duration::ZERO,
            None,
        );
    };
    observe("a", 1);
    observe("b", 1);
    observe("a", 1); // known
    observe("a", 2); // a version too many
    observe("a", 3); // the same
    observe("c", 1); // a function too many
    observe("d", 1); // the same
    metrics.invocations.function(&name("e")).error("Oops");
    metrics.invocations.function(&name("f")).error("Oops");
    let text = metrics.encode().unwrap();
    let counts: Vec<&str> = text.lines().filter(|l| l.starts_with("lamina_invocations_total")).collect();
    assert_eq!(
        counts,
        [
            r#"lamina_invocations_total{alias="",function="_other",source="api",version="_other"} 2"#,
            r#"lamina_invocations_total{alias="",function="a",source="api",version="1"} 2"#,
            r#"lamina_invocations_total{alias="",function="a",source="api",version="_other"} 2"#,
            r#"lamina_invocations_total{alias="",function="b",source="api",version="1"} 1"#,
        ]
    );
    assert!(text.contains(r#"lamina_invocation_errors_total{error_type="Oops",function="_other"} 2"#), "{text}");
}

#[test]
fn a_forgotten_function_leaves_no_series_and_makes_room() {
    let metrics = metrics(1);
    let old = metrics.invocations.series(&name("a"), Version::Latest, None);
    old.observe(Source::Api, Start::Warm, Duration::ZERO, Some(Duration::ZERO));
    old.function().error("Oops");
    old.function().throttle(Throttle::HostCapacity);
    old.function().set_environments(EnvironmentState::Busy, 1);
    metrics.invocations.forget_function(&name("a"));
    // Handles in use count on, also into series they had not made before; none of it may come back.
    old.observe(Source::Api, Start::Warm, Duration::ZERO, None);
    old.observe(Source::Queue, Start::Cold, Duration::ZERO, Some(Duration::ZERO));
    old.function().error("Other");
    old.function().set_environments(EnvironmentState::Busy, 2);
    old.function().set_environments(EnvironmentState::Idle, 1);
    let text = metrics.encode().unwrap();
    assert!(!text.contains(r#"function="a""#), "{text}");
    metrics.invocations.series(&name("b"), Version::Latest, None).observe(
        Source::Api,
        Start::Warm,
        Duration::ZERO,
        None,
    );
    assert!(metrics.encode().unwrap().contains(r#"function="b""#));
}

#[test]
fn a_forgotten_version_leaves_the_others() {
    let metrics = metrics(10);
    let alias = AliasName::new("live").unwrap();
    for (version, alias) in [(1, None), (1, Some(&alias)), (2, Some(&alias))] {
        metrics.invocations.series(&name("a"), Version::Number(version), alias).observe(
            Source::Api,
            Start::Cold,
            Duration::ZERO,
            Some(Duration::ZERO),
        );
    }
    metrics.invocations.forget_version(&name("a"), Version::Number(1));
    let text = metrics.encode().unwrap();
    assert!(!text.contains(r#"version="1""#), "{text}");
    assert!(text.contains(r#"version="2""#));
}

#[test]
fn a_function_cannot_invent_series_without_end() {
    let metrics = metrics(10);
    let function = metrics.invocations.function(&name("a"));
    for i in 0..1_000 {
        function.error(&format!("Type{i}\n\"{}", "x".repeat(1_000)));
    }
    let text = metrics.encode().unwrap();
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("lamina_invocation_errors_total")).collect();
    assert_eq!(errors.len(), 33);
    assert!(errors.iter().all(|l| l.len() < 200));
    assert!(errors.iter().any(|l| l.contains("_other") && l.ends_with(" 968")), "{errors:?}");
}

#[test]
fn queues_that_are_gone_have_no_series() {
    let metrics = metrics(1);
    let sample = |queue: &str, available| QueueSample { queue: queue.into(), available, ..QueueSample::default() };
    metrics.queues.set([sample("a", 1)]);
    metrics.queues.set([sample("b", 1), sample("c", 2), sample("d", 3)]);
    let text = metrics.encode().unwrap();
    assert!(!text.contains(r#"queue="a""#) && !text.contains(r#"queue="c""#));
    assert!(text.contains(r#"lamina_queue_messages{queue="_other",state="available"} 5"#), "{text}");
}
