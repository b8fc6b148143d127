// `structuredClone`, and message channels within one thread.

import { Blob } from './blob.js';
import { Event, EventTarget, handlerProperty } from './event-target.js';
import { setImmediate } from './loop.js';
import { types } from './types.js';

const refused = (value) => new DOMException(`${typeof value === 'symbol' ? String(value) : typeof value === 'function' ? value : '#<Object>'} could not be cloned.`,
  'DataCloneError');

function copy(value, seen) {
  if (typeof value === 'symbol' || typeof value === 'function') throw refused(value);
  if (value === null || typeof value !== 'object') return value;
  if (seen.has(value)) return seen.get(value);
  const keep = (made) => {
    seen.set(value, made);
    return made;
  };
  if (types.isBoxedPrimitive(value)) {
    if (types.isSymbolObject(value)) throw refused(value);
    return keep(Object(value.valueOf()));
  }
  if (types.isDate(value)) return keep(new Date(value.getTime()));
  if (types.isRegExp(value)) return keep(new RegExp(value.source, value.flags));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (value instanceof SharedArrayBuffer) return keep(value);
  if (ArrayBuffer.isView(value)) {
    const buffer = copy(value.buffer, seen);
    const Class = types.isDataView(value) ? DataView : globalThis[Object.prototype.toString.call(value).slice(8, -1)];
    return keep(new Class(buffer, value.byteOffset, types.isDataView(value) ? value.byteLength : value.length));
  }
  if (types.isMap(value)) {
    const made = keep(new Map());
    for (const [key, entry] of [...value]) made.set(copy(key, seen), copy(entry, seen));
    return made;
  }
  if (types.isSet(value)) {
    const made = keep(new Set());
    for (const entry of [...value]) made.add(copy(entry, seen));
    return made;
  }
  if (value instanceof Error) {
    const Class = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }[value.name] ?? Error;
    const made = keep(Object.create(Class.prototype));
    for (const name of ['stack', 'message', 'cause']) {
      if (name === 'stack' || Object.hasOwn(value, name)) {
        Object.defineProperty(made, name, { value: copy(value[name], seen), writable: true, configurable: true, enumerable: false });
      }
    }
    return made;
  }
  if (value instanceof Blob || value instanceof DOMException) return keep(value);
  if (types.isPromise(value) || types.isWeakMap(value) || types.isWeakSet(value) || value instanceof WeakRef) throw refused(value);
  const made = keep(Array.isArray(value) ? new Array(value.length) : {});
  for (const name of Object.keys(value)) made[name] = copy(value[name], seen);
  return made;
}

export function structuredClone(value, options) {
  if (arguments.length === 0) throw new TypeError('The "value" argument must be specified');
  const seen = new Map();
  for (const item of options?.transfer ?? []) {
    if (item instanceof ArrayBuffer) seen.set(item, item.transfer());
    else if (item instanceof MessagePort || item instanceof ReadableStream) seen.set(item, item);
    else throw refused(item);
  }
  return copy(value, seen);
}

export class MessageEvent extends Event {
  #data;
  constructor(type, options = {}) {
    super(type, options);
    this.#data = options.data ?? null;
  }

  get data() { return this.#data; }
}

/** One end of a channel. */
export class MessagePort extends EventTarget {
  other = null;
  postMessage(message, options) {
    const data = structuredClone(message, Array.isArray(options) ? { transfer: options } : options);
    const { other } = this;
    setImmediate(() => other?.dispatchEvent(new MessageEvent('message', { data })));
  }

  start() {}
  close() { if (this.other) this.other.other = null; this.other = null; }
  ref() {}
  unref() {}
  on(type, listener) { this.addEventListener(type, (event) => listener(event.data)); return this; }
}
handlerProperty(MessagePort, 'message');

export class MessageChannel {
  port1 = new MessagePort();
  port2 = new MessagePort();
  constructor() {
    Object.defineProperty(this.port1, 'other', { value: this.port2, writable: true, enumerable: false });
    Object.defineProperty(this.port2, 'other', { value: this.port1, writable: true, enumerable: false });
  }
}
