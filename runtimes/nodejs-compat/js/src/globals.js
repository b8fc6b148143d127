// What is global in Node, defined once.

import { Buffer } from './buffer.js';
import { console } from './console.js';
import * as loop from './loop.js';
import { process } from './process.js';
import { awslambda } from './streaming.js';
import { TextDecoder, TextEncoder, atob, btoa } from './text.js';
import { URL, URLSearchParams } from './url.js';
import { builtin } from './builtins.js';

/** Defines globals that programs may replace and that do not enumerate. */
export function defineGlobals(values) {
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }
}

defineGlobals({
  global: globalThis,
  process,
  console,
  Buffer,
  awslambda,
  setTimeout: loop.setTimeout,
  setInterval: loop.setInterval,
  setImmediate: loop.setImmediate,
  clearTimeout: loop.clearTimeout,
  clearInterval: loop.clearInterval,
  clearImmediate: loop.clearImmediate,
  queueMicrotask: loop.queueMicrotask,
  TextEncoder,
  TextDecoder,
  URL,
  URLSearchParams,
  atob,
  btoa,
  performance: builtin('perf_hooks').performance,
});
