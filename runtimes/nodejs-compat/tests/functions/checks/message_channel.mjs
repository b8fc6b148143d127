import assert from 'node:assert/strict';

export const handler = async () => {
  const { port1, port2 } = new MessageChannel();
  const got = new Promise((r) => {
    port2.onmessage = (e) => r(e.data);
  });
  port1.postMessage({ a: 1 });
  assert.deepEqual(await got, { a: 1 });
  return 'done';
};
