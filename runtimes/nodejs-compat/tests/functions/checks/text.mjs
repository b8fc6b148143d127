import assert from 'node:assert/strict';

export const handler = async () => {
  assert.equal(new TextDecoder().decode(new TextEncoder().encode('é😀')), 'é😀');
  assert.equal(new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 65])), 'A');
  assert.equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 65])).length, 2);
  assert.throws(() => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])), TypeError);
  assert.equal(new TextDecoder('utf-16le').decode(new Uint8Array([65, 0])), 'A');
  assert.equal(new TextDecoder('latin1').decode(new Uint8Array([0xe9, 0x80])), 'é€');
  const d = new TextDecoder();
  assert.equal(d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + d.decode(new Uint8Array([0xac])), '€');
  assert.equal(btoa('hi'), 'aGk=');
  assert.equal(atob('aGk='), 'hi');
  assert.throws(() => atob('a'), { name: 'InvalidCharacterError' });
  assert.deepEqual(new TextEncoder().encodeInto('a€', new Uint8Array(3)), { read: 1, written: 1 });
  return 'done';
};
