import assert from 'node:assert/strict';

export const handler = async () => {
  const { AsyncLocalStorage, AsyncResource } = await import('async_hooks');
  const als = new AsyncLocalStorage();
  const sleep = (n) => new Promise((r) => setTimeout(r, n));
  const one = async (id) =>
    als.run({ id }, async () => {
      await null;
      assert.equal(als.getStore().id, id);
      await sleep(5 - id);
      assert.equal(als.getStore().id, id);
      await Promise.all([
        sleep(1),
        (async () => {
          await sleep(1);
          assert.equal(als.getStore().id, id);
        })(),
      ]);
      await new Promise((r) => process.nextTick(r));
      await new Promise((r) => setImmediate(r));
      await {
        then(r) {
          setTimeout(r, 1);
        },
      };
      for await (const x of (async function* () {
        yield 1;
        await sleep(1);
        yield als.getStore().id;
      })())
        if (x !== 1) assert.equal(x, id);
      return als.getStore().id;
    });
  assert.deepEqual(await Promise.all([one(1), one(2), one(3)]), [1, 2, 3]);
  assert.equal(als.getStore(), undefined);
  als.run(7, () => queueMicrotask(() => assert.equal(als.getStore(), 7)));
  await null;
  let res;
  als.run('r', () => {
    res = new AsyncResource('x');
  });
  assert.equal(
    res.runInAsyncScope(() => als.getStore()),
    'r',
  );
  const snap = als.run('s', () => AsyncLocalStorage.snapshot());
  assert.equal(
    snap(() => als.getStore()),
    's',
  );
  const two = new AsyncLocalStorage();
  await als.run(1, () =>
    two.run(2, async () => {
      await sleep(1);
      assert.equal(als.getStore() + two.getStore(), 3);
      als.exit(() => assert.equal(als.getStore(), undefined));
    }),
  );
  als.enterWith(9);
  await sleep(1);
  assert.equal(als.getStore(), 9);
  const p = als.run('inner', () => Promise.resolve());
  als.run('outer', () => p.then(() => assert.equal(als.getStore(), 'outer')));
  await p;
  return 'done';
};
