// CommonJS, and what ES modules need of it.

import { builtin, builtinNames } from './builtins.js';
import { coded } from './errors.js';

const cache = { __proto__: null };

/** A CommonJS module. */
export function Module(id = '', parent) {
  this.id = id;
  this.path = directoryOf(id);
  this.exports = {};
  this.filename = null;
  this.loaded = false;
  this.children = [];
  this.paths = [];
  Object.defineProperty(this, 'parent', { value: parent, configurable: true, writable: true });
}

const directoryOf = (path) => path.slice(0, Math.max(path.lastIndexOf('/'), 0)) || '/';

/** The chain of modules that asked for one, for the error's text. */
function requireStack(module) {
  const stack = [];
  for (let at = module; at; at = at.parent) stack.push(at.filename ?? at.id);
  if (stack[stack.length - 1] !== '/var/runtime/index.mjs') stack.push('/var/runtime/index.mjs');
  return stack;
}

function resolveFrom(specifier, base, module) {
  if (typeof specifier !== 'string') {
    throw coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "id" argument must be of type string. Received ${typeof specifier}`);
  }
  if (specifier === '') {
    throw coded(TypeError, 'ERR_INVALID_ARG_VALUE', "The argument 'id' must be a non-empty string. Received ''");
  }
  try {
    return native.resolve(specifier, base, false);
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') {
      error.requireStack = requireStack(module);
      error.message += `\nRequire stack:\n- ${error.requireStack.join('\n- ')}`;
    }
    throw error;
  }
}

function resolvePaths(specifier, paths) {
  for (const path of paths) {
    try {
      return native.resolve(specifier, `${path}/index.js`, false);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw coded(Error, 'MODULE_NOT_FOUND', `Cannot find module '${specifier}'\nRequire stack:\n- ${paths.join('\n- ')}`);
}

/** A `require` for `module`. */
function makeRequire(module) {
  const base = module.filename ?? module.id;
  const require = (specifier) => {
    const [path, format] = resolveFrom(specifier, base, module);
    return format === 'builtin' ? builtin(path) : load(path, format, module);
  };
  require.resolve = (specifier, options) => {
    const [path, format] = options?.paths ? resolvePaths(specifier, options.paths) : resolveFrom(specifier, base, module);
    return format === 'builtin' && specifier.startsWith('node:') ? specifier : path;
  };
  require.resolve.paths = (specifier) => (builtinNames.includes(specifier) ? null : native.lookupPaths(base));
  require.cache = cache;
  require.extensions = Module._extensions;
  require.main = main;
  return require;
}

/** Runs a file unless it has been run, and answers its exports. */
function load(path, format, parent) {
  const known = cache[path];
  if (known) {
    if (parent && !parent.children.includes(known)) parent.children.push(known);
    return known.exports;
  }
  if (format === 'module') return loadModule(path);
  const module = new Module(path, parent);
  module.filename = path;
  parent?.children.push(module);
  cache[path] = module;
  let done = false;
  try {
    const extension = path.slice(path.lastIndexOf('.'));
    const custom = Module._extensions[extension];
    if (custom && !custom.own) custom(module, path);
    else if (format === 'json') module.exports = parseJson(path, read(path));
    else if (path.endsWith('.node')) throw coded(Error, 'ERR_DLOPEN_FAILED', `Native addons are not supported: ${path}`);
    else module._compile(read(path), path);
    done = true;
  } finally {
    if (!done) delete cache[path];
  }
  module.loaded = true;
  return module.exports;
}

function read(path) {
  const text = native.readText(path);
  if (typeof text === 'number') throw coded(Error, 'MODULE_NOT_FOUND', `Cannot find module '${path}'`);
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

function parseJson(path, text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    error.message = `${path}: ${error.message}`;
    throw error;
  }
}

/** An ES module for `require`: its namespace, as long as nothing in it awaits. */
function loadModule(path) {
  let outcome;
  native.import(native.fileUrl(path)).then((value) => { outcome = { value }; }, (error) => { outcome = { error }; });
  native.runJobs();
  if (outcome === undefined) {
    throw coded(Error, 'ERR_REQUIRE_ASYNC_MODULE', `require() cannot be used on an ESM graph with top-level await: ${path}`);
  }
  if ('error' in outcome) throw outcome.error;
  const namespace = outcome.value;
  return 'module.exports' in namespace ? namespace['module.exports'] : namespace;
}

Module.prototype.require = function require(specifier) { return makeRequire(this)(specifier); };

Module.prototype._compile = function _compile(text, path) {
  const source = text.startsWith('#!') ? `//${text}` : text;
  let wrapper;
  try {
    wrapper = native.evaluate(`(function (exports, require, module, __filename, __dirname) { ${source}\n})`, path);
  } catch (error) {
    // A file that does not say which it is may be an ES module after all.
    if (error instanceof SyntaxError && native.fileFormat(path) === 'unsaid' && native.isModuleText(source)) {
      this.exports = loadModule(path);
      return undefined;
    }
    throw error;
  }
  return wrapper.call(this.exports, this.exports, makeRequire(this), this, path, directoryOf(path));
};

const own = (extension, run) => Object.assign(run, { own: true });
Module._extensions = {
  __proto__: null,
  '.js': own('.js', (module, path) => module._compile(read(path), path)),
  '.json': own('.json', (module, path) => { module.exports = parseJson(path, read(path)); }),
};
Module._cache = cache;
Module._load = (specifier, parent) => makeRequire(parent ?? main)(specifier);
Module._resolveFilename = (specifier, parent, isMain, options) => makeRequire(parent ?? main).resolve(specifier, options);
Module._nodeModulePaths = (from) => native.lookupPaths(`${from}/index.js`);
Module._pathCache = { __proto__: null };
Module._initPaths = () => {};
Module.globalPaths = [];
Module.Module = Module;
Module.builtinModules = builtinNames;
Module.isBuiltin = (name) => builtinNames.includes(name.replace(/^node:/, ''));
Module.wrap = (script) => `(function (exports, require, module, __filename, __dirname) { ${script}\n});`;
Module.syncBuiltinESMExports = () => {};
Module.findSourceMap = () => undefined;
Module.register = () => {};
Module.enableCompileCache = () => ({ status: 3 });
Module.findPackageJSON = (specifier, base) => {
  const path = specifier.startsWith('file:') ? decodeURIComponent(new URL(specifier).pathname) : `${base ?? '/var/task/'}`;
  for (let at = directoryOf(path); at !== '/'; at = directoryOf(at)) if (native.isFile(`${at}/package.json`)) return `${at}/package.json`;
  return undefined;
};

const main = new Module('/var/runtime/index.mjs');
main.filename = '/var/runtime/index.mjs';

Module.createRequire = (from) => {
  const path = `${from}`.startsWith('file:') ? decodeURIComponent(new URL(`${from}`).pathname) : `${from}`;
  if (!path.startsWith('/')) {
    throw coded(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument 'filename' must be a file URL object, file URL string, or absolute path string. Received '${from}'`);
  }
  const module = new Module(path);
  module.filename = path;
  return makeRequire(module);
};

/** Runs the CommonJS file at `path` for whoever loads the function. */
export const requireFile = (path) => load(path, native.fileFormat(path), main);

/** Has a specifier resolved as `require` would from a directory. */
export const resolveIn = (specifier, directory) => native.resolve(specifier, `${directory}/index.js`, false);

native.setModuleHooks({
  builtin: (name) => builtin(name),
  requirer: (path) => () => load(path, 'commonjs', main),
  resolver: (url) => (specifier) => {
    const [path, format] = native.resolve(`${specifier}`, decodeURIComponent(url.slice(7)), true);
    return format === 'builtin' ? `node:${path}` : native.fileUrl(path);
  },
});
