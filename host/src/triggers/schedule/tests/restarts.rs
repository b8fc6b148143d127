//! What becomes of firings when the daemon is killed, stopped, stalled or started again.

use super::*;

async fn missed_while_down(policy: MissedPolicy) -> World {
    let mut world = World::at("1970-01-01T00:00:00Z").await;
    let mut schedule = record("n", "rate(1 minute)");
    schedule.missed = policy;
    world.put(schedule).await;
    world.run_s(61).await;
    assert_eq!(world.calls().len(), 2);
    world.kill().await;
    world.run_s(200).await;
    world.restart().await;
    world.run_s(60).await;
    world
}

fn scheduled(world: &World) -> Vec<String> {
    world.calls().iter().map(|call| call.split(' ').nth(1).unwrap()[11..19].to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn skip_leaves_missed_firings_out() {
    let world = missed_while_down(MissedPolicy::Skip).await;
    assert_eq!(scheduled(&world), ["00:05:00"]);
    assert_eq!(world.counts.missed.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn once_makes_up_for_all_with_the_latest() {
    let world = missed_while_down(MissedPolicy::Once).await;
    assert_eq!(scheduled(&world), ["00:04:00", "00:05:00"]);
    assert_eq!(world.counts.missed.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn all_makes_up_for_each() {
    let world = missed_while_down(MissedPolicy::All).await;
    let mut fired = scheduled(&world);
    fired.sort();
    assert_eq!(fired, ["00:02:00", "00:03:00", "00:04:00", "00:05:00"]);
    assert_eq!(world.counts.missed.load(Ordering::Relaxed), 0);
    assert!(world.counts.late_ms.load(Ordering::Relaxed) <= 1, "made up for is not late");
}

#[tokio::test(start_paused = true)]
async fn all_has_its_bound() {
    let mut world = World::with("1970-01-01T00:00:00Z", Config { made_up: 2, ..Config::default() }).await;
    let mut schedule = record("n", "rate(1 minute)");
    schedule.missed = MissedPolicy::All;
    world.put(schedule).await;
    world.run_s(1).await;
    world.kill().await;
    world.run_s(600).await;
    world.restart().await;
    world.run_s(1).await;
    let mut fired = scheduled(&world);
    fired.sort();
    assert_eq!(fired, ["00:09:00", "00:10:00"]);
    assert_eq!(world.counts.missed.load(Ordering::Relaxed), 8);
}

#[tokio::test(start_paused = true)]
async fn a_firing_cut_off_is_repeated_whatever_the_policy() {
    for policy in [MissedPolicy::Skip, MissedPolicy::Once, MissedPolicy::All] {
        for before_kill_ms in [0, 1, 5, 20, 500] {
            let mut world = World::at("1970-01-01T00:00:00Z").await;
            world.does(&[Does::Hang]);
            let mut schedule = record("n", "at(1970-01-01T00:01:00)");
            schedule.missed = policy;
            world.put(schedule).await;
            while world.calls().is_empty() {
                world.run_for(Duration::from_millis(1)).await;
            }
            world.run_for(Duration::from_millis(before_kill_ms)).await;
            world.kill().await;
            world.does(&[Does::Succeed]);
            world.restart().await;
            world.run_s(10).await;
            assert_eq!(scheduled(&world), ["00:01:00"], "{policy:?}, killed after {before_kill_ms} ms");
            assert_eq!(world.counts.missed.load(Ordering::Relaxed), 0);
            assert_eq!(world.unfinished().await, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_firing_that_ended_and_was_written_is_not_repeated() {
    let mut world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::Fail, Does::Succeed]);
    world.put(record("n", "at(1970-01-01T00:01:00)")).await;
    world.run_s(70).await;
    assert_eq!(world.calls().len(), 2);
    world.kill().await;
    world.restart().await;
    world.run_s(600).await;
    assert!(world.calls().is_empty(), "{:?}", world.calls());
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_on_after_a_restart_and_the_next_firings_are_not_held_up() {
    let mut world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::Fail, Does::Fail, Does::Fail, Does::Succeed]);
    world.put(record("n", "rate(1 minute)")).await;
    world.run_s(2).await;
    assert_eq!(world.stop().await, Ending::Drained);
    assert_eq!(world.unfinished().await, 1);
    world.restart().await;
    world.run_s(60).await;
    let mut fired = scheduled(&world);
    fired.dedup();
    assert_eq!(fired, ["00:00:00", "00:01:00"]);
    assert_eq!(world.unfinished().await, 0);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_what_is_in_flight() {
    let mut world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::Take(Duration::from_secs(5))]);
    world.put(record("n", "at(1970-01-01T00:01:00)")).await;
    world.run_s(61).await;
    assert_eq!(world.stop().await, Ending::Drained);
    assert_eq!(world.recorder.ended.load(Ordering::Relaxed), 1);
    assert_eq!(world.unfinished().await, 0);
    world.restart().await;
    world.run_s(600).await;
    assert!(world.calls().is_empty());
    world.does(&[Does::Hang]);
    world.put(record("m", "rate(1 hour)")).await;
    world.run_s(1).await;
    assert_eq!(world.stop().await, Ending::Cut { tasks: 1 });
    assert_eq!(world.unfinished().await, 1, "what was cut off will fire again");
}

#[tokio::test(start_paused = true)]
async fn a_complete_schedule_is_deleted_after_a_restart_too() {
    let mut world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::Hang]);
    let mut schedule = record("n", "at(1970-01-01T00:01:00)");
    schedule.after_completion = ActionAfterCompletion::Delete;
    world.put(schedule).await;
    world.run_s(61).await;
    world.kill().await;
    world.does(&[Does::Succeed]);
    world.restart().await;
    world.run_s(1).await;
    assert_eq!(world.calls().len(), 1);
    assert!(world.stored("n").await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_record_of_a_deleted_schedule_does_not_come_back() {
    let mut world = World::at("1970-01-01T00:00:00Z").await;
    world.does(&[Does::Hang]);
    world.put(record("n", "rate(1 minute)")).await;
    world.run_s(1).await;
    world.scheduler.delete(key("n")).await.unwrap();
    world.kill().await;
    world.restart().await;
    world.run_s(600).await;
    assert!(world.calls().is_empty());
}

/// Shows a wall time that can be set.
struct SteppedClock {
    clock: TokioClock,
    ahead_ms: std::sync::atomic::AtomicI64,
}

impl Clock for SteppedClock {
    fn now(&self) -> jiff::Timestamp {
        let ahead = jiff::SignedDuration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        self.clock.now().checked_add(ahead).unwrap()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(duration)
    }
}

#[tokio::test(start_paused = true)]
async fn a_stepped_clock_is_noticed_within_about_a_second() {
    let mut world = World::at("1970-01-01T00:00:00Z").await;
    world.kill().await;
    let clock = Arc::new(SteppedClock {
        clock: TokioClock::starting_at("1970-01-01T00:00:00Z".parse().unwrap()),
        ahead_ms: Default::default(),
    });
    world.clock = Arc::clone(&clock) as SharedClock;
    world.restart().await;
    let mut all = record("all", "rate(1 hour)");
    all.missed = MissedPolicy::All;
    world.put(all).await;
    world.run_s(1).await;
    clock.ahead_ms.store(3 * 3_600_000 - 500, Ordering::Relaxed);
    world.run_for(Duration::from_millis(1_500)).await;
    let mut fired = scheduled(&world);
    fired.sort();
    assert_eq!(fired, ["00:00:00", "01:00:00", "02:00:00", "03:00:00"]);
    clock.ahead_ms.store(0, Ordering::Relaxed);
    world.run_s(7_200).await;
    assert_eq!(world.calls().len(), 4, "a clock set back repeats nothing");
}

#[tokio::test(start_paused = true)]
async fn a_stored_schedule_that_cannot_be_read_harms_no_other() {
    let mut world = World::at("1970-01-01T00:00:00Z").await;
    let mut broken = record("broken", "every now and then");
    broken.next_fire_at_ms = Some(1);
    world.storage.schedules.put(broken, PutMode::Create).await.unwrap();
    world.put(record("n", "rate(1 minute)")).await;
    world.kill().await;
    world.restart().await;
    world.run_s(61).await;
    assert_eq!(scheduled(&world).last().map(String::as_str), Some("00:01:00"));
    world.put(record("broken", "rate(1 hour)")).await;
    assert!(world.scheduler.delete(key("broken")).await.unwrap());
}
