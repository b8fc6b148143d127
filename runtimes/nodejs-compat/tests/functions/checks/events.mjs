import assert from 'node:assert/strict';

export const handler = async () => {
  const { EventEmitter, once, on } = await import('events');
  const e = new EventEmitter();
  setImmediate(() => e.emit('x', 1, 2));
  assert.deepEqual(await once(e, 'x'), [1, 2]);
  setImmediate(() => {
    e.emit('y', 1);
    e.emit('y', 2);
  });
  let seen = [];
  for await (const [v] of on(e, 'y')) {
    seen.push(v);
    if (v === 2) break;
  }
  assert.deepEqual(seen, [1, 2]);
  assert.throws(() => e.emit('error', new RangeError('r')), RangeError);
  e.prependListener('z', () => {});
  assert.equal(e.listenerCount('z'), 1);
  const t = new EventTarget();
  let n = 0;
  t.addEventListener('a', () => n++, { once: true });
  t.dispatchEvent(new Event('a'));
  t.dispatchEvent(new Event('a'));
  assert.equal(n, 1);
  const c = new AbortController();
  const any = AbortSignal.any([c.signal]);
  c.abort();
  assert.ok(any.aborted);
  assert.equal(any.reason.name, 'AbortError');
  return 'done';
};
