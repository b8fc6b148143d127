// What completes the built-in modules and globals: the web's classes, requests, cryptography, and modules that stand in.

import { assert, strict } from './assert.js';
import { Blob, File, FormData } from './blob.js';
import { absent, builtin, define } from './builtins.js';
import { bufferModule } from './buffer.js';
import { MessageChannel, MessageEvent, MessagePort, structuredClone } from './clone.js';
import { CryptoKey, crypto, webcrypto } from './crypto.js';
import { coded, unsupported } from './errors.js';
import EventEmitter from './events-module.js';
import { Request, Response, fetch } from './fetch.js';
import { defineGlobals } from './globals.js';
import { Headers } from './headers.js';
import { Socket, http, https } from './http.js';
import { CompressionStream, DecompressionStream, zlib } from './zlib.js';

Object.assign(bufferModule, { Blob, File });
defineGlobals({ Blob, File, FormData, Headers, Request, Response, fetch, structuredClone, MessageChannel, MessageEvent, MessagePort, crypto: webcrypto,
  CryptoKey, CompressionStream, DecompressionStream });
Object.assign(builtin('worker_threads'), { MessageChannel, MessagePort });

define('assert', assert);
define('assert/strict', strict);
define('crypto', crypto);
define('http', http);
define('https', https);
define('zlib', zlib);

const family = (host) => (/^\d{1,3}(\.\d{1,3}){3}$/.test(host) && host.split('.').every((part) => Number(part) < 256) ? 4
  : /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(host) && URL.canParse(`http://[${host}]/`) ? 6 : 0);
absent('net', ['connect', 'createConnection', 'createServer', 'Server'], { Socket, isIP: family, isIPv4: (host) => family(host) === 4,
  isIPv6: (host) => family(host) === 6, setDefaultAutoSelectFamily() {}, getDefaultAutoSelectFamily: () => true });
absent('tls', ['connect', 'createServer', 'createSecureContext', 'TLSSocket', 'Server'], { rootCertificates: [], DEFAULT_MIN_VERSION: 'TLSv1.2',
  DEFAULT_MAX_VERSION: 'TLSv1.3', getCiphers: () => [], checkServerIdentity: () => undefined });
absent('http2', ['connect', 'createServer', 'createSecureServer'], { constants: { HTTP2_HEADER_PATH: ':path', HTTP2_HEADER_METHOD: ':method',
  HTTP2_HEADER_STATUS: ':status', HTTP2_HEADER_AUTHORITY: ':authority' } });
const lookups = ['lookup', 'resolve', 'resolve4', 'resolve6', 'resolveTxt', 'resolveMx', 'resolveSrv', 'resolveCname', 'resolveNs', 'reverse', 'Resolver'];
absent('dns/promises', lookups);
absent('dns', [...lookups, 'setServers'], { promises: builtin('dns/promises'), getServers: () => [], setDefaultResultOrder() {} });
absent('trace_events', ['createTracing'], { getEnabledCategories: () => undefined });
absent('wasi', ['WASI']);
absent('test', ['describe', 'it', 'test']);
define('tty', { isatty: () => false, ReadStream: class { constructor() { throw unsupported('tty.ReadStream'); } },
  WriteStream: class { constructor() { throw unsupported('tty.WriteStream'); } } });

/** Lines of a stream. */
class Interface extends EventEmitter {
  #lines;
  constructor({ input }) {
    super();
    this.closed = false;
    this.#lines = (async function* lines() {
      let rest = '';
      for await (const piece of input) {
        const parts = (rest + piece).split(/\r\n|\n|\r/);
        rest = parts.pop();
        yield* parts;
      }
      if (rest !== '') yield rest;
    })();
    setImmediate(() => { if (this.listenerCount('line') > 0) this.#emitAll(); });
  }

  async #emitAll() {
    for await (const line of this.#lines) this.emit('line', line);
    this.close();
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    this.emit('close');
  }

  pause() { return this; }
  resume() { return this; }
  setPrompt() {}
  prompt() {}
  question() { throw unsupported('Asking questions'); }
  [Symbol.asyncIterator]() { return this.#lines; }
}
define('readline', { Interface, createInterface: (options) => new Interface(options), clearLine() {}, cursorTo() {}, moveCursor() {},
  promises: builtin('readline/promises') });

const run = (code, name) => native.evaluate(`${code}`, name ?? 'evalmachine.<anonymous>');
const contexts = new WeakSet();

/** Evaluates code with an object's properties as variables; the global object stays within reach, as `vm` is no sandbox. */
function runInContext(code, context, options) {
  const name = typeof options === 'string' ? options : options?.filename;
  return run('(function (context, code) { with (context) { return eval(code); } })', name)(context, `${code}`);
}

class Script {
  #code;
  #name;
  constructor(code, options) {
    this.#code = `${code}`;
    this.#name = typeof options === 'string' ? options : options?.filename;
  }

  runInThisContext() { return run(this.#code, this.#name); }
  runInContext(context) { return runInContext(this.#code, context, this.#name); }
  runInNewContext(context = {}) { return runInContext(this.#code, context, this.#name); }
  createCachedData() { throw unsupported('Cached data of scripts'); }
}
define('vm', {
  Script,
  constants: {},
  createContext(context = {}) {
    contexts.add(context);
    return context;
  },
  isContext: (context) => contexts.has(context),
  runInThisContext: (code, options) => run(code, typeof options === 'string' ? options : options?.filename),
  runInContext,
  runInNewContext: (code, context = {}, options) => runInContext(code, context, options),
  compileFunction: (code, parameters = [], options) => run(`(function (${parameters.join(',')}) {${code}\n})`, options?.filename),
});
define('domain', { create() { throw coded(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', 'domain is not available in the nodejs-compat runtime'); } });
