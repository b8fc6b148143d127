// `util`.

import { parseArgs } from './parse-args.js';
import { deepEqual } from './equality.js';
import { coded, invalidType, systemErrors } from './errors.js';
import { format, formatWithOptions, inspect, stripVTControlCharacters } from './inspect.js';
import { nextTick } from './loop.js';
import { process } from './process.js';
import { TextDecoder, TextEncoder } from './text.js';
import { types } from './types.js';

const custom = Symbol.for('nodejs.util.promisify.custom');

function promisify(original) {
  if (typeof original !== 'function') throw invalidType('original', 'of type function', original);
  if (original[custom]) return original[custom];
  function promised(...args) {
    return new Promise((resolve, reject) => {
      original.call(this, ...args, (error, ...values) => (error ? reject(error) : resolve(values[0])));
    });
  }
  Object.setPrototypeOf(promised, Object.getPrototypeOf(original));
  return Object.defineProperties(promised, { ...Object.getOwnPropertyDescriptors(original), [custom]: { value: promised, configurable: true } });
}
promisify.custom = custom;

function callbackify(original) {
  if (typeof original !== 'function') throw invalidType('original', 'of type function', original);
  return function callbackified(...args) {
    const callback = args.pop();
    if (typeof callback !== 'function') throw invalidType('last argument', 'of type function', callback);
    original.apply(this, args).then((value) => nextTick(callback, null, value), (reason) => {
      nextTick(callback, reason || Object.assign(new Error('Promise was rejected with a falsy value'), { code: 'ERR_FALSY_VALUE_REJECTION', reason }));
    });
  };
}

function inherits(constructor, parent) {
  Object.defineProperty(constructor, 'super_', { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, parent.prototype);
}

const warned = new Set();
function deprecate(original, message, code) {
  function deprecated(...args) {
    if (!warned.has(code ?? message)) {
      warned.add(code ?? message);
      process.emitWarning(message, 'DeprecationWarning');
    }
    return new.target ? Reflect.construct(original, args, new.target) : original.apply(this, args);
  }
  Object.setPrototypeOf(deprecated, original);
  if (original.prototype) deprecated.prototype = original.prototype;
  return deprecated;
}

const STYLES = { ...inspect.colors };
function styleText(formats, text) {
  return [formats].flat().reduce((styled, name) => {
    const codes = STYLES[name];
    if (!codes) throw coded(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument 'format' must be one of the styles. Received '${name}'`);
    return `\u001b[${codes[0]}m${styled}\u001b[${codes[1]}m`;
  }, text);
}

function debuglog(section) {
  const enabled = new RegExp(`(^|,)${section}(,|$)`, 'i').test(process.env.NODE_DEBUG ?? '');
  const log = (...args) => { if (enabled) globalThis.console.error(`${section.toUpperCase()} ${process.pid}:`, ...args); };
  log.enabled = enabled;
  return log;
}

class MIMEType {
  constructor(input) {
    const [essence, ...params] = `${input}`.split(';');
    [this.type, this.subtype] = essence.trim().toLowerCase().split('/');
    this.params = new Map(params.map((param) => param.trim().split('=')).map(([name, value = '']) => [name, value.replace(/^"|"$/g, '')]));
  }

  get essence() { return `${this.type}/${this.subtype}`; }
  toString() { return [this.essence, ...[...this.params].map(([name, value]) => `${name}=${value}`)].join(';'); }
}

export const util = {
  TextDecoder,
  TextEncoder,
  MIMEType,
  aborted: (signal) => new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }))),
  callbackify,
  debug: debuglog,
  debuglog,
  deprecate,
  format,
  formatWithOptions,
  getSystemErrorMap: () => systemErrors,
  getSystemErrorName: (number) => systemErrors.get(number)?.[0],
  inherits,
  inspect,
  isDeepStrictEqual: (one, other) => deepEqual(one, other, true),
  parseArgs,
  parseEnv: (text) => Object.fromEntries([...`${text}`.matchAll(/^\s*(?:export\s+)?([\w.]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^#\n]*))/gm)]
    .map(([, name, double, single, plain]) => [name, double?.replace(/\\n/g, '\n') ?? single ?? plain.trim()])),
  promisify,
  stripVTControlCharacters,
  styleText,
  toUSVString: (text) => `${text}`.toWellFormed(),
  transferableAbortController: () => new AbortController(),
  types,
  isArray: Array.isArray,
  isBoolean: (value) => typeof value === 'boolean',
  isBuffer: (value) => globalThis.Buffer.isBuffer(value),
  isDate: types.isDate,
  isError: (value) => value instanceof Error,
  isFunction: (value) => typeof value === 'function',
  isNull: (value) => value === null,
  isNullOrUndefined: (value) => value === null || value === undefined,
  isNumber: (value) => typeof value === 'number',
  isObject: (value) => value !== null && typeof value === 'object',
  isPrimitive: (value) => value === null || (typeof value !== 'object' && typeof value !== 'function'),
  isRegExp: types.isRegExp,
  isString: (value) => typeof value === 'string',
  isSymbol: (value) => typeof value === 'symbol',
  isUndefined: (value) => value === undefined,
  log: (...args) => globalThis.console.log(...args),
  _extend: (target, source) => Object.assign(target, source),
};
