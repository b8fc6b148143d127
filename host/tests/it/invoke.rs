//! Guests of each kind, and how they fail.

use crate::world::World;
use lamina::invocation::{Outcome, Response, StartKind};

/// A command that answers its event.
const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 60000))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
        (i32.store (i32.const 4) (i32.load (i32.const 16)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;

/// An event component that answers how often it was called, and traps when the event is empty.
const COUNTER: &str = include_str!("counter.wat");

fn text(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(Response::Event(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
        Ok(Response::Http(_)) => panic!("a streamed response"),
        Err(error) => panic!("{error:?}"),
    }
}

fn error_type(outcome: &Outcome) -> &str {
    outcome.result.as_ref().err().map_or("none", |error| error.error_type.as_str())
}

fn start(body: &str) -> String {
    format!(r#"(module (memory (export "memory") 1) (func $f (export "_start") {body}))"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_answers_what_it_reads() {
    let world = World::new().await;
    world.create("echo", ECHO).await.unwrap();
    for event in [r#"{"a":1}"#, "[]"] {
        let outcome = world.invoke("echo", event).await.unwrap();
        assert_eq!(text(&outcome), event);
        assert_eq!(outcome.start, StartKind::Cold, "a command has one instance an invocation");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invocation_is_small_before_it_begins() {
    let world = World::new().await;
    let size_bytes = size_of_val(&world.invoke("any", "{}"));
    // It is moved, and allocated, for every request.
    assert!(size_bytes < 6_144, "{size_bytes} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_component_keeps_its_state_unless_it_is_fresh() {
    let world = World::new().await;
    world.create("reuse", COUNTER).await.unwrap();
    let fresh = |c: &mut lamina::storage::functions::ConfigurationRecord| {
        c.environment.insert("LAMINA_SANDBOX".into(), "fresh".into());
    };
    world.create_with("fresh", COUNTER, fresh).await.unwrap();
    let mut answers = Vec::new();
    for name in ["reuse", "reuse", "fresh", "fresh"] {
        let outcome = world.invoke(name, "x").await.unwrap();
        answers.push((text(&outcome), outcome.start));
    }
    let expected = [("1", StartKind::Cold), ("2", StartKind::Warm), ("1", StartKind::Cold), ("1", StartKind::Cold)];
    assert_eq!(answers, expected.map(|(text, start)| (text.to_owned(), start)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_fail_has_its_error_and_spares_the_others() {
    let world = World::new().await;
    world.create("echo", ECHO).await.unwrap();
    let exit = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 3))))"#;
    let hungry = start("(loop $l (br_if $l (i32.ne (memory.grow (i32.const 100)) (i32.const -1)))) unreachable");
    for (name, guest, expected) in [
        ("spin", start("(loop $l (br $l))"), "Sandbox.Timedout"),
        ("recursion", start("(call $f)"), "Runtime.ExitError"),
        ("trap", start("unreachable"), "Runtime.ExitError"),
        ("exit", exit.to_owned(), "Runtime.ExitError"),
        ("hungry", hungry, "Runtime.OutOfMemory"),
    ] {
        world.create_with(name, &guest, |c| c.timeout_s = 1).await.unwrap();
        let outcome = world.invoke(name, "{}").await.unwrap();
        assert_eq!(error_type(&outcome), expected, "{name}: {:?}", outcome.result.as_ref().err());
        assert_eq!(text(&world.invoke("echo", "1").await.unwrap()), "1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_ends_its_environment_only() {
    let world = World::new().await;
    world.create("counter", COUNTER).await.unwrap();
    assert_eq!(text(&world.invoke("counter", "x").await.unwrap()), "1");
    assert_eq!(error_type(&world.invoke("counter", "").await.unwrap()), "Runtime.ExitError");
    let next = world.invoke("counter", "x").await.unwrap();
    assert_eq!((text(&next), next.start), ("1".to_owned(), StartKind::Cold));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_run_is_refused_at_deploy_with_its_reason() {
    let world = World::new().await;
    for (guest, reason) in [
        ("(module)", "exports none of"),
        (r#"(module (import "env" "f" (func)) (memory (export "memory") 1) (func (export "_start")))"#, "env"),
        (r#"(module (memory (export "memory") 3000) (func (export "_start")))"#, "MemorySize"),
        ("(module (func", "expected"),
    ] {
        let error = world.create("bad", guest).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{guest}: {error}");
    }
}
