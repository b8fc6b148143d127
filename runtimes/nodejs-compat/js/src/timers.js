// `timers` and `timers/promises`.

import * as loop from './loop.js';
import { monotonic } from './clock.js';

const custom = Symbol.for('nodejs.util.promisify.custom');

function aborted(signal) { return new DOMException('The operation was aborted', { name: 'AbortError', cause: signal.reason }); }

/** A promise that `start(done)` settles, or the signal. */
function waiting(start, stop, value, options) {
  const signal = options?.signal;
  if (signal?.aborted) return Promise.reject(aborted(signal));
  return new Promise((resolve, reject) => {
    const timer = start(() => {
      signal?.removeEventListener('abort', cancel);
      resolve(value);
    });
    if (options?.ref === false) timer.unref();
    function cancel() {
      stop(timer);
      reject(aborted(signal));
    }
    signal?.addEventListener('abort', cancel, { once: true });
  });
}

const sleep = (delay, value, options) => waiting((done) => loop.setTimeout(done, delay), loop.clearTimeout, value, options);
const immediate = (value, options) => waiting((done) => loop.setImmediate(done), loop.clearImmediate, value, options);

async function* interval(delay, value, options) {
  let next = monotonic() + Math.max(1, delay);
  for (;;) {
    await sleep(next - monotonic(), undefined, options);
    next += Math.max(1, delay);
    yield value;
  }
}

export const promises = {
  setTimeout: sleep,
  setImmediate: immediate,
  setInterval: interval,
  scheduler: { wait: (delay, options) => sleep(delay, undefined, options), yield: () => immediate() },
};

const define = (target, value) => Object.defineProperty(target, custom, { value, enumerable: false });
define(loop.setTimeout, sleep);
define(loop.setImmediate, immediate);

export const timers = {
  setTimeout: loop.setTimeout,
  setInterval: loop.setInterval,
  setImmediate: loop.setImmediate,
  clearTimeout: loop.clearTimeout,
  clearInterval: loop.clearInterval,
  clearImmediate: loop.clearImmediate,
  promises,
};
