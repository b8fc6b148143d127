//! shim
pub mod filesystem {
    //! shim
    use wasmtime::component::Linker;
    /// shim
    pub fn add_to_linker_p2<T>(_l: &mut Linker<T>) -> wasmtime::Result<()> {
        Ok(())
    }
    /// shim
    pub fn add_to_linker_p3<T>(_l: &mut Linker<T>) -> wasmtime::Result<()> {
        Ok(())
    }
}
