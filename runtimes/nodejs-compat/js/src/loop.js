// The event loop: ticks, promise jobs, immediates, timers, and requests that the host carries out meanwhile.

import { monotonic } from './clock.js';

/** What the loop tells of failures outside of any handler; set by `process.js`. */
export const hooks = { uncaught(error) { throw error; }, afterDrain() {} };

/** Ends `run` early when it is set: the invocation cannot go on. */
export const state = { fatal: undefined };

let ticks = [];
let immediates = [];
const timers = [];
let sequence = 0;
/** Requests under way: from the host's handle to the function that is called when there is news. */
const requests = new Map();

/** Calls `callback` in an asynchronous context, and hands what it throws to the process. */
export function guarded(callback, self, args, context) {
  native.setAsyncContext(context);
  try {
    callback.apply(self, args);
  } catch (error) {
    hooks.uncaught(error);
  }
  native.setAsyncContext(undefined);
}

/** `process.nextTick`. */
export function nextTick(callback, ...args) {
  if (typeof callback !== 'function') throw new TypeError('The "callback" argument must be of type function');
  ticks.push({ callback, args, context: native.getAsyncContext() });
}

/** Runs ticks and promise jobs until there are none. */
export function drain() {
  native.runJobs();
  while (ticks.length > 0) {
    const batch = ticks;
    ticks = [];
    for (const { callback, args, context } of batch) guarded(callback, undefined, args, context);
    native.runJobs();
  }
  hooks.afterDrain();
}

const earlier = (one, other) => one.at < other.at || (one.at === other.at && one.order < other.order);

function push(timer) {
  let place = timers.length;
  timers.push(timer);
  while (place > 0) {
    const above = (place - 1) >> 1;
    if (!earlier(timer, timers[above])) break;
    timers[place] = timers[above];
    place = above;
  }
  timers[place] = timer;
}

function pop() {
  const first = timers[0];
  const timer = timers.pop();
  const count = timers.length;
  if (count > 0) {
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= count) break;
      if (below + 1 < count && earlier(timers[below + 1], timers[below])) below += 1;
      if (!earlier(timers[below], timer)) break;
      timers[place] = timers[below];
      place = below;
    }
    timers[place] = timer;
  }
  return first;
}

const byId = new Map();

/** What `setTimeout` and `setInterval` answer. */
export class Timeout {
  constructor(callback, delay, args, repeats) {
    if (typeof callback !== 'function') {
      const error = new TypeError('The "callback" argument must be of type function. Received ' + typeof callback);
      error.code = 'ERR_INVALID_ARG_TYPE';
      throw error;
    }
    delay = +delay;
    this._idleTimeout = delay >= 1 && delay <= 0x7fffffff ? Math.trunc(delay) : 1;
    this._onTimeout = callback;
    this._repeat = repeats ? this._idleTimeout : null;
    Object.defineProperty(this, 'entry', { value: { args, context: native.getAsyncContext(), id: 0, live: null, held: true } });
    this.start();
  }

  start() {
    const timer = { at: monotonic() + this._idleTimeout, order: ++sequence, timeout: this };
    this.entry.live = timer;
    push(timer);
  }

  ref() { this.entry.held = true; return this; }
  unref() { this.entry.held = false; return this; }
  hasRef() { return this.entry.held; }
  refresh() { if (this.entry.live) this.start(); return this; }
  close() { clear(this); return this; }
  [Symbol.dispose]() { clear(this); }

  [Symbol.toPrimitive]() {
    if (!this.entry.id) {
      this.entry.id = ++sequence;
      if (this.entry.live) byId.set(this.entry.id, this);
    }
    return this.entry.id;
  }
}

function clear(timeout) {
  if (typeof timeout === 'number' || typeof timeout === 'string') timeout = byId.get(+timeout);
  if (!(timeout instanceof Timeout)) return;
  timeout.entry.live = null;
  if (timeout.entry.id) byId.delete(timeout.entry.id);
}

export const setTimeout = (callback, delay, ...args) => new Timeout(callback, delay, args, false);
export const setInterval = (callback, delay, ...args) => new Timeout(callback, delay, args, true);
export const clearTimeout = clear;
export const clearInterval = clear;

/** What `setImmediate` answers. */
export class Immediate {
  constructor(callback, args) {
    Object.defineProperty(this, 'entry', { value: { callback, args, context: native.getAsyncContext(), live: true, held: true } });
    immediates.push(this);
  }

  ref() { this.entry.held = true; return this; }
  unref() { this.entry.held = false; return this; }
  hasRef() { return this.entry.held; }
  [Symbol.dispose]() { clearImmediate(this); }
}

export const setImmediate = (callback, ...args) => new Immediate(callback, args);
export function clearImmediate(immediate) { if (immediate instanceof Immediate) immediate.entry.live = false; }

export function queueMicrotask(callback) {
  if (typeof callback !== 'function') throw new TypeError('The "callback" argument must be of type function');
  settled.then(() => {
    try { callback(); } catch (error) { hooks.uncaught(error); }
  });
}
const settled = Promise.resolve();

/** Has `callback` called whenever there is news of the host's request `handle`. */
export function watch(handle, callback) {
  requests.set(handle, { callback, context: native.getAsyncContext() });
}

/** Ends what `watch` began. */
export function unwatch(handle) { requests.delete(handle); }

function runImmediates() {
  if (immediates.length === 0) return false;
  const batch = immediates;
  immediates = [];
  for (const { entry } of batch) {
    if (!entry.live) continue;
    entry.live = false;
    guarded(entry.callback, undefined, entry.args, entry.context);
    drain();
    if (state.fatal) break;
  }
  return true;
}

function runTimers() {
  let ran = false;
  const now = monotonic();
  while (timers.length > 0 && timers[0].at <= now && !state.fatal) {
    const timer = pop();
    const { timeout } = timer;
    const { entry } = timeout;
    if (entry.live !== timer) continue;
    ran = true;
    if (timeout._repeat === null) {
      entry.live = null;
      if (entry.id) byId.delete(entry.id);
    }
    guarded(timeout._onTimeout, timeout, entry.args, entry.context);
    if (timeout._repeat !== null && entry.live === timer) timeout.start();
    drain();
  }
  return ran;
}

/** How many live things keep the loop going. */
const holding = () => timers.some((timer) => timer.timeout.entry.live === timer && timer.timeout.entry.held);

/** One turn. False when there is nothing left that could still happen. */
function turn() {
  if (runTimers()) return true;
  if (requests.size > 0) {
    const handles = [...requests.keys()];
    const wait = immediates.length > 0 ? 0 : delayOfNext();
    const index = native.httpWait(handles, wait);
    if (index >= 0) {
      const request = requests.get(handles[index]);
      guarded(request.callback, undefined, [], request.context);
      drain();
      return true;
    }
    if (index !== -5) {
      for (const handle of handles) requests.delete(handle);
      hooks.uncaught(new Error(`waiting for requests failed: ${index}`));
    }
    runImmediates();
    return true;
  }
  if (runImmediates()) return true;
  while (timers.length > 0 && timers[0].timeout.entry.live !== timers[0]) pop();
  if (!holding()) return false;
  native.httpWait([], delayOfNext());
  return true;
}

function delayOfNext() {
  while (timers.length > 0 && timers[0].timeout.entry.live !== timers[0]) pop();
  return timers.length > 0 ? Math.max(0, Math.ceil(timers[0].at - monotonic())) : -1;
}

/** Turns until `done()`; false when the loop is empty before. */
export function run(done) {
  drain();
  while (!state.fatal && !done()) {
    if (!turn()) {
      drain();
      return state.fatal !== undefined || done();
    }
  }
  return true;
}

/** Whether anything still keeps the loop going. */
export const busy = () => requests.size > 0 || immediates.length > 0 || ticks.length > 0 || holding();
