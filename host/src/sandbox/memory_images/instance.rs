//! Instances of templates.

use super::content::Content;
use super::memory::starting_from;
use super::template::GLOBAL_PREFIX;
use std::sync::Arc;
use wasmtime::{AsContextMut, Instance, InstancePre, Memory, Store, Val};

/// The name of a runtime's memory among its exports.
pub const MEMORY: &str = "memory";

/// A new instance, whose memory is as large as its image and holds what that does. No code of it has run.
pub async fn instantiate<T: Send + 'static>(
    pre: &InstancePre<T>,
    store: &mut Store<T>,
    content: &Arc<Content>,
) -> wasmtime::Result<Instance> {
    let instance = starting_from(Arc::clone(content), pre.instantiate_async(&mut *store)).await?;
    let memory = memory(&instance, &mut *store)?;
    let missing = content.memory_bytes().saturating_sub(content.initial_bytes()) as u64;
    let page_bytes = memory.page_size(&*store);
    if missing > 0 {
        // Growth is what the store's limits see; it maps the rest of the image.
        memory.grow_async(&mut *store, missing.div_ceil(page_bytes.max(1))).await?;
    }
    Ok(instance)
}

/// The memory of an instance.
pub fn memory(instance: &Instance, store: impl AsContextMut) -> wasmtime::Result<Memory> {
    instance.get_memory(store, MEMORY).ok_or_else(|| wasmtime::format_err!("the runtime exports no memory"))
}

/// The mutable globals of an instance, which an image does not hold. Two states can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Globals(Vec<(String, u128)>);

impl Globals {
    /// As they are now. Those that hold references are left out: where there are any, the template has an obstacle.
    pub fn of(instance: &Instance, mut store: impl AsContextMut) -> Self {
        let named = instance.exports(&mut store).filter(|export| export.name().starts_with(GLOBAL_PREFIX));
        let named: Vec<_> =
            named.filter_map(|export| Some((export.name().to_owned(), export.into_global()?))).collect();
        let bits = |value: Val| match value {
            Val::I32(value) => Some(u128::from(value.cast_unsigned())),
            Val::I64(value) => Some(u128::from(value.cast_unsigned())),
            Val::F32(bits) => Some(u128::from(bits)),
            Val::F64(bits) => Some(u128::from(bits)),
            Val::V128(value) => Some(value.as_u128()),
            _ => None,
        };
        Self(named.into_iter().filter_map(|(name, global)| Some((name, bits(global.get(&mut store))?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::engine::{Family, configuration};
    use crate::sandbox::limits::{GrowthBudget, MemoryLimits};
    use crate::sandbox::memory_images::content::unit_bytes;
    use crate::sandbox::memory_images::file::{self, Base, Limit};
    use crate::sandbox::memory_images::memory::ImageMemories;
    use crate::sandbox::memory_images::template::Template;
    use crate::sandbox::memory_images::working_set::look;
    use std::path::Path;
    use tempfile::TempDir;
    use wasmtime::{Engine, Linker, Module, Trap};

    const GUEST: &str = r#"(module
        (memory (export "memory") 2 12)
        (global $sp (export "__stack_pointer") (mut i32) (i32.const 4096))
        (global $hidden (mut i64) (i64.const 5))
        (data (i32.const 16) "hello")
        (data (i32.const 131000) "end")
        (func (export "get") (param i32) (result i32) (i32.load8_u (local.get 0)))
        (func (export "set") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "size") (result i32) (memory.size))
        (func (export "lose") (global.set $hidden (i64.const 6)))
        (func (export "push") (global.set $sp (i32.const 8))))"#;

    struct Runtime {
        pre: InstancePre<MemoryLimits>,
        base: Base,
        dir: TempDir,
    }

    struct Guest {
        store: Store<MemoryLimits>,
        instance: Instance,
    }

    impl Runtime {
        fn new() -> Self {
            let template = Template::of(&wat::parse_str(GUEST).unwrap()).unwrap();
            let mut config = configuration(Family::Plain);
            config.with_host_memory(Arc::new(ImageMemories));
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, &template.wasm).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("base");
            file::write(&path, &template.memory, 0, None, Limit::BASE).unwrap();
            let base = Base::new([1; 32], file::open(&path, None).unwrap());
            Self { pre: Linker::new(&engine).instantiate_pre(&module).unwrap(), base, dir }
        }

        async fn start(&self, content: &Arc<Content>, memory_mb: u32) -> wasmtime::Result<Guest> {
            let mut store =
                Store::new(self.pre.module().engine(), MemoryLimits::new(memory_mb, GrowthBudget::new(1 << 20)));
            store.limiter(|limits| limits);
            store.epoch_deadline_async_yield_and_update(1);
            store.set_epoch_deadline(1);
            let instance = instantiate(&self.pre, &mut store, content).await?;
            store.data_mut().start_running();
            Ok(Guest { store, instance })
        }

        fn keep(&self, name: &str, guest: &mut Guest) -> Arc<Content> {
            let path = self.dir.path().join(name);
            let memory = memory(&guest.instance, &mut guest.store).unwrap();
            file::write(&path, memory.data(&guest.store), 0, Some(&self.base), Limit::DIFFERENCE).unwrap();
            file::open(&path, Some(&self.base)).unwrap().content
        }
    }

    impl Guest {
        async fn call(&mut self, name: &str, arguments: &[i32]) -> wasmtime::Result<i32> {
            let function = self.instance.get_func(&mut self.store, name).unwrap();
            let arguments: Vec<_> = arguments.iter().copied().map(Val::I32).collect();
            let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
            function.call_async(&mut self.store, &arguments, &mut results).await?;
            Ok(results.first().map_or(0, |value| value.unwrap_i32()))
        }

        async fn byte(&mut self, at: i32) -> i32 {
            self.call("get", &[at]).await.unwrap()
        }
    }

    #[tokio::test]
    async fn instances_start_from_an_image_and_have_it_to_themselves() {
        let runtime = Runtime::new();
        let mut first = runtime.start(&runtime.base.image.content, 128).await.unwrap();
        assert_eq!(
            (first.byte(16).await, first.byte(131_002).await, first.byte(0).await),
            (i32::from(b'h'), i32::from(b'd'), 0)
        );
        first.call("set", &[16, 1]).await.unwrap();
        first.call("set", &[70_000, 2]).await.unwrap();
        assert_eq!(first.call("grow", &[3]).await.unwrap(), 2);
        first.call("set", &[4 * 65_536 + 7, 3]).await.unwrap();
        let image = runtime.keep("image", &mut first);
        assert_eq!((image.initial_bytes(), image.memory_bytes()), (2 << 16, 5 << 16));

        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(runtime.start(&image, 128).await.unwrap());
        }
        for (number, other) in others.iter_mut().enumerate() {
            assert_eq!((other.byte(16).await, other.byte(17).await, other.byte(70_000).await), (1, i32::from(b'e'), 2));
            assert_eq!((other.byte(4 * 65_536 + 7).await, other.byte(3 * 65_536).await), (3, 0));
            assert_eq!(other.call("size", &[]).await.unwrap(), 5);
            other.call("set", &[16, number as i32 + 40]).await.unwrap();
        }
        for (number, other) in others.iter_mut().enumerate() {
            assert_eq!(other.byte(16).await, number as i32 + 40);
        }
        let mut again = runtime.start(&runtime.base.image.content, 128).await.unwrap();
        assert_eq!((again.byte(16).await, again.call("size", &[]).await.unwrap()), (i32::from(b'h'), 2));
    }

    #[tokio::test]
    async fn the_end_of_memory_is_where_wasm_says() {
        let runtime = Runtime::new();
        let mut first = runtime.start(&runtime.base.image.content, 128).await.unwrap();
        first.call("grow", &[2]).await.unwrap();
        first.call("set", &[3 * 65_536, 9]).await.unwrap();
        let image = runtime.keep("image", &mut first);
        for content in [&runtime.base.image.content, &image] {
            let mut guest = runtime.start(content, 128).await.unwrap();
            let end = i32::try_from(content.memory_bytes()).unwrap();
            guest.byte(end - 1).await;
            for beyond in [end, end + 4096, i32::MAX, -1] {
                let error = guest.call("get", &[beyond]).await.unwrap_err();
                assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::MemoryOutOfBounds));
            }
            let pages = end / 65_536;
            assert_eq!(guest.call("grow", &[12 - pages]).await.unwrap(), pages, "up to its own maximum");
            assert_eq!(guest.byte(12 * 65_536 - 1).await, 0);
            assert_eq!(guest.call("grow", &[1]).await.unwrap(), -1);
        }
    }

    #[tokio::test]
    async fn limits_count_the_image_and_what_grows_beyond() {
        let runtime = Runtime::new();
        let mut first = runtime.start(&runtime.base.image.content, 1).await.unwrap();
        first.call("grow", &[4]).await.unwrap();
        let image = runtime.keep("image", &mut first);
        let mut guest = runtime.start(&image, 1).await.unwrap();
        assert_eq!(guest.store.data().peak_bytes(), 6 << 16);
        assert_eq!(guest.call("grow", &[6]).await.unwrap(), 6);
        let none = runtime.start(&image, 0).await;
        assert!(none.is_err(), "a memory size below that of the runtime");
        let mut limited = Store::new(runtime.pre.module().engine(), MemoryLimits::new(1, GrowthBudget::new(0)));
        limited.limiter(|limits| limits);
        limited.set_epoch_deadline(1);
        let refused = instantiate(&runtime.pre, &mut limited, &image).await;
        assert!(refused.is_err() && limited.data().was_denied(), "the host's memory is used up");
    }

    #[tokio::test]
    async fn globals_that_an_image_would_lack_are_seen() {
        let runtime = Runtime::new();
        for changing in ["lose", "push"] {
            let mut guest = runtime.start(&runtime.base.image.content, 128).await.unwrap();
            let before = Globals::of(&guest.instance, &mut guest.store);
            assert_eq!(before.0.len(), 2);
            guest.call("set", &[1, 1]).await.unwrap();
            assert_eq!(before, Globals::of(&guest.instance, &mut guest.store));
            guest.call(changing, &[]).await.unwrap();
            assert_ne!(before, Globals::of(&guest.instance, &mut guest.store));
        }
    }

    #[tokio::test]
    async fn an_image_that_no_memory_takes_is_an_error() {
        let runtime = Runtime::new();
        let path = runtime.dir.path().join("other");
        file::write(&path, &vec![1; 3 << 16], 0, None, Limit::BASE).unwrap();
        let other = file::open(&path, None).unwrap().content;
        assert!(runtime.start(&other, 128).await.is_err());
        let mut guest = runtime.start(&runtime.base.image.content, 128).await.unwrap();
        assert_eq!(guest.byte(16).await, i32::from(b'h'));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn instances_made_at_once_get_their_own_images() {
        let runtime = Arc::new(Runtime::new());
        let mut images = Vec::new();
        for number in 0..8 {
            let mut guest = runtime.start(&runtime.base.image.content, 128).await.unwrap();
            guest.call("set", &[5, number]).await.unwrap();
            images.push(runtime.keep(&number.to_string(), &mut guest));
        }
        let tasks = (0..400).map(|number| {
            let (runtime, image) = (Arc::clone(&runtime), Arc::clone(&images[number % 8]));
            tokio::spawn(async move {
                let mut guest = runtime.start(&image, 128).await.unwrap();
                tokio::task::yield_now().await;
                assert_eq!(guest.byte(5).await, (number % 8) as i32);
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn few_mappings_an_instance() {
        let runtime = Runtime::new();
        let mut first = runtime.start(&runtime.base.image.content, 128).await.unwrap();
        let pages = || (0..16).step_by(2).chain(16..32);
        for page in pages() {
            first.call("set", &[page * 4096 + 9, page + 1]).await.unwrap();
        }
        let image = runtime.keep("image", &mut first);
        let mappings = || {
            std::fs::read_to_string(Path::new("/proc/self/maps"))
                .unwrap()
                .lines()
                .filter(|l| l.contains("image"))
                .count()
        };
        let mut guests = Vec::new();
        for _ in 0..10 {
            guests.push(runtime.start(&image, 128).await.unwrap());
        }
        assert_eq!(mappings(), 10, "small runs are patched");
        for guest in &mut guests {
            for page in pages() {
                assert_eq!(guest.byte(page * 4096 + 9).await, page + 1);
            }
            assert_eq!((guest.byte(16).await, guest.byte(4096 + 9).await), (i32::from(b'h'), 0));
        }
    }

    #[tokio::test]
    async fn pages_that_instances_write_first_are_their_own_from_the_start() {
        let runtime = Runtime::new();
        let content = &runtime.base.image.content;
        let written =
            |guest: &mut Guest| look(memory(&guest.instance, &mut guest.store).unwrap().data(&guest.store)).unwrap();
        let at = |page: usize| page * unit_bytes()..(page + 1) * unit_bytes();
        for (look, page) in [3, 3, 3, 3, 7].into_iter().enumerate() {
            let mut guest = runtime.start(content, 128).await.unwrap();
            let before = written(&mut guest);
            for address in [5 * unit_bytes(), 20 * unit_bytes(), page * unit_bytes()] {
                guest.call("set", &[address as i32, 1]).await.unwrap();
            }
            let wrote = written(&mut guest);
            assert!([at(5), at(20), at(page)].iter().all(|page| wrote.contains(page)));
            assert_eq!(before.is_empty(), look == 0);
            content.learn(memory(&guest.instance, &mut guest.store).unwrap().data(&guest.store));
        }
        let mut guest = runtime.start(content, 128).await.unwrap();
        assert!(!written(&mut guest).contains(&at(7)), "one of five wrote it");
        assert!([at(5), at(20)].iter().all(|page| written(&mut guest).contains(page)));
        assert_eq!((guest.byte(16).await, guest.byte(5 * unit_bytes() as i32).await), (i32::from(b'h'), 0));

        guest.call("set", &[16, 1]).await.unwrap();
        let images = ["one", "two"].map(|name| runtime.keep(name, &mut guest));
        let mut first = runtime.start(&images[0], 128).await.unwrap();
        first.call("set", &[9 * unit_bytes() as i32, 1]).await.unwrap();
        images[0].learn(memory(&first.instance, &mut first.store).unwrap().data(&first.store));
        let mut other = runtime.start(&images[1], 128).await.unwrap();
        assert!(written(&mut other).contains(&at(9)), "images of one runtime are alike");
    }
}
