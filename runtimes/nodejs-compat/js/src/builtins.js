// The built-in modules by name. `modules.js` and the ES module loader ask for them here.

import { async_hooks } from './async-context.js';
import { bufferModule } from './buffer.js';
import { console } from './console.js';
import { monotonic, begin } from './clock.js';
import { fs, promises as fsPromises } from './fs.js';
import { unsupported } from './errors.js';
import EventEmitter from './events-module.js';
import { os } from './os.js';
import { posix, win32 } from './path.js';
import { process } from './process.js';
import querystring from './querystring.js';
import * as timers from './timers.js';
import { types } from './types.js';
import * as legacy from './url-legacy.js';
import * as whatwg from './url.js';
import { util } from './util.js';
import { StringDecoder } from 'string_decoder/';

const table = new Map();

/** Adds a module under its name. */
export function define(name, value) { table.set(name, value); }

/** A built-in module by its name without `node:`. */
export const builtin = (name) => table.get(name);

/** The names of all that is defined so far. */
export const names = () => [...table.keys()];

/** Every name; filled by the time the library is complete. */
export const builtinNames = [];

/** A module that is there to be imported, and says what it lacks when it is used. */
export function absent(name, functions, more = {}) {
  const value = { ...more };
  for (const each of functions) {
    if (/^[A-Z]/.test(each)) value[each] = class { constructor() { throw unsupported(`${name}.${each}`); } };
    else value[each] = () => { throw unsupported(`${name}.${each}`); };
  }
  define(name, value);
}

define('async_hooks', async_hooks);
define('buffer', bufferModule);
define('console', console);
define('constants', { ...fs.constants, ...os.constants.signals });
define('events', EventEmitter);
define('fs', fs);
define('fs/promises', fsPromises);
define('os', os);
define('path', posix);
define('path/posix', posix);
define('path/win32', win32);
define('process', process);
define('punycode', { toASCII: whatwg.domainToASCII, toUnicode: whatwg.domainToUnicode });
define('querystring', querystring);
define('string_decoder', { StringDecoder });
define('timers', timers.timers);
define('timers/promises', timers.promises);
define('url', { URL: whatwg.URL, URLSearchParams: whatwg.URLSearchParams, fileURLToPath: whatwg.fileURLToPath,
  pathToFileURL: whatwg.pathToFileURL, urlToHttpOptions: whatwg.urlToHttpOptions, domainToASCII: whatwg.domainToASCII,
  domainToUnicode: whatwg.domainToUnicode, Url: legacy.Url, parse: legacy.parse, format: legacy.format, resolve: legacy.resolve,
  resolveObject: legacy.resolveObject });
define('util', util);
define('util/types', types);
define('sys', util);
define('v8', {
  getHeapStatistics: () => {
    const [linear, allocated, used] = native.memory();
    return { total_heap_size: allocated, used_heap_size: used, heap_size_limit: process.constrainedMemory(), total_physical_size: linear };
  },
  setFlagsFromString() {},
  serialize: (value) => globalThis.Buffer.from(JSON.stringify(value)),
  deserialize: (bytes) => JSON.parse(globalThis.Buffer.from(bytes).toString()),
  startupSnapshot: { isBuildingSnapshot: () => false },
});
define('diagnostics_channel', diagnostics());
define('perf_hooks', performanceHooks());

absent('child_process', ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork', 'ChildProcess']);
absent('cluster', ['fork', 'setupPrimary', 'Worker'], { isMaster: true, isPrimary: true, isWorker: false, workers: {} });
absent('dgram', ['createSocket', 'Socket']);
absent('inspector', ['open', 'close', 'Session'], { url: () => undefined });
absent('readline/promises', ['createInterface', 'Interface']);
absent('repl', ['start', 'REPLServer']);
absent('worker_threads', ['Worker', 'receiveMessageOnPort', 'moveMessagePortToContext'], { isMainThread: true, parentPort: null, workerData: null,
  threadId: 0, resourceLimits: {}, SHARE_ENV: Symbol.for('nodejs.worker_threads.SHARE_ENV'), markAsUntransferable() {},
  getEnvironmentData: () => undefined, setEnvironmentData() {} });

function diagnostics() {
  const channels = new Map();
  class Channel {
    #subscribers = [];
    constructor(name) { this.name = name; }
    get hasSubscribers() { return this.#subscribers.length > 0; }
    subscribe(listener) { this.#subscribers.push(listener); }
    unsubscribe(listener) {
      const at = this.#subscribers.indexOf(listener);
      if (at >= 0) this.#subscribers.splice(at, 1);
      return at >= 0;
    }
    publish(message) { for (const listener of [...this.#subscribers]) listener(message, this.name); }
    bindStore() {}
    unbindStore() { return false; }
    runStores(message, callback, self, ...args) {
      this.publish(message);
      return callback.apply(self, args);
    }
  }
  const channel = (name) => {
    if (!channels.has(name)) channels.set(name, new Channel(name));
    return channels.get(name);
  };
  const tracingChannel = (name) => {
    const parts = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];
    const made = Object.fromEntries(parts.map((part) => [part, typeof name === 'string' ? channel(`tracing:${name}:${part}`) : name[part]]));
    return { ...made, hasSubscribers: false, subscribe(listeners) { for (const part of parts) if (listeners[part]) made[part].subscribe(listeners[part]); },
      unsubscribe(listeners) { for (const part of parts) if (listeners[part]) made[part].unsubscribe(listeners[part]); },
      traceSync: (callback, context, self, ...args) => callback.apply(self, args),
      tracePromise: (callback, context, self, ...args) => callback.apply(self, args),
      traceCallback: (callback, position, context, self, ...args) => callback.apply(self, args) };
  };
  return { Channel, channel, tracingChannel, hasSubscribers: (name) => channels.get(name)?.hasSubscribers ?? false,
    subscribe: (name, listener) => channel(name).subscribe(listener), unsubscribe: (name, listener) => channel(name).unsubscribe(listener) };
}

function performanceHooks() {
  class PerformanceEntry {
    constructor(name, entryType, startTime, duration, detail = null) { Object.assign(this, { name, entryType, startTime, duration, detail }); }
    toJSON() { return { ...this }; }
  }
  let entries = [];
  const now = () => monotonic() - begin.monotonic;
  const timeOf = (mark, otherwise) => (mark === undefined ? otherwise : typeof mark === 'number' ? mark
    : entries.findLast((entry) => entry.entryType === 'mark' && entry.name === mark)?.startTime
      ?? (() => { throw new DOMException(`The "${mark}" performance mark has not been set`, 'SyntaxError'); })());
  const performance = {
    get timeOrigin() { return begin.wall; },
    now,
    mark(name, options = {}) {
      const entry = new PerformanceEntry(`${name}`, 'mark', options.startTime ?? now(), 0, options.detail);
      entries.push(entry);
      return entry;
    },
    measure(name, start, end) {
      const options = start !== null && typeof start === 'object' ? start : { start, end };
      const from = timeOf(options.start, 0);
      const to = options.duration === undefined ? timeOf(options.end, now()) : from + options.duration;
      const entry = new PerformanceEntry(`${name}`, 'measure', from, to - from, options.detail);
      entries.push(entry);
      return entry;
    },
    clearMarks(name) { entries = entries.filter((entry) => entry.entryType !== 'mark' || (name !== undefined && entry.name !== name)); },
    clearMeasures(name) { entries = entries.filter((entry) => entry.entryType !== 'measure' || (name !== undefined && entry.name !== name)); },
    getEntries: () => [...entries],
    getEntriesByName: (name, type) => entries.filter((entry) => entry.name === name && (type === undefined || entry.entryType === type)),
    getEntriesByType: (type) => entries.filter((entry) => entry.entryType === type),
    eventLoopUtilization: () => ({ idle: 0, active: 0, utilization: 0 }),
    timerify: (callback) => callback,
    setResourceTimingBufferSize() {},
    clearResourceTimings() {},
    markResourceTiming() {},
    nodeTiming: {},
    toJSON: () => ({ timeOrigin: begin.wall }),
  };
  class PerformanceObserver {
    static supportedEntryTypes = ['mark', 'measure'];
    observe() {}
    disconnect() {}
    takeRecords() { return []; }
  }
  return { performance, PerformanceEntry, PerformanceObserver, constants: {}, createHistogram() { throw unsupported('perf_hooks.createHistogram'); },
    monitorEventLoopDelay: () => ({ enable() {}, disable() {}, min: 0, max: 0, mean: 0, stddev: 0, percentile: () => 0 }) };
}
