//! One series: callers that invoke until time is up.

use super::copies::Copies;
use super::report_line::{self, Reported};
use super::{Measure, Plan, Start};
use crate::bench_report::{Series, histogram};
use crate::cli::Failure;
use crate::cli::api::{Answer, function_path};
use crate::cli::invoke::log_tail;
use hdrhistogram::Histogram;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a caller calls.
#[derive(Clone)]
struct Target {
    name: String,
    qualifier: Option<String>,
}

/// What a caller found.
struct Found {
    latency: Histogram<u64>,
    errors: u64,
    /// The first failure, in words.
    why: Option<String>,
}

/// Measures one kind of start.
pub(super) async fn measure(plan: &Plan, copies: &mut Copies, start: Start) -> Result<Series, Failure> {
    let targets = targets(plan, copies, start).await?;
    let mut changes = Vec::new();
    if start == Start::Cold {
        changes = (0..CHANGES).map(|number| copies.change(number)).collect();
    }
    let changes: Arc<[Value]> = changes.into();
    let headers = HeaderMap::from_iter([(
        http::header::HeaderName::from_static("x-amz-log-type"),
        HeaderValue::from_static("Tail"),
    )]);
    if matches!(start, Start::Warm | Start::Fresh) {
        warm_up(plan, &targets, &headers).await?;
    }
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for target in targets {
        let (api, payload, headers) = (plan.api.clone(), plan.payload.clone(), headers.clone());
        let (measure, until, changes) = (plan.measure, began + plan.duration, Arc::clone(&changes));
        callers.spawn(async move {
            let mut found = Found { latency: histogram(), errors: 0, why: None };
            let mut round = 0usize;
            while Instant::now() < until {
                if !changes.is_empty() {
                    let change = changes.get(round % changes.len()).unwrap_or(&Value::Null);
                    round = round.wrapping_add(1);
                    api.lambda(Method::PUT, &function_path(&target.name, "/configuration"), change).await?;
                }
                let sent = Instant::now();
                let answer =
                    api.invoke(&target.name, target.qualifier.as_deref(), payload.clone(), headers.clone()).await;
                let round_trip = sent.elapsed();
                found.take(start, measure, round_trip, answer);
            }
            Ok::<_, Failure>(found)
        });
    }
    let mut latency = histogram();
    let (mut errors, mut why) = (0u64, None);
    while let Some(caller) = callers.join_next().await {
        let found = caller.map_err(|error| Failure::local(error.to_string()))??;
        latency.add(&found.latency).map_err(|error| Failure::local(error.to_string()))?;
        errors = errors.saturating_add(found.errors);
        why = why.or(found.why);
    }
    let elapsed = began.elapsed();
    if latency.is_empty() {
        let why = why.unwrap_or_else(|| "no invocation started as meant".to_owned());
        return Err(Failure::remote(format!("no {} start could be measured: {why}", start.name())));
    }
    Ok(Series { name: start.name().to_owned(), what: start.what(plan.measure), latency, errors, elapsed })
}

/// Configurations that a cold copy goes through: two would do, since each leaves no environment of the other.
const CHANGES: u64 = 2;

async fn targets(plan: &Plan, copies: &mut Copies, start: Start) -> Result<Vec<Target>, Failure> {
    let callers = usize::try_from(plan.concurrency).unwrap_or(usize::MAX);
    let same = |name: String, qualifier: Option<String>| vec![Target { name, qualifier }; callers];
    Ok(match start {
        // A copy each: what one caller changes must not end another's environment.
        Start::Cold => {
            let mut targets = Vec::with_capacity(callers);
            for caller in 0..callers {
                let name = copies.make(&format!("cold-{caller}"), &[]).await?;
                targets.push(Target { name, qualifier: None });
            }
            targets
        }
        Start::Fresh => same(copies.make("fresh", &[("LAMINA_SANDBOX", "fresh")]).await?, None),
        Start::Warm => same(copies.make("warm", &[]).await?, None),
        Start::Provisioned => {
            let name = copies.make("provisioned", &[]).await?;
            let version = copies.provision(&name, plan.concurrency).await?;
            same(name, Some(version))
        }
    })
}

/// One invocation by each caller at once: environments exist, code is mapped, connections are open.
async fn warm_up(plan: &Plan, targets: &[Target], headers: &HeaderMap) -> Result<(), Failure> {
    let mut callers = JoinSet::new();
    for target in targets.iter().cloned() {
        let (api, payload, headers) = (plan.api.clone(), plan.payload.clone(), headers.clone());
        callers.spawn(async move {
            api.invoke(&target.name, target.qualifier.as_deref(), payload, headers).await.map(drop)
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.map_err(|error| Failure::local(error.to_string()))??;
    }
    Ok(())
}

impl Found {
    fn take(&mut self, start: Start, measure: Measure, round_trip: Duration, answer: Result<Answer, Failure>) {
        let fault = match &answer {
            Err(failure) => Some(failure.to_string()),
            Ok(answer) => answer
                .header("x-amz-function-error")
                .map(|_| String::from_utf8_lossy(&answer.body).chars().take(300).collect()),
        };
        if let Some(fault) = fault {
            self.errors = self.errors.saturating_add(1);
            self.why.get_or_insert(fault);
            return;
        }
        let reported = answer.ok().as_ref().and_then(log_tail).as_deref().and_then(report_line::read);
        if !reported.is_some_and(|reported| is_meant(start, reported)) {
            return;
        }
        let time = match (measure, reported) {
            (Measure::Report, Some(reported)) => reported.duration.saturating_add(reported.init.unwrap_or_default()),
            _ => round_trip,
        };
        // The histogram grows as needed; what no histogram can hold is no latency.
        if self.latency.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).is_err() {
            self.errors = self.errors.saturating_add(1);
        }
    }
}

/// Whether an invocation started as it was meant to.
fn is_meant(start: Start, reported: Reported) -> bool {
    match start {
        Start::Cold => reported.init.is_some(),
        Start::Warm | Start::Provisioned => reported.init.is_none(),
        Start::Fresh => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use http::StatusCode;

    fn answer(log: &str, failed: bool) -> Result<Answer, Failure> {
        let log = base64::prelude::BASE64_STANDARD.encode(log);
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-log-result", HeaderValue::try_from(log).unwrap());
        if failed {
            headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
        }
        Ok(Answer { status: StatusCode::OK, headers, body: bytes::Bytes::from_static(b"{}") })
    }

    #[test]
    fn samples_count_where_they_started_as_meant_and_with_the_time_asked_for() {
        let cold = "REPORT RequestId: a\tDuration: 2.00 ms\tInit Duration: 1.00 ms\t\n";
        let warm = "REPORT RequestId: a\tDuration: 2.00 ms\t\n";
        let round_trip = Duration::from_millis(5);
        for (start, measure, log, ms) in [
            (Start::Cold, Measure::Wire, cold, Some(5.0)),
            (Start::Cold, Measure::Report, cold, Some(3.0)),
            (Start::Cold, Measure::Wire, warm, None),
            (Start::Warm, Measure::Report, warm, Some(2.0)),
            (Start::Warm, Measure::Wire, cold, None),
            (Start::Provisioned, Measure::Wire, "no report", None),
            (Start::Fresh, Measure::Wire, cold, Some(5.0)),
        ] {
            let mut found = Found { latency: histogram(), errors: 0, why: None };
            found.take(start, measure, round_trip, answer(log, false));
            assert_eq!(found.errors, 0);
            assert_eq!(found.latency.len(), u64::from(ms.is_some()), "{start:?} {log}");
            if let Some(ms) = ms {
                assert!((found.latency.mean() / 1e6 - ms).abs() < 0.01, "{start:?} {}", found.latency.mean());
            }
        }
        let mut found = Found { latency: histogram(), errors: 0, why: None };
        found.take(Start::Warm, Measure::Wire, round_trip, answer(warm, true));
        assert_eq!((found.errors, found.latency.len(), found.why.as_deref()), (1, 0, Some("{}")));
    }
}
