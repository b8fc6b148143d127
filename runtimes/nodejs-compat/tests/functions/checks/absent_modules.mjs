import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export const handler = async () => {
  for (const m of [
    'worker_threads',
    'child_process',
    'net',
    'tls',
    'dgram',
    'cluster',
    'vm',
    'http2',
    'dns',
    'readline',
    'repl',
    'v8',
    'tty',
    'inspector',
    'diagnostics_channel',
    'punycode',
  ])
    await import(`node:${m}`);
  assert.throws(() => require('child_process').execSync('ls'), /child_process.execSync is not available/);
  const vm = require('vm');
  assert.equal(vm.runInThisContext('1 + 1'), 2);
  assert.equal(vm.runInNewContext('a + b', { a: 1, b: 2 }), 3);
  assert.equal(new vm.Script('x = 5').runInNewContext({ x: 0 }), 5);
  assert.equal(require('net').isIP('::1'), 6);
  return 'done';
};
