//! Files with code: the function's own, and those it imports from its package and its layers.
//!
//! A file is run once, when it is first needed, as a module: its functions see its constants and its imports, and callers see what it does
//! not say is `private`.

use rhai::{AST, Engine, EvalAltResult, Module, ModuleResolver, Position, Shared};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// Of files with code.
const EXTENSION: &str = "rhai";

/// A file that was run.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) module: Shared<Module>,
    /// What it was compiled to.
    pub(crate) ast: Rc<AST>,
}

/// The directories with code and what was loaded from them.
pub(crate) struct Files {
    /// In the order in which they are searched.
    directories: Vec<PathBuf>,
    loaded: RefCell<BTreeMap<PathBuf, Loaded>>,
    /// Those that run: one that comes up again imports itself.
    running: RefCell<Vec<PathBuf>>,
}

impl Files {
    /// Nothing loaded yet.
    pub(crate) fn new(directories: Vec<PathBuf>) -> Self {
        Self { directories, loaded: RefCell::default(), running: RefCell::default() }
    }

    /// The file that `name` means: a path without extension, below one of the directories.
    pub(crate) fn find(&self, name: &str) -> Option<PathBuf> {
        let inside = |component| matches!(component, Component::Normal(_) | Component::CurDir);
        if name.is_empty() || !Path::new(name).components().all(inside) {
            return None;
        }
        let paths = self.directories.iter().map(|directory| directory.join(format!("{name}.{EXTENSION}")));
        paths.into_iter().find(|path| path.is_file())
    }

    /// Compiles and runs a file, if that was not done before.
    pub(crate) fn load(&self, engine: &Engine, path: &Path) -> Result<Loaded, Box<EvalAltResult>> {
        if let Some(loaded) = self.loaded.borrow().get(path) {
            return Ok(loaded.clone());
        }
        if self.running.borrow().iter().any(|running| running == path) {
            return Err("the file imports itself, by itself or by way of others".into());
        }
        let text = std::fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))?;
        let text = String::from_utf8(text).map_err(|_| "the file is not UTF-8")?;
        let mut ast = engine.compile(text)?;
        ast.set_source(path.to_string_lossy().as_ref());
        self.running.borrow_mut().push(path.to_owned());
        let module = Module::eval_ast_as_new(rhai::Scope::new(), &ast, engine);
        self.running.borrow_mut().pop();
        let loaded = Loaded { module: Shared::new(module?), ast: Rc::new(ast) };
        self.loaded.borrow_mut().insert(path.to_owned(), loaded.clone());
        Ok(loaded)
    }
}

/// `import` in scripts.
pub(crate) struct Imports(pub(crate) Rc<Files>);

impl ModuleResolver for Imports {
    fn resolve(
        &self,
        engine: &Engine,
        _source: Option<&str>,
        name: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let Self(files) = self;
        let Some(path) = files.find(name) else {
            return Err(EvalAltResult::ErrorModuleNotFound(name.to_owned(), position).into());
        };
        let loaded = files.load(engine, &path).map_err(|error| {
            Box::new(EvalAltResult::ErrorInModule(path.to_string_lossy().into_owned(), error, position))
        })?;
        Ok(loaded.module)
    }
}
