//! The wasmtime engines: one configuration for the daemon and for the compiler process.
//!
//! [`configuration`] decides everything that reaches native code, so artifacts made by the compiler process load in
//! the daemon; the daemon adds the pooling allocator, which does not. wasm 3.0 features stay as wasmtime has them.
//! There is one for each [`Family`]: support for component-model concurrency makes every call dearer, and language runtimes need a deep
//! stack. Those are allocated on demand, since slots of the pool's would have to be as large as the largest of them.

use super::capacity::{PoolSize, STACKS_PER_CONCURRENT_ENVIRONMENT};
use super::memory_images::memory::ImageMemories;
pub use crate::storage::functions::Family;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use wasmtime::{Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Address space of one linear memory: what a 32-bit memory can address.
pub const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;

/// Inaccessible space behind each linear memory, which lets native code leave out bounds checks.
pub const MEMORY_GUARD_BYTES: u64 = 32 << 20;

/// How often guests come up for air: the longest a spinning guest keeps a worker thread.
pub const EPOCH_TICK: Duration = Duration::from_millis(5);

/// Core instances one component may hold: the guest, the preview 1 adapter and their glue, and some composed in.
const CORE_INSTANCES_PER_COMPONENT: u32 = 20;

/// Linear memories one component may hold.
pub const MEMORIES_PER_COMPONENT: u32 = 4;

/// Entries of one table. A component that needs more is refused at deploy.
pub const TABLE_ELEMENTS: usize = 20_000;

/// Stack of a language runtime: interpreters recurse where their programs do.
const RUNTIME_STACK_BYTES: usize = 6 << 20;

/// Stack beyond it for what the host does when it is called.
const HOST_STACK_BYTES: usize = 2 << 20;

/// Settings that native code depends on.
pub fn configuration(family: Family) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        .gc_heap_reservation(MEMORY_RESERVATION_BYTES)
        .gc_heap_guard_size(MEMORY_GUARD_BYTES)
        .memory_init_cow(true)
        .max_wasm_stack(512 * 1024)
        .async_stack_size(1024 * 1024);
    match family {
        Family::Plain => config.concurrency_support(false),
        Family::Concurrent => config.wasm_component_model_async(true),
        Family::Runtime => config
            .concurrency_support(false)
            .max_wasm_stack(RUNTIME_STACK_BYTES)
            .async_stack_size(RUNTIME_STACK_BYTES + HOST_STACK_BYTES),
    };
    config
}

/// How the pool allocates: what a small guest dirtied is zeroed in place, since pages given back are faulted in again by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Bytes of a returned linear memory that are zeroed by hand and kept, instead of given back to the kernel.
    pub memory_keep_resident_bytes: usize,
    /// The same for tables.
    pub table_keep_resident_bytes: usize,
    /// Free slots whose last image stays mapped.
    pub warm_slots: u32,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { memory_keep_resident_bytes: 256 * 1024, table_keep_resident_bytes: 16 * 1024, warm_slots: 64 }
    }
}

/// The daemon's engine for one family, with as many slots as `size` gives it; that of runtimes has none.
pub fn pooled(family: Family, size: &PoolSize, tuning: &Tuning) -> wasmtime::Result<Engine> {
    let (environments, stacks) = match family {
        Family::Plain => (size.environments, size.environments),
        Family::Concurrent => {
            let environments = size.concurrent_environments;
            (environments, environments.saturating_mul(STACKS_PER_CONCURRENT_ENVIRONMENT))
        }
        Family::Runtime => {
            let mut config = configuration(family);
            config.with_host_memory(Arc::new(ImageMemories));
            return Engine::new(&config);
        }
    };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(environments)
        .total_core_instances(environments.saturating_mul(5))
        .total_memories(environments)
        .total_tables(environments.saturating_mul(2))
        .total_stacks(stacks)
        .total_gc_heaps(environments.min(1_000))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_tables_per_module(4)
        .max_memories_per_module(2)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(MEMORY_RESERVATION_BYTES).unwrap_or(usize::MAX))
        .max_unused_warm_slots(tuning.warm_slots)
        .linear_memory_keep_resident(tuning.memory_keep_resident_bytes)
        .table_keep_resident(tuning.table_keep_resident_bytes)
        .async_stack_keep_resident(16 * 1024)
        .decommit_batch_size(1)
        .pagemap_scan(Enabled::Auto);
    let mut config = configuration(family);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// The compiler process's engine: the same native code, no pool.
pub fn compiler(family: Family) -> wasmtime::Result<Engine> {
    Engine::new(&configuration(family))
}

/// An engine for a runtime's first start, which comes to be quickly: its code runs once.
pub fn first_start() -> wasmtime::Result<Engine> {
    let mut config = configuration(Family::Runtime);
    config.cranelift_opt_level(OptLevel::None);
    Engine::new(&config)
}

/// The thread that moves the engines' epochs on. It ends with this handle.
#[derive(Debug)]
pub struct Ticker {
    running: Arc<AtomicBool>,
}

impl Ticker {
    /// Starts ticking `engines`. Fails only where no thread can be made.
    pub fn start(engines: &[&Engine]) -> std::io::Result<Self> {
        let running = Arc::new(AtomicBool::new(true));
        let engines: Vec<EngineWeak> = engines.iter().map(|engine| engine.weak()).collect();
        let alive: Weak<AtomicBool> = Arc::downgrade(&running);
        std::thread::Builder::new().name("epoch".into()).spawn(move || {
            while alive.upgrade().is_some_and(|running| running.load(Ordering::Relaxed)) {
                std::thread::sleep(EPOCH_TICK);
                for engine in engines.iter().filter_map(EngineWeak::upgrade) {
                    engine.increment_epoch();
                }
            }
        })?;
        Ok(Self { running })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.running.store(false, Ordering::Relaxed);
    }
}
