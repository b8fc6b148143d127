import assert from 'node:assert/strict';

export const handler = async () => {
  const a = { d: new Date(5), m: new Map([[1, { x: new Set([2]) }]]), b: new Uint8Array([1, 2]), e: new RangeError('q'), n: [1, , 3] };
  a.self = a;
  const c = structuredClone(a);
  assert.notEqual(c, a);
  assert.equal(c.self, c);
  assert.equal(c.d.getTime(), 5);
  assert.ok(c.m.get(1).x.has(2));
  assert.equal(c.b[1], 2);
  assert.ok(c.e instanceof RangeError);
  assert.throws(() => structuredClone(() => {}), { name: 'DataCloneError' });
  const buf = new ArrayBuffer(4);
  const moved = structuredClone(buf, { transfer: [buf] });
  assert.equal(moved.byteLength, 4);
  assert.equal(buf.byteLength, 0);
  return 'done';
};
