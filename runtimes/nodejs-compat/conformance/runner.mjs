// The function that runs one test of test262, in a sandbox of its own. An event has the harness's text, the test's and of other files that it
// imports, and what its head says of it. The answer is null where nothing was thrown, else the exception's name and message.

import fs from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';

const DIRECTORY = '/tmp/test262';

// What the harness, as Mozilla has it, asks its shell for.
Object.assign(globalThis, {
  newGlobal() {
    throw new Error('There is one realm');
  },
  createIsHTMLDDA: () => ({}),
  detachArrayBuffer: (buffer) => void buffer.transfer(),
  evaluateScript: (text) => vm.runInThisContext(text),
  gc() {},
  clearKeptObjects() {},
  reportCompare() {},
  reportFailure() {},
});
// Tests leave rejections behind.
process.on('unhandledRejection', () => {});

const said = (error) => ({
  name: error !== null && ['object', 'function'].includes(typeof error) ? (error.constructor?.name ?? 'object') : typeof error,
  message: String(error?.message ?? error).slice(0, 400),
});

/** Settled by a test with the flag `async`, which says by these when it is done. */
const done = () =>
  new Promise((resolve, reject) => {
    globalThis.reportCompare = resolve;
    globalThis.reportFailure = reject;
  });

function write(files) {
  for (const [name, content] of Object.entries(files)) {
    const place = path.join(DIRECTORY, name);
    fs.mkdirSync(path.dirname(place), { recursive: true });
    fs.writeFileSync(place, content);
  }
}

export async function handler({ harness, name, text, module, asynchronous, files }) {
  try {
    vm.runInThisContext(harness, 'harness.js');
    const finished = asynchronous ? done() : undefined;
    finished?.catch(() => {});
    // Tests of modules may have nothing in them that says so, but for `await`.
    if (module || files) write({ 'package.json': '{"type": "module"}', ...files, [name]: text });
    if (module) await import(path.join(DIRECTORY, name));
    else vm.runInThisContext(text, path.join(DIRECTORY, name));
    await finished;
    return null;
  } catch (error) {
    return said(error);
  }
}
