import assert from 'node:assert/strict';

export const handler = async () => {
  const order = [];
  setTimeout(() => order.push('timeout 0'), 0);
  setImmediate(() => order.push('immediate'));
  process.nextTick(() => order.push('tick'));
  queueMicrotask(() => order.push('microtask'));
  Promise.resolve().then(() => order.push('promise'));
  await new Promise((r) => setTimeout(r, 15));
  assert.deepEqual(order.slice(0, 3).sort(), ['microtask', 'promise', 'tick']);
  assert.equal(order.length, 5);
  return 'done';
};
