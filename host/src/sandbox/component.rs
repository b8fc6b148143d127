//! From wasm to a component of a known kind.
//!
//! Core modules become components (with the preview 1 adapter for reactors or commands), and every component is told
//! apart by what it exports. Runs in the compiler process: what is read here is hostile until proven otherwise.

use super::engine::Family;
use crate::storage::functions::GuestKind;
use wasi_preview1_component_adapter_provider as adapters;
use wasmparser::{ComponentExternalKind, ExternalKind, Parser, Payload};

/// Why wasm cannot serve as a function. The uploader's fault; do not retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// Not valid wasm.
    #[error("The guest is not valid WebAssembly: {0}")]
    Invalid(String),
    /// A core module that cannot be made a component.
    #[error("The core module cannot be made a component: {0}")]
    NotAComponent(String),
    /// Nothing in the exports that Lamina could call.
    #[error(
        "The guest exports none of: handle (an event function), wasi:http/incoming-handler@0.2 or wasi:http/handler@0.3 \
         (an HTTP function), wasi:cli/run@0.2 or _start (a command). It exports: {0}"
    )]
    NoEntry(String),
    /// An extension without the extension's interface.
    #[error("The extension does not export {EXTENSION}.x. It exports: {0}")]
    NoExtension(String),
}

/// The interface of extensions, up to the number of its compatible versions.
const EXTENSION: &str = "lamina:function/extension@0.1";

/// Makes `wasm` a component, unless it is one.
pub fn componentize(wasm: Vec<u8>) -> Result<Vec<u8>, ComponentError> {
    if Parser::is_component(&wasm) {
        return Ok(wasm);
    }
    if !Parser::is_core_wasm(&wasm) {
        return Err(ComponentError::Invalid("unknown header".into()));
    }
    let is_command = exports_start(&wasm)?;
    let adapter = if is_command {
        adapters::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
    } else {
        adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER
    };
    wit_component::ComponentEncoder::default()
        .module(&wasm)
        .and_then(|encoder| encoder.adapter(adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| ComponentError::NotAComponent(format!("{error:#}")))
}

fn exports_start(module: &[u8]) -> Result<bool, ComponentError> {
    let invalid = |error: wasmparser::BinaryReaderError| ComponentError::Invalid(error.to_string());
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(exports) = payload.map_err(invalid)? {
            for export in exports {
                let export = export.map_err(invalid)?;
                if export.name == "_start" && export.kind == ExternalKind::Func {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// The engine a component needs, by what it imports and exports.
pub fn family(component: &[u8]) -> Result<Family, ComponentError> {
    let (imports, exports) = names(component)?;
    let concurrent = imports.iter().chain(exports.iter().map(|(name, _)| name)).any(|name| is_wasi_0_3(name));
    Ok(if concurrent { Family::Concurrent } else { Family::Plain })
}

/// Checks that a component is an extension, by what it exports.
pub fn is_extension(component: &[u8]) -> Result<(), ComponentError> {
    let (_, exports) = names(component)?;
    let is_it = |(name, kind): &Export| {
        *kind == ComponentExternalKind::Instance && name.strip_prefix(EXTENSION).is_some_and(is_same_series)
    };
    if exports.iter().any(is_it) { Ok(()) } else { Err(ComponentError::NoExtension(listed(&exports))) }
}

/// How a component is called, by what it exports.
pub fn kind(component: &[u8]) -> Result<GuestKind, ComponentError> {
    let (_, exports) = names(component)?;
    let function = |name: &str| exports.iter().any(|(n, kind)| n == name && *kind == ComponentExternalKind::Func);
    let instance = |name: &str| {
        exports.iter().any(|(n, kind)| {
            *kind == ComponentExternalKind::Instance && n.strip_prefix(name).is_some_and(is_same_series)
        })
    };
    if function("handle") {
        Ok(GuestKind::Event)
    } else if instance("wasi:http/handler@0.3") {
        Ok(GuestKind::HttpP3)
    } else if instance("wasi:http/incoming-handler@0.2") {
        Ok(GuestKind::HttpP2)
    } else if instance("wasi:cli/run@0.2") {
        Ok(GuestKind::Command)
    } else {
        Err(ComponentError::NoEntry(listed(&exports)))
    }
}

fn listed(exports: &[Export]) -> String {
    let listed: Vec<&str> = exports.iter().map(|(name, _)| name.as_str()).take(20).collect();
    if listed.is_empty() { "nothing".into() } else { listed.join(", ") }
}

/// An export's name and kind.
type Export = (String, ComponentExternalKind);

/// Names of a component's imports, and its exports with their kinds.
fn names(component: &[u8]) -> Result<(Vec<String>, Vec<Export>), ComponentError> {
    let invalid = |error: wasmparser::BinaryReaderError| ComponentError::Invalid(error.to_string());
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(invalid)? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    imports.push(import.map_err(invalid)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export.map_err(invalid)?;
                    exports.push((export.name.name.to_owned(), export.kind));
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

fn is_wasi_0_3(name: &str) -> bool {
    name.starts_with("wasi:") && name.split_once("@0.3").is_some_and(|(_, rest)| is_same_series(rest))
}

/// `.0` of `@0.2.0`; not `4` of `@0.24`.
fn is_same_series(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn commands_become_components_with_and_without_wasi_imports() {
        for module in [
            r#"(module (memory (export "memory") 1) (func (export "_start")))"#,
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
                 (memory (export "memory") 1) (func (export "_start")))"#,
        ] {
            let made = componentize(component(module)).unwrap();
            assert_eq!((kind(&made).unwrap(), family(&made).unwrap()), (GuestKind::Command, Family::Plain));
        }
    }

    #[test]
    fn what_has_no_entry_says_what_it_has() {
        let text = r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
            (func (export "other") (canon lift (core func $i "f"))))"#;
        let error = kind(&component(text)).unwrap_err();
        assert!(error.to_string().ends_with("It exports: other"), "{error}");
        let module = componentize(component("(module (func (export \"f\")))"));
        assert!(matches!(module.and_then(|c| kind(&c)), Err(ComponentError::NoEntry(_))));
    }

    #[test]
    fn extensions_are_told_by_their_interface() {
        let exporting =
            |name: &str| component(&format!(r#"(component (instance $i) (export "{name}" (instance $i)))"#));
        for name in ["lamina:function/extension@0.1.0", "lamina:function/extension@0.1.7"] {
            assert_eq!(is_extension(&exporting(name)), Ok(()), "{name}");
        }
        for name in ["lamina:function/extension@0.2.0", "lamina:function/extensions@0.1.0", "wasi:cli/run@0.2.0"] {
            assert_eq!(is_extension(&exporting(name)), Err(ComponentError::NoExtension(name.into())));
        }
        // It is no function.
        assert!(matches!(kind(&exporting("lamina:function/extension@0.1.0")), Err(ComponentError::NoEntry(_))));
    }

    #[test]
    fn garbage_is_invalid() {
        assert!(matches!(componentize(b"\0asm".to_vec()), Err(ComponentError::Invalid(_))));
        let mut cut = component(r#"(module (func (export "_start")) (data "0123456789"))"#);
        cut.truncate(cut.len() - 4);
        assert!(componentize(cut).is_err());
    }
}
