import assert from 'node:assert/strict';

export const handler = async () => {
  const c = (await import('crypto')).default;
  assert.equal(c.createHash('md5').update('a').digest('hex'), '0cc175b9c0f1b6a831c399e269772661');
  assert.equal(c.createHash('sha1').update('abc').digest('hex'), 'a9993e364706816aba3e25717850c26c9cd0d89d');
  assert.equal(c.createHash('SHA256').update('a').update('bc').digest('base64'), 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=');
  for (const [a, n] of [
    ['sha224', 28],
    ['sha384', 48],
    ['sha512', 64],
  ])
    assert.equal(c.createHash(a).update('').digest().length, n);
  assert.equal(
    c.createHmac('sha256', 'key').update('data').digest('hex'),
    '5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0',
  );
  assert.match(c.randomUUID(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(c.randomBytes(8).length, 8);
  const i = c.randomInt(5, 8);
  assert.ok(i >= 5 && i < 8);
  assert.equal(c.pbkdf2Sync('p', 's', 1, 20, 'sha1').toString('hex').length, 40);
  assert.equal(c.scryptSync('password', 'NaCl', 8, { N: 16, r: 8, p: 1 }).length, 8);
  assert.ok(c.timingSafeEqual(Buffer.from('a'), Buffer.from('a')));
  assert.equal(
    Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc')))
      .toString('hex')
      .slice(0, 8),
    'ba7816bf',
  );
  const k = await crypto.subtle.importKey('raw', Buffer.from('key'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
  const sig = await crypto.subtle.sign('HMAC', k, Buffer.from('data'));
  assert.equal(Buffer.from(sig).toString('hex').slice(0, 8), '5031fe3d');
  assert.ok(await crypto.subtle.verify('HMAC', k, sig, Buffer.from('data')));
  assert.equal(Buffer.from(c.hkdfSync('sha256', 'k', 's', 'i', 16)).length, 16);
  assert.throws(() => c.createHash('x'), Error);
  assert.throws(() => c.createCipheriv('aes-256-gcm'), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
  const h = c.createHash('sha256');
  h.update('a');
  const h2 = h.copy();
  assert.equal(h.digest('hex'), h2.digest('hex'));
  assert.notEqual(c.getRandomValues(new Uint32Array(4)).join(), '0,0,0,0');
  return 'done';
};
