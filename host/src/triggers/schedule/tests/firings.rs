//! Firings of a daemon that runs.

use super::*;

const FIRED: &str = "1970-01-01T00";

#[tokio::test(start_paused = true)]
async fn a_rate_fires_at_once_and_then_on_time() {
    let world = World::at("1970-01-01T00:00:30Z").await;
    world.put(record("n", "rate(1 minute)")).await;
    world.run_s(150).await;
    assert_eq!(
        world.calls(),
        [
            format!("01T00:00:30 {FIRED}:00:30Z 1"),
            format!("01T00:01:30 {FIRED}:01:30Z 1"),
            format!("01T00:02:30 {FIRED}:02:30Z 1")
        ]
    );
    assert!(world.counts.late_ms.load(Ordering::Relaxed) <= 1);
    assert_eq!(world.stored("n").await.unwrap().next_fire_at_ms, Some(210_000));
    assert_eq!(world.unfinished().await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_schedule_put_later_fires_first() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    world.put(record("late", "at(1970-01-01T00:10:00)")).await;
    world.run_s(1).await;
    world.put(record("early", "*/5 * * * *")).await;
    world.run_s(605).await;
    assert_eq!(world.times(), ["01T00:05:00", "01T00:10:00", "01T00:10:00"]);
}

#[tokio::test(start_paused = true)]
async fn local_time_counts_and_the_repeated_hour_fires_once() {
    let world = World::at("2026-10-31T12:00:00Z").await;
    let mut record = record("n", "cron(30 1 * * ? *)");
    record.timezone = "America/New_York".into();
    world.put(record).await;
    world.run_s(2 * 86_400).await;
    assert_eq!(world.times(), ["01T05:30:00", "02T06:30:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_retried_with_growing_pauses_and_then_kept_as_a_dead_letter() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    world.queue("dead").await;
    world.does(&[Does::Fail]);
    let mut record = record("n", "at(1970-01-01T00:01:00)");
    record.target.maximum_retry_attempts = 3;
    record.target.dead_letter_arn = Some("arn:aws:sqs:us-east-1:000000000000:dead".into());
    world.put(record).await;
    world.run_s(64).await;
    assert_eq!(world.unfinished().await, 1, "between attempts it is on record");
    world.run_s(3_600).await;
    assert_eq!(world.times(), ["01T00:01:00", "01T00:01:01", "01T00:01:03", "01T00:01:07"]);
    assert!(world.calls()[3].ends_with(" 4"), "the attempt is numbered: {:?}", world.calls());
    let dead = world.received("dead").await;
    assert_eq!(dead[0].body, "1970-01-01T00:01:00Z 4");
    let attributes: serde_json::Value = serde_json::from_str(dead[0].attributes.as_deref().unwrap()).unwrap();
    let text = |name: &str| attributes[name]["StringValue"].as_str().unwrap_or_default().to_owned();
    assert_eq!((text("ERROR_CODE"), text("ERROR_MESSAGE")), ("Oops".into(), "it failed".into()));
    assert_eq!(
        (text("EXHAUSTED_RETRY_CONDITION"), text("RETRY_ATTEMPTS")),
        ("MaximumRetryAttempts".into(), "3".into())
    );
    assert_eq!(text("SCHEDULE_ARN"), "arn:aws:scheduler:us-east-1:000000000000:schedule/default/n");
    assert_eq!((dead.len(), world.unfinished().await), (1, 0));
    assert_eq!(world.counts.failed.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn retries_end_at_the_maximum_age() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::Fail]);
    let mut record = record("n", "at(1970-01-01T00:01:00)");
    record.target.maximum_event_age_s = 60;
    world.put(record).await;
    world.run_s(86_400).await;
    // 1, 2, 4, 8 and 16 seconds fit in a minute, 32 more do not.
    assert_eq!(world.times().len(), 6);
    assert_eq!(world.counts.failed.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_uses_up_no_retries() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    let mut does = vec![Does::Throttle; 20];
    does.push(Does::Succeed);
    world.does(&does);
    let mut record = record("n", "at(1970-01-01T00:01:00)");
    record.target.maximum_retry_attempts = 0;
    world.put(record).await;
    world.run_s(3_600).await;
    assert_eq!(world.calls().len(), 21);
    assert_eq!(world.recorder.ended.load(Ordering::Relaxed), 1);
    assert_eq!((world.counts.failed.load(Ordering::Relaxed), world.unfinished().await), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_succeed_is_not_retried() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::NotFound]);
    world.put(record("n", "at(1970-01-01T00:01:00)")).await;
    world.run_s(3_600).await;
    assert_eq!((world.calls().len(), world.counts.failed.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_firing_does_not_hold_up_the_next() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::Hang, Does::Succeed]);
    world.put(record("n", "rate(1 minute)")).await;
    world.run_s(125).await;
    assert_eq!(world.calls().len(), 3);
    assert_eq!(world.unfinished().await, 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_in_flight_are_bounded() {
    let world = World::with("1970-01-01T00:00:00Z", Config { in_flight: 2, ..Config::default() }).await;
    world.does(&[Does::Take(Duration::from_secs(10))]);
    for name in ["a", "b", "c", "d", "e"] {
        world.put(record(name, "at(1970-01-01T00:01:00)")).await;
    }
    world.run_s(200).await;
    let times = ["01T00:01:00", "01T00:01:00", "01T00:01:10", "01T00:01:10", "01T00:01:20"];
    assert_eq!(world.times(), times);
}

#[tokio::test(start_paused = true)]
async fn a_schedule_with_too_much_unfinished_waits_without_holding_up_others() {
    let config = Config { unfinished_per_schedule: 2, ..Config::default() };
    let world = World::with("1970-01-01T00:00:00Z", config).await;
    world.does(&[Does::Hang]);
    world.put(record("stuck", "rate(1 second)")).await;
    world.run_s(30).await;
    assert_eq!(world.calls().len(), 2);
    world.does(&[Does::Succeed]);
    world.put(record("other", "rate(10 seconds)")).await;
    world.run_s(25).await;
    assert_eq!(world.calls().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_schedule_ends_with_its_attempt_in_flight() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::Take(Duration::from_secs(30)), Does::Fail]);
    world.put(record("in-flight", "at(1970-01-01T00:01:00)")).await;
    world.put(record("retrying", "at(1970-01-01T00:01:01)")).await;
    world.run_for(Duration::from_millis(61_500)).await;
    let attempts = world.calls().len();
    assert_eq!(world.unfinished().await, 2);
    for name in ["in-flight", "retrying"] {
        assert!(world.scheduler.delete(key(name)).await.unwrap());
        assert!(!world.scheduler.delete(key(name)).await.unwrap());
    }
    world.run_s(3_600).await;
    assert_eq!(world.calls().len(), attempts, "no further attempt");
    assert_eq!(world.counts.failed.load(Ordering::Relaxed), 0);
    assert!(world.recorder.ended.load(Ordering::Relaxed) >= 1, "the attempt in flight was not cut off");
    assert_eq!(world.unfinished().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_group_takes_its_schedules_along() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    let group = ScheduleGroupRecord { name: "g".into(), tags: Default::default(), created_at_ms: 0, modified_at_ms: 0 };
    world.scheduler.put_group(group, PutMode::Create).await.unwrap();
    let mut in_group = record("n", "rate(1 minute)");
    in_group.key.group = "g".into();
    world.put(in_group.clone()).await;
    world.run_s(1).await;
    assert!(world.scheduler.delete_group("g".into()).await.unwrap());
    assert!(!world.scheduler.delete_group("g".into()).await.unwrap());
    world.run_s(600).await;
    assert_eq!(world.calls().len(), 1);
    let put = world.scheduler.put(in_group, PutMode::Either).await;
    assert!(matches!(put, Ok(PutOutcome::NoGroup)), "{put:?}");
}

#[tokio::test(start_paused = true)]
async fn a_complete_schedule_is_deleted_if_it_says_so_after_its_last_firing() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::Fail, Does::Succeed]);
    world.put(record("stays", "at(1970-01-01T00:01:00)")).await;
    let mut goes = record("goes", "at(1970-01-01T00:02:00)");
    goes.after_completion = ActionAfterCompletion::Delete;
    world.put(goes).await;
    world.run_s(110).await;
    world.does(&[Does::Fail, Does::Succeed]);
    world.run_for(Duration::from_millis(10_500)).await;
    assert!(world.stored("goes").await.is_some(), "its retry is to come");
    world.run_s(60).await;
    assert!(world.stored("goes").await.is_none());
    assert_eq!(world.stored("stays").await.unwrap().next_fire_at_ms, None);
    assert_eq!(world.times(), ["01T00:01:00", "01T00:01:01", "01T00:02:00", "01T00:02:01"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_the_rhythm_unless_it_changes_it() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    world.put(record("n", "rate(10 minutes)")).await;
    world.run_s(60).await;
    let mut changed = record("n", "rate(10 minutes)");
    changed.target.input = Some("changed".into());
    world.put(changed.clone()).await;
    world.run_s(600).await;
    assert_eq!(world.calls()[1], "01T00:10:00 changed");
    changed.expression = "rate(4 minutes)".into();
    world.put(changed.clone()).await;
    world.run_s(120).await;
    assert_eq!(world.times()[2..], ["01T00:12:00"], "counted from its creation");
    changed.state = ScheduleState::Disabled;
    world.put(changed.clone()).await;
    world.run_s(3_600).await;
    assert_eq!(world.calls().len(), 3);
    changed.state = ScheduleState::Enabled;
    world.put(changed).await;
    world.run_s(240).await;
    assert_eq!((world.calls().len(), world.counts.missed.load(Ordering::Relaxed)), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_uses_the_schedule_as_it_is_by_then() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::Fail, Does::Succeed]);
    let mut schedule = record("n", "at(1970-01-01T00:01:00)");
    world.put(schedule.clone()).await;
    world.run_for(Duration::from_millis(60_500)).await;
    schedule.target.input = Some("mended".into());
    world.put(schedule).await;
    world.run_s(60).await;
    assert_eq!(world.calls()[1], "01T00:01:01 mended");
    assert_eq!(world.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn queues_are_targets_too() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    world.queue("q").await;
    world.queue("q.fifo").await;
    let mut standard = record("n", "at(1970-01-01T00:01:00)");
    standard.target.arn = "arn:aws:sqs:us-east-1:000000000000:q".into();
    let mut fifo = ScheduleRecord { key: key("fifo"), ..standard.clone() };
    fifo.target.arn.push_str(".fifo");
    let refused = world.scheduler.put(fifo.clone(), PutMode::Create).await.unwrap_err();
    assert!(refused.to_string().contains("MessageGroupId"), "{refused}");
    fifo.target.echoed.insert("SqsParameters".into(), serde_json::json!({"MessageGroupId": "g"}));
    let mut missing = ScheduleRecord { key: key("missing"), ..standard.clone() };
    missing.target.arn = "arn:aws:sqs:us-east-1:000000000000:none".into();
    for record in [standard, fifo, missing] {
        world.put(record).await;
    }
    world.run_s(120).await;
    assert_eq!(world.received("q").await[0].body, "1970-01-01T00:01:00Z 1");
    let received = world.received("q.fifo").await;
    assert_eq!(received[0].group_id.as_deref(), Some("g"));
    assert!(received[0].deduplication_id.is_some());
    assert_eq!(world.counts.failed.load(Ordering::Relaxed), 1, "no such queue");
    assert!(world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn targets_that_lamina_does_not_call_are_refused() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    for arn in ["arn:aws:sns:us-east-1:000000000000:t", "x", "arn:aws:lambda:us-east-1:1:function:f", ""] {
        let mut schedule = record("n", "rate(1 hour)");
        schedule.target.arn = arn.into();
        let refused = world.scheduler.put(schedule, PutMode::Create).await.unwrap_err();
        assert!(refused.to_string().contains("Lambda functions"), "{refused}");
    }
    let mut schedule = record("n", "rate(1 hour)");
    schedule.target.dead_letter_arn = Some("arn:aws:sqs:us-east-1:000000000000:q.fifo".into());
    assert!(world.scheduler.put(schedule, PutMode::Create).await.is_err());
    assert!(world.stored("n").await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_through_even_if_its_caller_goes_away() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    {
        let mut put = Box::pin(world.scheduler.put(record("n", "rate(1 minute)"), PutMode::Create));
        assert!(futures_util::poll!(&mut put).is_pending());
    }
    world.run_s(61).await;
    assert_eq!(world.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn thousands_due_at_once_all_fire() {
    let world = World::at("1970-01-01T00:00:00Z").await;
    for index in 0..2_000 {
        world.put(record(&format!("n{index}"), "at(1970-01-01T00:01:00)")).await;
    }
    world.run_s(70).await;
    assert_eq!(world.calls().len(), 2_000);
    assert_eq!(world.unfinished().await, 0);
}
