import assert from 'node:assert/strict';

export const handler = async (event) => {
  const base = event;
  const r = await fetch(`${base}/echo?x=1`, {
    method: 'POST',
    body: JSON.stringify({ a: 1 }),
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(r.status, 200);
  assert.ok(r.ok);
  const j = await r.json();
  assert.equal(j.method, 'POST');
  assert.equal(j.body, '{"a":1}');
  assert.equal(j.headers['content-type'], 'application/json');
  assert.equal((await (await fetch(`${base}/gzip`)).text()).length, 900);
  const red = await fetch(`${base}/redirect`);
  assert.equal(red.redirected, true);
  assert.ok(red.url.endsWith('/echo?redirected'));
  assert.equal((await fetch(`${base}/redirect`, { redirect: 'manual' })).status, 302);
  let pieces = 0;
  let text = '';
  for await (const c of (await fetch(`${base}/chunks`)).body) {
    pieces++;
    text += Buffer.from(c);
  }
  assert.equal(text, 'one two three');
  assert.ok(pieces >= 2);
  await assert.rejects(fetch(`${base}/slow`, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
  await assert.rejects(
    fetch('http://127.0.0.1:1/'),
    (e) => e instanceof TypeError && e.message === 'fetch failed' && e.cause.code === 'ECONNREFUSED',
  );
  const start = Date.now();
  await Promise.all([fetch(`${base}/slow`), fetch(`${base}/slow`), fetch(`${base}/slow`)].map(async (p) => (await p).text()));
  assert.ok(Date.now() - start < 2500);
  assert.equal((await fetch(`${base}/echo`, { method: 'HEAD' })).status, 200);
  return 'done';
};
