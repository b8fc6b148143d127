use super::*;
use crate::catalog;
use crate::clock::SystemClock;
use crate::config::{MappingDeclaration, Overrides};
use crate::credentials::{self, Sessions};
use crate::ids::{AliasName, FunctionName, Home, QueueName, Version};
use crate::images::Images;
use crate::sandbox::calls::outbound_http::OwnPort;
use crate::sandbox::compile::Compiler;
use crate::sandbox::{self, Host};
use crate::storage::Storage;
use crate::storage::mappings::{MappingRecord, MappingState};
use crate::storage::schedules::{ScheduleKey, ScheduleRecord};
use crate::telemetry::metrics::{self, Metrics};
use futures_util::future::BoxFuture;
use parking_lot::Mutex as SyncMutex;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

#[derive(Default)]
struct Scheduler(SyncMutex<BTreeMap<ScheduleKey, ScheduleRecord>>);

impl SchedulePort for Scheduler {
    fn get(&self, key: ScheduleKey) -> BoxFuture<'_, Result<Option<ScheduleRecord>, String>> {
        Box::pin(async move { Ok(self.0.lock().get(&key).cloned()) })
    }
    fn put(&self, schedule: ScheduleRecord) -> BoxFuture<'_, Result<(), String>> {
        let stored = ScheduleRecord { revision: 7, next_fire_at_ms: Some(1), ..schedule };
        self.0.lock().insert(stored.key.clone(), stored);
        Box::pin(async { Ok(()) })
    }
}

#[derive(Default)]
struct Mapped(SyncMutex<Vec<MappingRecord>>);

fn mapping(declared: MappingDeclaration, event_source_arn: String) -> MappingRecord {
    MappingRecord {
        uuid: declared.queue.to_string(),
        function_response_types: mappings::response_types(&declared),
        function: declared.function,
        qualifier: declared.qualifier,
        event_source_arn,
        batch_size: declared.batch_size,
        batching_window_s: declared.batching_window_s,
        enabled: declared.enabled,
        filters: declared.filters,
        maximum_concurrency: declared.maximum_concurrency,
        tags: BTreeMap::new(),
        echoed: serde_json::Map::new(),
        state: MappingState::Enabled,
        state_reason: String::new(),
        created_at_ms: 0,
        modified_at_ms: 0,
    }
}

impl MappingPort for Mapped {
    fn list(&self) -> Vec<MappingRecord> {
        self.0.lock().clone()
    }
    fn create(&self, declared: MappingDeclaration, event_source_arn: String) -> BoxFuture<'_, Result<(), String>> {
        self.0.lock().push(mapping(declared, event_source_arn));
        Box::pin(async { Ok(()) })
    }
    fn update(&self, uuid: String, declared: MappingDeclaration) -> BoxFuture<'_, Result<(), String>> {
        for record in self.0.lock().iter_mut().filter(|record| record.uuid == uuid) {
            *record = mapping(declared.clone(), record.event_source_arn.clone());
        }
        Box::pin(async { Ok(()) })
    }
}

struct World {
    dir: tempfile::TempDir,
    reconciler: Reconciler,
    mappings: Arc<Mapped>,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let sandbox = sandbox::Config { max_environments: 4, ..sandbox::Config::default() };
        let storage = Storage::memory().unwrap();
        let parts = catalog::Parts {
            home: Home::default(),
            storage: storage.clone(),
            host: Host::start(sandbox, dir.path(), Compiler::InProcess, Arc::clone(&clock)).unwrap(),
            metrics: Arc::new(Metrics::new(&metrics::Config::default(), "test", "test").unwrap()),
            clock: Arc::clone(&clock),
            log_limits: Default::default(),
            images: Images::new(Default::default()).unwrap(),
            signing_keys: Vec::new(),
            own_port: OwnPort::new("127.0.0.1:4566".parse().unwrap(), false),
            sessions: Arc::new(Sessions::open(credentials::Config::default().store(dir.path())).unwrap()),
        };
        let catalog = Catalog::open(parts, &catalog::Config::default()).await.unwrap();
        let mappings = Arc::new(Mapped::default());
        let reconciler = Reconciler::new(Parts {
            catalog,
            queues: Arc::clone(&storage.queues),
            schedules: Arc::new(Scheduler::default()),
            mappings: Arc::clone(&mappings) as Arc<dyn MappingPort>,
            router: Arc::new(Router::new(&[]).unwrap()),
            clock,
        });
        Self { dir, reconciler, mappings }
    }

    /// Writes a package that differs from others by `content`.
    fn package(&self, content: &str) {
        let text = format!(
            r#"(module (memory (export "memory") 1) (data (i32.const 8) "{content}") (func (export "_start")))"#
        );
        fs::write(self.dir.path().join("f.wat"), text).unwrap();
    }

    async fn apply(&self, text: &str) -> Result<Outcome, String> {
        let path: PathBuf = self.dir.path().join("config.toml");
        fs::write(&path, text).unwrap();
        let config = Config::load_with(Some(&path), &Overrides::default(), &BTreeMap::new());
        let config = config.map_err(|error| error.to_string())?;
        self.reconciler.apply(&config).await.map_err(|error| error.to_string())
    }

    fn catalog(&self) -> &Arc<Catalog> {
        &self.reconciler.parts.catalog
    }

    fn last(&self) -> Version {
        let view = self.catalog().function(&f()).unwrap().view();
        view.records.last_published().unwrap().version
    }

    fn alias(&self, name: &str) -> crate::storage::functions::AliasRecord {
        self.catalog().alias(&f(), &AliasName::new(name).unwrap()).unwrap()
    }
}

fn f() -> FunctionName {
    FunctionName::new("f").unwrap()
}

const FUNCTION: &str = "[[functions]]\nname = 'f'\npackage = 'f.wat'\n";
const ALIAS: &str = "[[functions.aliases]]\nname = 'live'\n";

#[tokio::test]
async fn what_is_declared_comes_to_be_once() {
    let world = World::new().await;
    world.package("one");
    let text = format!(
        "{FUNCTION}reserved_concurrency = 5\nenvironment = {{ KEY = 'b' }}\n{ALIAS}provisioned_concurrency = 1\n\
         [[queues]]\nname = 'q'\ndead_letter_queue = 'dead'\n[[queues]]\nname = 'dead'\n\
         [[schedules]]\nname = 's'\nfunction = 'f'\nexpression = 'rate(1 minute)'\n\
         [[mappings]]\nqueue = 'q'\nfunction = 'f'\nreport_batch_item_failures = true\n\
         [[routes]]\npath = '/x'\nfunction = 'f'\nqualifier = 'live'\n"
    );
    let outcome = world.apply(&text).await.unwrap();
    assert_eq!(outcome.problems, []);
    assert_eq!(outcome.notes, Vec::<String>::new());
    assert!(outcome.changes.len() >= 6, "{outcome:?}");
    let version = world.catalog().version(&f(), None).unwrap();
    assert_eq!(version.record.configuration.environment.get("KEY").map(String::as_str), Some("b"));
    assert_eq!(world.alias("live").version, Version::Number(1));
    let found = world.reconciler.parts.router.find(&http::Method::GET, "h", "/x").unwrap().unwrap();
    assert_eq!(found.route.target.name, f());
    assert_eq!(world.mappings.list().len(), 1);

    let again = world.apply(&text).await.unwrap();
    assert_eq!((again.changes, again.unchanged, world.last()), (Vec::new(), 5, Version::Number(1)));
}

#[tokio::test]
async fn new_code_or_configuration_publishes_and_moves_the_aliases_that_follow() {
    let world = World::new().await;
    world.package("one");
    let text = format!("{FUNCTION}{ALIAS}[[functions.aliases]]\nname = 'pinned'\nversion = 1\n");
    world.apply(&text).await.unwrap();
    world.package("two");
    let outcome = world.apply(&text).await.unwrap();
    assert_eq!(outcome.problems, []);
    assert_eq!((world.last(), world.alias("live").version), (Version::Number(2), Version::Number(2)));
    assert_eq!(world.alias("pinned").version, Version::Number(1));
    world.apply(&text.replace("f.wat'\n", "f.wat'\ntimeout_s = 9\n")).await.unwrap();
    assert_eq!((world.last(), world.alias("live").version), (Version::Number(3), Version::Number(3)));
    let version = world.catalog().version(&f(), None).unwrap();
    assert_eq!(version.record.configuration.timeout_s, 9);
}

#[tokio::test]
async fn a_bad_file_or_package_changes_nothing_and_says_where() {
    let world = World::new().await;
    world.package("one");
    world.apply(FUNCTION).await.unwrap();
    let queue = "[[queues]]\nname = 'q'\n";
    let said = world.apply(&format!("{queue}colour = 'blue'\n{FUNCTION}timeout_s = 9\n")).await.unwrap_err();
    assert!(said.contains("line 3, column 1: queues[0].colour"), "{said}");
    fs::write(world.dir.path().join("f.wat"), "(module (func (export \"nothing\")))").unwrap();
    let said = world.apply(&format!("{queue}{FUNCTION}timeout_s = 9\n")).await.unwrap_err();
    assert!(said.contains("line 5, column 1: functions[0].package: The guest exports none of"), "{said}");
    assert_eq!(world.catalog().version(&f(), None).unwrap().record.configuration.timeout_s, 3);
    let queues = &world.reconciler.parts.queues;
    assert!(queues.get(QueueName::new("q").unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_no_longer_declared_is_told_and_left_alone() {
    let world = World::new().await;
    world.package("one");
    world.apply(&format!("{FUNCTION}{ALIAS}[[queues]]\nname = 'q'\n")).await.unwrap();
    let outcome = world.apply(FUNCTION).await.unwrap();
    let gone = |what: &str| format!("{what} is no longer declared and was left as it is");
    assert_eq!(outcome.notes, [gone("alias f:live"), gone("queue q")]);
    assert_eq!(world.alias("live").version, Version::Number(1));
}

#[tokio::test]
async fn a_fault_of_one_thing_is_told_with_its_key_and_the_rest_is_brought_about() {
    let world = World::new().await;
    world.package("one");
    let text = format!("{FUNCTION}[[functions.aliases]]\nname = 'a'\nversion = 9\n{ALIAS}[[queues]]\nname = 'q'\n");
    let outcome = world.apply(&text).await.unwrap();
    let problem = outcome.problems.first().unwrap().to_string();
    assert!(problem.contains("line 4, column 1: functions[0].aliases[0]: Function not found"), "{problem}");
    assert_eq!(outcome.problems.len(), 1);
    assert_eq!(world.alias("live").version, Version::Number(1));
    assert!(outcome.changes.contains(&"queue q was created".to_owned()));
}

#[tokio::test]
async fn a_reservation_shrinks_after_what_is_provisioned_in_it() {
    let world = World::new().await;
    world.package("one");
    let text = |reserved: u32, provisioned: u32| {
        format!("{FUNCTION}reserved_concurrency = {reserved}\n{ALIAS}provisioned_concurrency = {provisioned}\n")
    };
    for (reserved, provisioned) in [(4, 4), (2, 1), (8, 6)] {
        let outcome = world.apply(&text(reserved, provisioned)).await.unwrap();
        assert_eq!(outcome.problems, [], "{reserved} {provisioned}");
    }
}

#[tokio::test]
async fn attributes_set_through_the_api_stay_where_the_file_has_no_key() {
    let world = World::new().await;
    world.apply("[[queues]]\nname = 'q'\n").await.unwrap();
    let queues = Arc::clone(&world.reconciler.parts.queues);
    let name = QueueName::new("q").unwrap();
    let mut attributes = queues.get(name.clone()).await.unwrap().unwrap().attributes;
    attributes.echoed.insert("Policy".into(), "{}".into());
    attributes.delay_s = 5;
    queues.put_attributes(name.clone(), attributes, 1).await.unwrap().unwrap();
    let outcome = world.apply("[[queues]]\nname = 'q'\n").await.unwrap();
    assert_eq!(outcome.changes, ["queue q has new attributes"]);
    let attributes = queues.get(name).await.unwrap().unwrap().attributes;
    assert_eq!((attributes.delay_s, attributes.echoed.len()), (0, 1));
}
