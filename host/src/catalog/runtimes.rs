//! Which `Runtime` a function may name.
//!
//! Everything that asks what can run here asks this module: a runtime that is installed is entered in [`INSTALLED`].

/// Runtimes of this daemon: packages that bring all of their code as WebAssembly.
pub const INSTALLED: [&str; 2] = ["provided.al2023", "provided.al2"];

/// Families of AWS's runtimes, by how their names begin.
const FAMILIES: [&str; 8] = ["nodejs", "java", "python", "dotnet", "go1.x", "ruby", "provided", "custom"];

/// Whether functions of this runtime can be created.
pub fn is_installed(runtime: &str) -> bool {
    INSTALLED.contains(&runtime)
}

/// Whether AWS has such a runtime, as far as its name tells.
pub fn is_aws(runtime: &str) -> bool {
    FAMILIES.iter().any(|family| runtime.starts_with(family))
}
