import assert from 'node:assert/strict';

export const handler = async () => {
  let n = 0;
  await new Promise((r) => {
    const t = setInterval(() => {
      if (++n === 3) {
        clearInterval(t);
        r();
      }
    }, 2);
  });
  assert.equal(n, 3);
  const { setTimeout: sleep, setInterval: every } = await import('timers/promises');
  assert.equal(await sleep(1, 'v'), 'v');
  let m = 0;
  for await (const x of every(1, 'y')) {
    assert.equal(x, 'y');
    if (++m === 3) break;
  }
  await assert.rejects(sleep(1000, null, { signal: AbortSignal.timeout(5) }), { name: 'AbortError' });
  return 'done';
};
