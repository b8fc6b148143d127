//! What the linker has to be told for the contract: the stack pointer is exported, and the stack holds as many calls as scripts may nest.

/// Bytes of the stack in linear memory; `runtime.rs` limits what scripts can make of it.
const STACK_BYTES: u32 = 6 << 20;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size={STACK_BYTES}");
        println!("cargo::rustc-link-arg-cdylib=--export=__stack_pointer");
    }
}
