import assert from 'node:assert/strict';

export const handler = async () => {
  const { StringDecoder } = await import('string_decoder');
  const d = new StringDecoder('utf8');
  assert.equal(d.write(Buffer.from([0xe2, 0x82])) + d.write(Buffer.from([0xac])), '€');
  const q = (await import('querystring')).default;
  assert.equal(q.stringify({ a: [1, 2], b: 'x y' }), 'a=1&a=2&b=x%20y');
  assert.deepEqual({ ...q.parse('a=1&a=2&b=x+y') }, { a: ['1', '2'], b: 'x y' });
  return 'done';
};
