//! `package.json` files, read once: they lie in read-only mounts, all but those under `/tmp`.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use serde_json::Value;

thread_local! {
    static READ: RefCell<HashMap<String, Option<Rc<Package>>>> = RefCell::new(HashMap::new());
}

/// A package's directory and what its `package.json` says.
pub(crate) struct Package {
    /// Where it lies, without a slash at the end.
    pub(crate) directory: String,
    /// The document.
    pub(crate) document: Value,
}

impl Package {
    /// A member that is a string.
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.document.get(member)?.as_str()
    }
}

/// The package in `directory`; nothing without a readable `package.json`.
pub(crate) fn at(directory: &str) -> Option<Rc<Package>> {
    if let Some(package) = READ.with_borrow(|read| read.get(directory).cloned()) {
        return package;
    }
    let document = std::fs::read(format!("{directory}/package.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let package = document.map(|document| Rc::new(Package { directory: directory.to_owned(), document }));
    if !directory.starts_with("/tmp") {
        READ.with_borrow_mut(|read| read.insert(directory.to_owned(), package.clone()));
    }
    package
}

/// The package that a file belongs to: the next `package.json` above it, up to a `node_modules`.
pub(crate) fn of(file: &str) -> Option<Rc<Package>> {
    let mut directory = parent(file);
    while !directory.is_empty() && !directory.ends_with("/node_modules") {
        if let Some(package) = at(directory) {
            return Some(package);
        }
        directory = parent(directory);
    }
    None
}

/// A path without its last part; empty for the root.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// An absolute path without `.`, `..` and doubled slashes.
pub(crate) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
