import assert from 'node:assert/strict';

export const handler = async () => {
  assert.equal(new Function('a', 'return a + 1')(1), 2);
  assert.equal((0, eval)('typeof process'), 'object');
  assert.equal(globalThis.global, globalThis);
  assert.deepEqual(Object.groupBy([1, 2, 3], (x) => (x % 2 ? 'o' : 'e')).o, [1, 3]);
  assert.equal(new Set([1, 2]).union(new Set([3])).size, 3);
  assert.equal([3, 1].toSorted()[0], 1);
  assert.ok(/(?<=a)b/.test('ab'));
  assert.equal('a-b'.replaceAll('-', '+'), 'a+b');
  assert.equal(Array.fromAsync !== undefined, true);
  return 'done';
};
