// From a handler string to a function, by Lambda's rules.

import { requireFile, resolveIn } from './modules.js';
import { posix } from './path.js';

/** An error of the runtime's own, named as Lambda names it. */
export class RuntimeError extends Error {
  constructor(name, message, cause) {
    super(message);
    Object.defineProperty(this, 'name', { value: `Runtime.${name}`, enumerable: false });
    const frames = typeof cause?.stack === 'string' ? cause.stack.split('\n').filter((line) => line.startsWith('    at ')) : [];
    Object.defineProperty(this, 'stack', { value: [`${this.name}: ${message}`, ...frames].join('\n'), enumerable: false });
  }
}

const ROOT = '/var/task';

/** The file of a module by Lambda's order of endings; nothing when there is none. */
function fileOf(path) {
  for (const ending of ['', '.js', '.mjs', '.cjs']) if (native.isFile(path + ending)) return path + ending;
  return undefined;
}

async function importFile(path) {
  const format = native.fileFormat(path);
  if (format === 'module') return import(native.fileUrl(path));
  if (format === 'unsaid' && !path.endsWith('.json') && native.isModuleText(native.readText(path))) return import(native.fileUrl(path));
  return requireFile(path);
}

async function importModule(directory, name) {
  const file = fileOf(posix.resolve(ROOT, directory, name));
  if (file !== undefined) return importFile(file);
  const [path, format] = resolveIn(directory === '' ? name : `${directory}/${name}`, ROOT);
  if (format === 'builtin') throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
  return importFile(path);
}

/** What loading the user's module threw, as Lambda tells it. */
function worded(error) {
  if (error instanceof SyntaxError) return new RuntimeError('UserCodeSyntaxError', `${error}`, error);
  if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') return new RuntimeError('ImportModuleError', `${error}`, error);
  return error;
}

/** Imports the module that `handler` names and finds the function in it. */
export async function findHandler(handler) {
  if (handler.includes('..')) {
    throw new RuntimeError('MalformedHandlerName',
      `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const base = posix.basename(handler);
  const directory = handler.slice(0, handler.length - base.length).replace(/\/$/, '');
  const dot = base.indexOf('.');
  if (dot <= 0 || dot === base.length - 1) throw new RuntimeError('MalformedHandlerName', 'Bad handler');
  const [name, path] = [base.slice(0, dot), base.slice(dot + 1)];
  let module;
  try {
    module = await importModule(directory, name);
  } catch (error) {
    throw worded(error);
  }
  const find = (object) => path.split('.').reduce((at, member) => at?.[member], object);
  let found = find(module);
  if (found === undefined && module?.default !== undefined) found = find(module.default);
  if (found === undefined) throw new RuntimeError('HandlerNotFound', `${handler} is undefined or not exported`);
  if (typeof found !== 'function') throw new RuntimeError('HandlerNotFound', `${handler} is not a function`);
  return found;
}
