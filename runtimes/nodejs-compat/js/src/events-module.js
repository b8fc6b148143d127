// `events`: the npm package and what Node has added since.

import EventEmitter from 'events';
import { AsyncResource } from './async-context.js';

const errorMonitor = Symbol('events.errorMonitor');
const emit = EventEmitter.prototype.emit;
EventEmitter.prototype.emit = function (name, ...args) {
  if (name === 'error' && this._events?.[errorMonitor]) emit.call(this, errorMonitor, ...args);
  if (name === 'error' && !this._events?.error && !(args[0] instanceof Error)) {
    const error = new Error(`Unhandled error. (${typeof args[0] === 'string' ? `'${args[0]}'` : String(args[0])})`);
    throw Object.assign(error, { code: 'ERR_UNHANDLED_ERROR', context: args[0] });
  }
  if (name === 'error' && !this._events?.error) throw args[0];
  return emit.call(this, name, ...args);
};

/** Events of an emitter or target as an asynchronous iterator. */
function on(emitter, name, options = {}) {
  const waiting = [];
  const ready = [];
  let failure;
  let ended = false;
  const listen = (event, listener, remove) => {
    if (typeof emitter.addEventListener === 'function') emitter[remove ? 'removeEventListener' : 'addEventListener'](event, listener);
    else emitter[remove ? 'removeListener' : 'on'](event, listener);
  };
  const give = (...args) => (waiting.length > 0 ? waiting.shift().resolve({ value: args, done: false }) : ready.push(args));
  const fail = (error) => {
    if (waiting.length > 0) waiting.shift().reject(error);
    else failure = { error };
    stop();
  };
  const stop = () => {
    ended = true;
    listen(name, give, true);
    if (name !== 'error') listen('error', fail, true);
    for (const { resolve } of waiting.splice(0)) resolve({ value: undefined, done: true });
  };
  options.signal?.throwIfAborted();
  listen(name, give, false);
  if (name !== 'error') listen('error', fail, false);
  for (const close of options.close ?? []) listen(close, stop, false);
  options.signal?.addEventListener('abort', () => fail(options.signal.reason), { once: true });
  return {
    next() {
      if (ready.length > 0) return Promise.resolve({ value: ready.shift(), done: false });
      if (failure) {
        const { error } = failure;
        failure = undefined;
        return Promise.reject(error);
      }
      if (ended) return Promise.resolve({ value: undefined, done: true });
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return() { stop(); return Promise.resolve({ value: undefined, done: true }); },
    throw(error) { fail(error); return Promise.resolve({ value: undefined, done: true }); },
    [Symbol.asyncIterator]() { return this; },
  };
}

function once(emitter, name, options) {
  return new Promise((resolve, reject) => {
    const signal = options?.signal;
    if (signal?.aborted) return reject(signal.reason);
    if (typeof emitter.addEventListener === 'function') {
      emitter.addEventListener(name, (event) => resolve([event]), { once: true });
    } else {
      const fail = (error) => { emitter.removeListener(name, done); reject(error); };
      const done = (...args) => { emitter.removeListener('error', fail); resolve(args); };
      emitter.once(name, done);
      if (name !== 'error') emitter.once('error', fail);
    }
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    return undefined;
  });
}

class EventEmitterAsyncResource extends EventEmitter {
  constructor(options) {
    super();
    this.asyncResource = new AsyncResource(options?.name ?? new.target.name);
  }

  emit(...args) { return this.asyncResource.runInAsyncScope(super.emit, this, ...args); }
}

Object.assign(EventEmitter, {
  EventEmitter,
  EventEmitterAsyncResource,
  errorMonitor,
  captureRejectionSymbol: Symbol.for('nodejs.rejection'),
  captureRejections: false,
  on,
  once,
  getEventListeners: (emitter, name) => emitter.listeners?.(name) ?? [],
  getMaxListeners: (emitter) => emitter.getMaxListeners?.() ?? 10,
  setMaxListeners(count = EventEmitter.defaultMaxListeners, ...emitters) {
    if (emitters.length === 0) EventEmitter.defaultMaxListeners = count;
    for (const emitter of emitters) emitter.setMaxListeners?.(count);
  },
  listenerCount: (emitter, name) => emitter.listenerCount(name),
  addAbortListener(signal, listener) {
    if (signal.aborted) queueMicrotask(() => listener(new Event('abort')));
    else signal.addEventListener('abort', listener, { once: true });
    return { [Symbol.dispose]() { signal.removeEventListener('abort', listener); } };
  },
  usingDomains: false,
});

export default EventEmitter;
