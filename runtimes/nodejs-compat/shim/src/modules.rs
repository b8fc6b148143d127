//! ES modules for the engine: names, sources, and modules that stand for CommonJS files, JSON and built-ins.
//!
//! A module's name is `node:…` or a `file:` URL, so that traces read as Node's.

use std::cell::RefCell;

use rquickjs::{
    Array, Ctx, Error, Exception, Function, IntoJs, Module, Object, Persistent, Result, Value,
    context::EvalOptions,
    loader::{ImportAttributes, Loader, Resolver},
    module::Declared,
    prelude::Func,
};

use crate::{
    lexer, packages,
    resolve::{self, Failure, Kind, Target},
};

thread_local! {
    /// The library's object of what modules need from it: `builtin(name)`, `require(path)`, `resolver(url)`.
    static HOOKS: RefCell<Option<Persistent<Object<'static>>>> = const { RefCell::new(None) };
}

/// How a file is to be read.
#[derive(Clone, Copy, PartialEq)]
enum Format {
    Module,
    CommonJs,
    Json,
    /// `.js` without a `type` beside it: CommonJS unless it has the syntax of a module.
    Unsaid,
}

/// A file's format by its ending and its package.
fn format(path: &str) -> Format {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("mjs") => Format::Module,
        Some("cjs") => Format::CommonJs,
        Some("json") => Format::Json,
        _ => match packages::of(path).as_deref().and_then(|package| package.text("type")) {
            Some("module") => Format::Module,
            Some("commonjs") => Format::CommonJs,
            _ => Format::Unsaid,
        },
    }
}

/// The path in a module's name.
fn path_of(name: &str) -> String {
    match name.strip_prefix("file://") {
        Some(path) => resolve::decode(path),
        None if name.starts_with('/') => name.to_owned(),
        None => "/var/task/index.mjs".to_owned(),
    }
}

/// A path as a `file:` URL.
fn url_of(path: &str) -> String {
    let mut url = String::with_capacity(path.len() + 7);
    url.push_str("file://");
    for byte in path.bytes() {
        match byte {
            b'%' | b'?' | b'#' | b' ' | b'"' | b'<' | b'>' | b'`' | b'\\' | 0..=31 | 127.. => url.push_str(&format!("%{byte:02X}")),
            _ => url.push(char::from(byte)),
        }
    }
    url
}

/// Throws Node's error for a specifier that names nothing.
fn throw(ctx: &Ctx<'_>, failure: &Failure) -> Error {
    let made = (|| {
        let error = Exception::from_message(ctx.clone(), &failure.message)?;
        error.as_object().set("code", failure.code)?;
        error.into_js(ctx)
    })();
    match made {
        Ok(error) => ctx.throw(error),
        Err(error) => error,
    }
}

/// Names modules.
pub(crate) struct ModuleResolver;

impl Resolver for ModuleResolver {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        match resolve::resolve(name, &path_of(base), Kind::Import) {
            Ok(Target::Builtin(name)) => Ok(format!("node:{name}")),
            Ok(Target::File(path)) if path.starts_with("node:") => Ok(path),
            Ok(Target::File(path)) => Ok(url_of(&path)),
            Err(failure) => Err(throw(ctx, &failure)),
        }
    }
}

/// Makes modules.
pub(crate) struct ModuleLoader;

impl Loader for ModuleLoader {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        if let Some(builtin) = name.strip_prefix("node:") {
            let value: Object<'js> = hook(ctx, "builtin")?.call((builtin,))?;
            let names = value.keys::<String>().filter_map(Result::ok).collect::<Vec<_>>();
            return standing_for(ctx, name, value.into_value(), &names, false);
        }
        let path = path_of(name);
        let source = std::fs::read(&path)
            .map_err(|_| throw(ctx, &Failure { code: "ERR_MODULE_NOT_FOUND", message: format!("Cannot find module '{path}'") }))?;
        match format(&path) {
            Format::Json => {
                let value = ctx.json_parse(source)?;
                standing_for(ctx, name, value, &[], false)
            }
            Format::CommonJs => common(ctx, name, &path, &source),
            Format::Unsaid if !lexer::is_module(&source) => common(ctx, name, &path, &source),
            Format::Module | Format::Unsaid => {
                let module = Module::declare(ctx.clone(), name, source)?;
                let meta = module.meta()?;
                meta.set("dirname", packages::parent(&path))?;
                meta.set("filename", path.as_str())?;
                meta.set("url", name)?;
                meta.set("resolve", hook(ctx, "resolver")?.call::<_, Value<'js>>((name,))?)?;
                Ok(module)
            }
        }
    }
}

/// A function of the library for modules.
fn hook<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Function<'js>> {
    match HOOKS.with_borrow(Clone::clone) {
        Some(hooks) => hooks.restore(ctx)?.get(name),
        None => Err(Exception::throw_internal(ctx, "modules before the library")),
    }
}

/// A module for a CommonJS file, which runs when the module is evaluated; its names are those its text shows.
fn common<'js>(ctx: &Ctx<'js>, name: &str, path: &str, source: &[u8]) -> Result<Module<'js, Declared>> {
    let names = lexer::exports(source, path);
    let require: Function<'js> = hook(ctx, "requirer")?.call((path,))?;
    standing_for(ctx, name, require.into_value(), &names, true)
}

/// A module whose default export is `value`, or what it returns when it is `lazy`, with its members `names` exported too.
fn standing_for<'js>(ctx: &Ctx<'js>, name: &str, value: Value<'js>, names: &[String], lazy: bool) -> Result<Module<'js, Declared>> {
    let mut source = String::from(if lazy { "const m=import.meta.value();" } else { "const m=import.meta.value;" });
    source.push_str(if lazy { "export default m;const o=Object(m);" } else { "export default m;const o=m;" });
    for (index, name) in names.iter().enumerate() {
        if name != "default" && lexer::is_identifier(name) {
            source.push_str(&format!("const e{index}=o.{name};export{{e{index} as {name}}};"));
        }
    }
    if names.iter().any(|name| name == "__esModule") || lazy {
        source.push_str("export{m as 'module.exports'};");
    }
    let module = Module::declare(ctx.clone(), name, source)?;
    module.meta()?.set("value", value)?;
    Ok(module)
}

/// `[path, format]` for `require`, with the formats `builtin`, `module`, `commonjs`, `json` and `unsaid`.
fn resolve_require<'js>(ctx: Ctx<'js>, specifier: String, base: String, import: bool) -> Result<Array<'js>> {
    let kind = if import { Kind::Import } else { Kind::Require };
    let list = Array::new(ctx.clone())?;
    let (name, format) = match resolve::resolve(&specifier, &base, kind) {
        Ok(Target::Builtin(name)) => (name, "builtin"),
        Ok(Target::File(path)) => match path.strip_prefix("node:") {
            Some(name) => (name.to_owned(), "builtin"),
            None => {
                let format = format_name(&path);
                (path, format)
            }
        },
        Err(failure) => return Err(throw(&ctx, &failure)),
    };
    list.set(0, name)?;
    list.set(1, format)?;
    Ok(list)
}

fn format_name(path: &str) -> &'static str {
    match format(path) {
        Format::Module => "module",
        Format::CommonJs => "commonjs",
        Format::Json => "json",
        Format::Unsaid => "unsaid",
    }
}

/// The format of a file by name alone, as [`resolve_require`] words it.
fn file_format(path: String) -> &'static str {
    format_name(&path)
}

/// Compiles and evaluates a script of sloppy mode under a name.
fn evaluate<'js>(ctx: Ctx<'js>, source: String, name: String) -> Result<Value<'js>> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name);
    ctx.eval_with_options(source, options)
}

fn set_hooks<'js>(ctx: Ctx<'js>, hooks: Object<'js>) {
    HOOKS.set(Some(Persistent::save(&ctx, hooks)));
}

fn is_module_text(source: String) -> bool {
    lexer::is_module(source.as_bytes())
}

fn file_url(path: String) -> String {
    url_of(&path)
}

fn import<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    Ok(Module::import(&ctx, name)?.into_value())
}

/// Adds this module's functions to what the library is given.
pub(crate) fn install(native: &Object<'_>) -> Result<()> {
    native.set("setModuleHooks", Func::from(set_hooks))?;
    native.set("setBuiltins", Func::from(resolve::set_builtins))?;
    native.set("setPaths", Func::from(resolve::set_paths))?;
    native.set("lookupPaths", Func::from(|base: String| resolve::lookup_paths(&base)))?;
    native.set("resolve", Func::from(resolve_require))?;
    native.set("guess", Func::from(|path: String| resolve::guess(&path, false)))?;
    native.set("fileFormat", Func::from(file_format))?;
    native.set("evaluate", Func::from(evaluate))?;
    native.set("isModuleText", Func::from(is_module_text))?;
    native.set("fileUrl", Func::from(file_url))?;
    native.set("import", Func::from(import))
}
