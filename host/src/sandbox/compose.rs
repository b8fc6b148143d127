//! A function composed with the components that its layers carry.
//!
//! What a guest imports and a library exports under the same name, or one that differs by a compatible version only, is wired
//! up; libraries may need each other the same way. Of two libraries that export the same, the one that comes first is taken.
//! What no library exports stays an import, for the host to satisfy. Runs in the compiler process, like all that reads wasm.

use wasm_compose::graph::{
    Component, ComponentId, CompositionGraph, EncodeOptions, ExportIndex, ImportIndex, InstanceId,
};
use wasmparser::{Parser, Validator, WasmFeatures};

/// Libraries that need each other through more than these are refused.
const DEPTH_LIMIT: usize = 32;

/// Why a guest and libraries do not go together. The uploader's fault; do not retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// A library is no component that could be read.
    #[error("The library {name} is not a valid component: {reason}")]
    Library {
        /// Its name in the layer.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The guest could not be read.
    #[error("The guest cannot be composed with the libraries of its layers: {0}")]
    Guest(String),
    /// An export that is not what is imported under its name.
    #[error("The import {import} cannot be satisfied by the library {name}: {reason}")]
    Mismatch {
        /// What is imported.
        import: String,
        /// Who exports it.
        name: String,
        /// How they differ.
        reason: String,
    },
    /// Libraries that need each other in a circle, or through too many.
    #[error("The library {0} needs itself, or others in too long a row")]
    Circle(String),
}

/// A component of a layer.
#[derive(Debug)]
pub struct Library {
    /// Its name in the layer.
    pub name: String,
    /// The component, or text where the name ends with `.wat`. Core modules and what else has the extension are for guests to
    /// read, and are left alone.
    pub wasm: Vec<u8>,
}

/// Composes `guest` with those of `libraries` that it needs; gives it back as it is where it needs none.
pub fn compose(guest: Vec<u8>, libraries: Vec<Library>) -> Result<Vec<u8>, ComposeError> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut composition = Composition { graph: CompositionGraph::new(), libraries: Vec::new() };
    for (index, Library { name, wasm }) in libraries.into_iter().enumerate() {
        let failed = |reason: String| ComposeError::Library { name: name.clone(), reason };
        let wasm = match name.ends_with(".wat") {
            true => wat::parse_bytes(&wasm).map_err(|error| failed(error.to_string()))?.into_owned(),
            false => wasm,
        };
        if !Parser::is_component(&wasm) {
            continue;
        }
        let component = Component::from_bytes(&mut validator, format!("library{index}"), wasm)
            .and_then(|component| composition.graph.add_component(component))
            .map_err(|error| failed(format!("{error:#}")))?;
        composition.libraries.push(Registered { name, component, instance: None });
    }
    if composition.libraries.is_empty() {
        return Ok(guest);
    }
    let failed = |error: &dyn std::fmt::Display| ComposeError::Guest(error.to_string());
    let root = Component::from_bytes(&mut validator, "guest", guest.clone())
        .and_then(|component| composition.graph.add_component(component))
        .map_err(|error| failed(&format_args!("{error:#}")))?;
    let root = composition.instantiate(root, 0)?;
    if composition.libraries.iter().all(|library| library.instance.is_none()) {
        return Ok(guest);
    }
    // wasmtime validates what comes out.
    let options = EncodeOptions { define_components: true, export: Some(root), validate: false };
    composition.graph.encode(options).map_err(|error| failed(&format_args!("{error:#}")))
}

struct Registered {
    name: String,
    component: ComponentId,
    /// Once something needs it.
    instance: Option<InstanceId>,
}

struct Composition {
    graph: CompositionGraph<'static>,
    libraries: Vec<Registered>,
}

impl Composition {
    /// Instantiates a component with what libraries give it.
    fn instantiate(&mut self, id: ComponentId, depth: usize) -> Result<InstanceId, ComposeError> {
        let failed = |error: &dyn std::fmt::Display| ComposeError::Guest(error.to_string());
        let component = self.graph.get_component(id).ok_or_else(|| failed(&"it is gone"))?;
        let imports: Vec<(ImportIndex, String)> =
            component.imports().map(|(index, name, _)| (index, name.to_owned())).collect();
        let instance = self.graph.instantiate(id).map_err(|error| failed(&format_args!("{error:#}")))?;
        for (at, import) in imports {
            let Some((index, export)) = self.provider(id, &import) else { continue };
            let library = self.library(index, depth)?;
            let name = self.libraries.get(index).map(|library| library.name.clone()).unwrap_or_default();
            self.graph.connect(library, Some(export), instance, at).map_err(|error| ComposeError::Mismatch {
                import,
                name,
                reason: format!("{error:#}"),
            })?;
        }
        Ok(instance)
    }

    /// The first library that exports `import`, and where.
    fn provider(&self, importer: ComponentId, import: &str) -> Option<(usize, ExportIndex)> {
        let others = self.libraries.iter().enumerate().filter(|(_, library)| library.component != importer);
        others.into_iter().find_map(|(index, library)| {
            let component = self.graph.get_component(library.component)?;
            let same = |wanted: &dyn Fn(&str) -> bool| component.exports().find(|(_, name, ..)| wanted(name));
            let found = same(&|name| name == import).or_else(|| same(&|name| is_compatible(name, import)))?;
            Some((index, found.0))
        })
    }

    /// The one instance of a library.
    fn library(&mut self, index: usize, depth: usize) -> Result<InstanceId, ComposeError> {
        let (component, name) = match self.libraries.get(index) {
            Some(Registered { instance: Some(instance), .. }) => return Ok(*instance),
            Some(library) => (library.component, library.name.clone()),
            None => return Err(ComposeError::Guest("a library is gone".into())),
        };
        if depth >= DEPTH_LIMIT {
            return Err(ComposeError::Circle(name));
        }
        let instance = self.instantiate(component, depth.saturating_add(1))?;
        if let Some(library) = self.libraries.get_mut(index) {
            library.instance = Some(instance);
        }
        Ok(instance)
    }
}

/// Whether what is exported under one name may be used for the other: the same interface, in versions that semantic versioning
/// calls compatible, the exported one not the older.
fn is_compatible(export: &str, import: &str) -> bool {
    let (Some((export, has)), Some((import, wants))) = (split_version(export), split_version(import)) else {
        return false;
    };
    let same_track = match wants {
        (0, 0, _) => has == wants,
        (0, ..) => (has.0, has.1) == (wants.0, wants.1),
        _ => has.0 == wants.0,
    };
    export == import && same_track && has >= wants
}

/// A name and its version; `None` where it has none, or one that is not a release.
fn split_version(name: &str) -> Option<(&str, (u64, u64, u64))> {
    let (name, version) = name.split_once('@')?;
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    let version = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some((name, version))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn wasm(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    fn library(name: &str, text: &str) -> Library {
        Library { name: name.into(), wasm: wasm(text) }
    }

    /// A component that imports `from` and exports `to`, both `number: func() -> u32`.
    fn relay(from: &str, to: &str) -> String {
        format!(
            r#"(component (import "{from}" (instance $i (export "number" (func (result u32)))))
                 (instance $o (export "number" (func $i "number"))) (export "{to}" (instance $o)))"#
        )
    }

    fn source(to: &str) -> String {
        format!(
            r#"(component (core module $m (func (export "f") (result i32) i32.const 7)) (core instance $c (instantiate $m))
                 (func $f (result u32) (canon lift (core func $c "f")))
                 (instance $o (export "number" (func $f))) (export "{to}" (instance $o)))"#
        )
    }

    fn imports(bytes: &[u8]) -> Vec<String> {
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        let component = Component::from_bytes(&mut validator, "made", bytes.to_vec()).unwrap();
        component.imports().map(|(_, name, _)| name.to_owned()).collect()
    }

    #[test]
    fn later_versions_of_one_track_are_compatible() {
        for (export, import, compatible) in [
            ("a:b/c@1.2.0", "a:b/c@1.0.0", true),
            ("a:b/c@1.0.0", "a:b/c@1.2.0", false),
            ("a:b/c@2.0.0", "a:b/c@1.0.0", false),
            ("a:b/c@0.2.6", "a:b/c@0.2.0", true),
            ("a:b/c@0.3.0", "a:b/c@0.2.0", false),
            ("a:b/c@0.0.2", "a:b/c@0.0.1", false),
            ("a:b/d@1.2.0", "a:b/c@1.0.0", false),
            ("a:b/c", "a:b/c@1.0.0", false),
            ("a:b/c@1.2.0-rc", "a:b/c@1.0.0", false),
        ] {
            assert_eq!(is_compatible(export, import), compatible, "{export} for {import}");
        }
    }

    #[test]
    fn imports_are_satisfied_directly_and_through_other_libraries() {
        let guest = wasm(&relay("a:a/one@1.0.0", "x:x/out@1.0.0"));
        let libraries = || {
            vec![
                library("one.wasm", &relay("a:a/two@1.0.0", "a:a/one@1.2.0")),
                library("data.wasm", "(module)"),
                library("two.wasm", &source("a:a/two@1.0.0")),
            ]
        };
        let made = compose(guest.clone(), libraries()).unwrap();
        assert_eq!(imports(&made), Vec::<String>::new());
        // What is missing stays an import.
        let mut fewer = libraries();
        fewer.truncate(2);
        assert_eq!(imports(&compose(guest.clone(), fewer).unwrap()), ["a:a/two@1.0.0"]);
        // What is not needed changes nothing.
        assert_eq!(compose(guest.clone(), vec![library("two.wasm", &source("a:a/two@1.0.0"))]).unwrap(), guest);
        assert_eq!(compose(guest.clone(), Vec::new()).unwrap(), guest);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_name() {
        let guest = || wasm(&relay("a:a/one@1.0.0", "x:x/out@1.0.0"));
        let broken = Library { name: "b.wasm".into(), wasm: b"\0asm\x0d\0\x01\0\xff".to_vec() };
        assert!(matches!(compose(guest(), vec![broken]), Err(ComposeError::Library { name, .. }) if name == "b.wasm"));
        let other = r#"(component (instance $o) (export "a:a/one@1.0.0" (instance $o)))"#;
        let mismatch = compose(guest(), vec![library("o.wasm", other)]);
        assert!(matches!(mismatch, Err(ComposeError::Mismatch { name, .. }) if name == "o.wasm"));
        let circle = vec![
            library("one.wasm", &relay("a:a/two@1.0.0", "a:a/one@1.0.0")),
            library("two.wasm", &relay("a:a/one@1.0.0", "a:a/two@1.0.0")),
        ];
        assert!(matches!(compose(guest(), circle), Err(ComposeError::Circle(_))));
    }
}
