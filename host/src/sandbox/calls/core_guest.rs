//! A core module that does nothing but pass its calls on to the host, so that tests call host functions as a guest does.

use std::fmt::Write as _;
use wasmtime::{Config, Engine, Instance, Linker, Memory, Module, Store, Val};

/// The guest's memory.
pub(super) const MEMORY_BYTES: u32 = 128 * 1024;

/// A guest over a store with `T`.
pub(super) struct CoreGuest<T: 'static> {
    pub(super) store: Store<T>,
    instance: Instance,
    memory: Memory,
}

impl<T: Send + 'static> CoreGuest<T> {
    /// `functions` of `module`: a name, its parameters and its result, `i` for 32 bits and `l` for 64.
    pub(super) async fn new(
        module: &str,
        functions: &[(&str, &str, &str)],
        data: T,
        link: impl FnOnce(&mut Linker<T>) -> wasmtime::Result<()>,
    ) -> Self {
        let engine = Engine::new(&Config::new()).unwrap();
        let mut linker = Linker::new(&engine);
        link(&mut linker).unwrap();
        let module = Module::new(&engine, text(module, functions)).unwrap();
        let mut store = Store::new(&engine, data);
        let instance = linker.instantiate_async(&mut store, &module).await.unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Self { store, instance, memory }
    }

    /// What a function answers; 0 where it answers nothing.
    pub(super) async fn call(&mut self, name: &str, arguments: &[i64]) -> wasmtime::Result<i32> {
        let function = self.instance.get_func(&mut self.store, name).unwrap();
        let types: Vec<_> = function.ty(&self.store).params().collect();
        assert_eq!(types.len(), arguments.len(), "{name}");
        let value = |(ty, value): (&wasmtime::ValType, &i64)| match ty {
            wasmtime::ValType::I64 => Val::I64(*value),
            // As wide as it is: a pointer or a negative number.
            _ => Val::I32(*value as i32),
        };
        let arguments: Vec<_> = types.iter().zip(arguments).map(value).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        function.call_async(&mut self.store, &arguments, &mut results).await?;
        Ok(results.first().and_then(Val::i32).unwrap_or(0))
    }

    pub(super) fn put(&mut self, ptr: u32, bytes: &[u8]) {
        self.memory.write(&mut self.store, ptr as usize, bytes).unwrap();
    }

    pub(super) fn get(&self, ptr: u32, len: usize) -> Vec<u8> {
        self.memory.data(&self.store)[ptr as usize..][..len].to_vec()
    }

    pub(super) fn get_u32(&self, ptr: u32) -> u32 {
        u32::from_le_bytes(self.get(ptr, 4).try_into().unwrap())
    }

    pub(super) fn get_u64(&self, ptr: u32) -> u64 {
        u64::from_le_bytes(self.get(ptr, 8).try_into().unwrap())
    }

    /// All of its memory.
    pub(super) fn memory(&self) -> Vec<u8> {
        self.memory.data(&self.store).to_vec()
    }
}

fn text(module: &str, functions: &[(&str, &str, &str)]) -> String {
    let types = |letters: &str| letters.chars().map(|c| if c == 'l' { " i64" } else { " i32" }).collect::<String>();
    let (mut imports, mut wrappers) = (String::new(), String::new());
    for (name, parameters, result) in functions {
        let ty = format!("(param{}) (result{})", types(parameters), types(result));
        let gets: String = (0..parameters.len()).map(|n| format!(" (local.get {n})")).collect();
        write!(imports, "(import \"{module}\" \"{name}\" (func ${name} {ty}))").unwrap();
        write!(wrappers, "(func (export \"{name}\") {ty} (call ${name}{gets}))").unwrap();
    }
    format!("(module {imports} (memory (export \"memory\") {}) {wrappers})", MEMORY_BYTES / 65536)
}
