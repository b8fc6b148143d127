//! From a specifier to a file, by the rules of Node's two module systems.

use std::cell::RefCell;

use serde_json::Value;

use crate::packages::{self, Package, normal, parent};

thread_local! {
    /// Names of the built-in modules, without `node:`.
    static BUILTINS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// Directories of `NODE_PATH`.
    static PATHS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Who asks: it decides conditions and guesses.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// `import`.
    Import,
    /// `require`.
    Require,
}

impl Kind {
    fn condition(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Require => "require",
        }
    }
}

/// Why there is no file: Node's error code and words.
pub(crate) struct Failure {
    /// `ERR_…` or `MODULE_NOT_FOUND`.
    pub(crate) code: &'static str,
    /// The error's message.
    pub(crate) message: String,
}

impl Failure {
    fn new(code: &'static str, message: String) -> Self {
        Self { code, message }
    }
}

/// What a specifier names.
pub(crate) enum Target {
    /// A built-in module, without `node:`.
    Builtin(String),
    /// A file's absolute path.
    File(String),
}

/// Says which modules are built in.
pub(crate) fn set_builtins(names: Vec<String>) {
    BUILTINS.set(names);
}

/// Says where to look after the `node_modules` directories.
pub(crate) fn set_paths(paths: Vec<String>) {
    PATHS.set(paths.into_iter().filter(|path| !path.is_empty()).map(|path| normal(&path)).collect());
}

fn is_file(path: &str) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.is_file())
}

fn is_dir(path: &str) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.is_dir())
}

/// The `node_modules` directories for a file, nearest first, then those of `NODE_PATH`.
pub(crate) fn lookup_paths(base: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut directory = parent(base);
    while !directory.is_empty() {
        if !directory.ends_with("/node_modules") {
            paths.push(format!("{directory}/node_modules"));
        }
        directory = parent(directory);
    }
    PATHS.with_borrow(|more| paths.extend(more.iter().cloned()));
    paths
}

/// Finds what `specifier` names in the file `base`.
pub(crate) fn resolve(specifier: &str, base: &str, kind: Kind) -> Result<Target, Failure> {
    if let Some(name) = specifier.strip_prefix("node:") {
        return match BUILTINS.with_borrow(|names| names.iter().any(|known| known == name)) {
            true => Ok(Target::Builtin(name.to_owned())),
            false => Err(Failure::new("ERR_UNKNOWN_BUILTIN_MODULE", format!("No such built-in module: {specifier}"))),
        };
    }
    if BUILTINS.with_borrow(|names| names.iter().any(|known| known == specifier)) {
        return Ok(Target::Builtin(specifier.to_owned()));
    }
    file(specifier, base, kind).map(Target::File)
}

fn file(specifier: &str, base: &str, kind: Kind) -> Result<String, Failure> {
    if let Some(url) = specifier.strip_prefix("file://") {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        return exact(&normal(&decode(path)), specifier, base, kind);
    }
    if let Some((scheme, _)) = specifier.split_once(':')
        && kind == Kind::Import
        && scheme.len() > 1
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase())
    {
        let message = "Only URLs with a scheme in: file, data, and node are supported by the default ESM loader. \
                       Received protocol '";
        return Err(Failure::new("ERR_UNSUPPORTED_ESM_URL_SCHEME", format!("{message}{scheme}:'")));
    }
    let relative = specifier.starts_with("./") || specifier.starts_with("../") || matches!(specifier, "." | "..");
    if relative || specifier.starts_with('/') {
        let whole = if relative { format!("{}/{specifier}", parent(base)) } else { specifier.to_owned() };
        return match kind {
            Kind::Import => exact(&normal(whole.split(['?', '#']).next().unwrap_or_default()), specifier, base, kind),
            Kind::Require => guess(&normal(&whole), specifier.ends_with('/')).ok_or_else(|| missing(specifier, base, kind)),
        };
    }
    if specifier.starts_with('#') {
        return imports(specifier, base, kind);
    }
    package(specifier, base, kind)
}

/// A file that must be there as named; `require` may guess.
fn exact(path: &str, specifier: &str, base: &str, kind: Kind) -> Result<String, Failure> {
    if is_file(path) {
        return Ok(path.to_owned());
    }
    if kind == Kind::Require {
        return guess(path, false).ok_or_else(|| missing(specifier, base, kind));
    }
    if is_dir(path) {
        let message = format!("Directory import '{path}' is not supported resolving ES modules imported from {base}");
        return Err(Failure::new("ERR_UNSUPPORTED_DIR_IMPORT", message));
    }
    Err(missing(path, base, kind))
}

/// CommonJS: as named, with an ending, or a directory's `main` or index.
pub(crate) fn guess(path: &str, directory: bool) -> Option<String> {
    const ENDINGS: [&str; 5] = ["", ".js", ".json", ".cjs", ".mjs"];
    let with_ending = |path: &str| ENDINGS.iter().map(|ending| format!("{path}{ending}")).find(|path| is_file(path));
    if !directory && let Some(found) = with_ending(path) {
        return Some(found);
    }
    if !is_dir(path) {
        return None;
    }
    let index = |path: &str| ENDINGS.iter().skip(1).map(|ending| format!("{path}/index{ending}")).find(|path| is_file(path));
    let main = packages::at(path).and_then(|package| Some(normal(&format!("{path}/{}", package.text("main")?))));
    main.and_then(|main| with_ending(&main).or_else(|| index(&main))).or_else(|| index(path))
}

/// A bare specifier: the package itself by name, then the lookup paths.
fn package(specifier: &str, base: &str, kind: Kind) -> Result<String, Failure> {
    let slashes = if specifier.starts_with('@') { 2 } else { 1 };
    let (name, rest) = match specifier.match_indices('/').nth(slashes - 1) {
        Some((at, _)) => specifier.split_at_checked(at).unwrap_or((specifier, "")),
        None => (specifier, ""),
    };
    let subpath = format!(".{rest}");
    if let Some(own) = packages::of(base)
        && own.text("name") == Some(name)
        && let Some(exports) = own.document.get("exports").filter(|exports| !exports.is_null())
    {
        return exported(&own, exports, &subpath, kind);
    }
    for path in lookup_paths(base) {
        let directory = format!("{path}/{name}");
        if let Some(found) = packages::at(&directory) {
            if let Some(exports) = found.document.get("exports").filter(|exports| !exports.is_null()) {
                return exported(&found, exports, &subpath, kind);
            }
            if rest.is_empty() {
                if let Some(file) = guess(&directory, true) {
                    return Ok(file);
                }
                continue;
            }
        }
        let whole = normal(&format!("{directory}{rest}"));
        match kind {
            Kind::Import if is_file(&whole) => return Ok(whole),
            Kind::Import if !rest.is_empty() && is_dir(&directory) => {
                // Node asks for the whole name here; CommonJS's guesses cost nothing and help packages without `exports`.
                return guess(&whole, false).ok_or_else(|| missing(&whole, base, kind));
            }
            _ => {
                if let Some(file) = guess(&whole, rest.ends_with('/')) {
                    return Ok(file);
                }
            }
        }
    }
    Err(missing(specifier, base, kind))
}

fn missing(specifier: &str, base: &str, kind: Kind) -> Failure {
    match kind {
        Kind::Require => Failure::new("MODULE_NOT_FOUND", format!("Cannot find module '{specifier}'")),
        Kind::Import if specifier.starts_with('/') => {
            Failure::new("ERR_MODULE_NOT_FOUND", format!("Cannot find module '{specifier}' imported from {base}"))
        }
        Kind::Import => Failure::new("ERR_MODULE_NOT_FOUND", format!("Cannot find package '{specifier}' imported from {base}")),
    }
}

/// A member of `exports`.
fn exported(package: &Package, exports: &Value, subpath: &str, kind: Kind) -> Result<String, Failure> {
    let conditional = !exports.as_object().is_some_and(|members| members.keys().any(|key| key.starts_with('.')));
    let found = match (conditional, exports) {
        (true, _) if subpath == "." => target(package, exports, None, kind),
        (false, Value::Object(_)) => member(package, exports, subpath, kind),
        _ => None,
    };
    found.ok_or_else(|| {
        let file = format!("{}/package.json", package.directory);
        let message = match subpath {
            "." => format!("No \"exports\" main defined in {file}"),
            _ => format!("Package subpath '{subpath}' is not defined by \"exports\" in {file}"),
        };
        Failure::new("ERR_PACKAGE_PATH_NOT_EXPORTED", message)
    })
}

/// A specifier that begins with `#`: the package's own `imports`.
fn imports(specifier: &str, base: &str, kind: Kind) -> Result<String, Failure> {
    let package = packages::of(base);
    if let Some(package) = &package
        && let Some(imports) = package.document.get("imports")
        && let Some(found) = member(package, imports, specifier, kind)
    {
        return Ok(found);
    }
    let file = package.map(|package| format!(" in package {}/package.json", package.directory)).unwrap_or_default();
    let message = format!("Package import specifier \"{specifier}\" is not defined{file} imported from {base}");
    Err(Failure::new("ERR_PACKAGE_IMPORT_NOT_DEFINED", message))
}

/// The member for `key`: the same, or the longest pattern with one `*` that fits.
fn member(package: &Package, table: &Value, key: &str, kind: Kind) -> Option<String> {
    let table = table.as_object()?;
    if let Some(value) = table.get(key).filter(|_| !key.contains('*')) {
        return target(package, value, None, kind);
    }
    let (_, middle, value) = table
        .iter()
        .filter_map(|(pattern, value)| {
            let (before, after) = pattern.split_once('*').or_else(|| pattern.ends_with('/').then_some((pattern, "")))?;
            let middle = key.strip_prefix(before)?.strip_suffix(after)?;
            Some((before.len(), middle, value)).filter(|_| !middle.is_empty())
        })
        .max_by_key(|(length, _, _)| *length)?;
    target(package, value, Some(middle), kind)
}

/// What a target names under the conditions of `kind`; the first that fits, in the document's order.
fn target(package: &Package, value: &Value, middle: Option<&str>, kind: Kind) -> Option<String> {
    match value {
        Value::String(text) => {
            let text = match middle {
                Some(middle) if text.contains('*') => text.replace('*', middle),
                Some(middle) if text.ends_with('/') => format!("{text}{middle}"),
                _ => text.clone(),
            };
            if let Some(rest) = text.strip_prefix("./") {
                return Some(normal(&format!("{}/{rest}", package.directory)));
            }
            match resolve(&text, &format!("{}/package.json", package.directory), kind).ok()? {
                Target::File(file) => Some(file),
                Target::Builtin(name) => Some(format!("node:{name}")),
            }
        }
        Value::Array(values) => values.iter().find_map(|value| target(package, value, middle, kind)),
        Value::Object(members) => members
            .iter()
            .filter(|(condition, _)| {
                matches!(condition.as_str(), "node" | "default" | "module-sync") || *condition == kind.condition()
            })
            .find_map(|(_, value)| target(package, value, middle, kind)),
        _ => None,
    }
}

/// Undoes percent-encoding of a URL's path.
pub(crate) fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                match (digit(high), digit(low)) {
                    (Some(high), Some(low)) => {
                        bytes.push((high << 4 | low) as u8);
                        rest = after;
                    }
                    _ => bytes.push(b'%'),
                }
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
