//! What a runtime exports (`docs/runtimes.md`), found and checked once.

use crate::sandbox::memory_images::instance::Globals;
use wasmtime::{AsContextMut, ExternType, Instance, Memory, Module, ModuleExport, Store, TypedFunc, ValType};

/// Places of a runtime's exports.
pub(super) struct Exports {
    memory: ModuleExport,
    alloc: ModuleExport,
    load: ModuleExport,
    invoke: ModuleExport,
    snapshot: ModuleExport,
    restore: ModuleExport,
}

/// The exports of one instance.
pub(super) struct Bound {
    instance: Instance,
    pub(super) memory: Memory,
    pub(super) alloc: TypedFunc<u32, u32>,
    pub(super) load: TypedFunc<(u32, u32), u64>,
    pub(super) invoke: TypedFunc<(u32, u32), u64>,
    pub(super) snapshot: TypedFunc<(), u64>,
    pub(super) restore: TypedFunc<(u32, u32), u64>,
}

impl Exports {
    /// Finds them; what is missing or of another type is the error.
    pub(super) fn find(module: &Module) -> Result<Self, String> {
        use wasmtime::ValType::{I32, I64};
        let memory = match module.get_export("memory") {
            Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => {
                module.get_export_index("memory")
            }
            _ => None,
        };
        let function = |name: &str, takes: &[ValType], gives: &[ValType]| {
            let is = |found: &mut dyn Iterator<Item = ValType>, wanted: &[ValType]| {
                let found: Vec<ValType> = found.collect();
                found.len() == wanted.len() && found.iter().zip(wanted).all(|(one, other)| ValType::eq(one, other))
            };
            match module.get_export(name) {
                Some(ExternType::Func(of)) if is(&mut of.params(), takes) && is(&mut of.results(), gives) => {
                    module.get_export_index(name).ok_or_else(|| missing(name))
                }
                _ => Err(missing(name)),
            }
        };
        match module.get_export("__stack_pointer") {
            Some(ExternType::Global(global)) if ValType::eq(global.content(), &I32) => {}
            _ => return Err(missing("__stack_pointer")),
        }
        Ok(Self {
            memory: memory.ok_or_else(|| missing("memory"))?,
            alloc: function("rt_alloc", &[I32], &[I32])?,
            load: function("rt_load", &[I32, I32], &[I64])?,
            invoke: function("rt_invoke", &[I32, I32], &[I64])?,
            snapshot: function("rt_snapshot", &[], &[I64])?,
            restore: function("rt_restore", &[I32, I32], &[I64])?,
        })
    }

    /// Those of an instance.
    pub(super) fn bind<T: 'static>(&self, store: &mut Store<T>, instance: &Instance) -> wasmtime::Result<Bound> {
        let lost = || wasmtime::Error::msg("an export that the module has is not in its instance");
        let memory = instance.get_module_export(&mut *store, &self.memory).and_then(|export| export.into_memory());
        let mut function = |place| {
            instance.get_module_export(&mut *store, place).and_then(|export| export.into_func()).ok_or_else(lost)
        };
        let (alloc, load, invoke) = (function(&self.alloc)?, function(&self.load)?, function(&self.invoke)?);
        let (snapshot, restore) = (function(&self.snapshot)?, function(&self.restore)?);
        Ok(Bound {
            instance: *instance,
            memory: memory.ok_or_else(lost)?,
            alloc: alloc.typed(&*store)?,
            load: load.typed(&*store)?,
            invoke: invoke.typed(&*store)?,
            snapshot: snapshot.typed(&*store)?,
            restore: restore.typed(&*store)?,
        })
    }
}

impl Bound {
    /// The instance's mutable globals, as they are now.
    pub(super) fn globals(&self, store: impl AsContextMut) -> Globals {
        Globals::of(&self.instance, store)
    }
}

fn missing(name: &str) -> String {
    format!("The runtime does not export {name} as the contract has it.")
}
