//! Deployments beside each other, and beside what goes on behind them.

use crate::world::{World, new_function};
use lamina::catalog::{self, Deployment};
use lamina::sandbox::Config;
use std::sync::Arc;
use std::time::Duration;

const EMPTY: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_collection_of_garbage_holds_up_no_deployment() {
    let sandbox = Config { max_environments: 16, pending_after_ms: 0, ..Config::default() };
    let world = World::with(sandbox, catalog::Config::default()).await;
    let soon = world.catalog.create_function_soon(new_function("slow", EMPTY)).await.unwrap();
    let Deployment::UnderWay { rest, .. } = soon else { panic!("compiled at once") };
    let catalog = Arc::clone(&world.catalog);
    let mut collecting = tokio::spawn(async move { catalog.collect_garbage().await.unwrap() });
    // It is in line, were there one.
    assert!(
        tokio::time::timeout(Duration::from_millis(50), &mut collecting).await.is_err(),
        "a deployment is under way"
    );
    tokio::time::timeout(LONG, world.create("quick", EMPTY)).await.unwrap().unwrap();
    rest.await;
    tokio::time::timeout(LONG, collecting).await.unwrap().unwrap();
    for name in ["slow", "quick"] {
        assert!(world.invoke(name, "{}").await.is_ok(), "what was compiled meanwhile was kept");
    }
}
