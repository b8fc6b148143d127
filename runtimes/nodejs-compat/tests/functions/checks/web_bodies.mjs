import assert from 'node:assert/strict';

export const handler = async () => {
  const f = new FormData();
  f.append('a', '1');
  f.append('file', new File(['x'], 'n.txt', { type: 'text/plain' }));
  const r = new Response(f);
  const back = await r.formData();
  assert.equal(back.get('a'), '1');
  assert.equal(await back.get('file').text(), 'x');
  assert.equal(await new Blob(['a', new Uint8Array([98])]).slice(1).text(), 'b');
  const h = new Headers({ A: '1' });
  h.append('a', '2');
  assert.equal(h.get('A'), '1, 2');
  assert.deepEqual(await Response.json({ q: 1 }).json(), { q: 1 });
  const q = new Request('http://a/b', { method: 'post', body: 'x' });
  assert.equal(q.method, 'POST');
  assert.equal(await q.clone().text(), 'x');
  assert.equal(await q.text(), 'x');
  await assert.rejects(q.text(), TypeError);
  const c = new Response('abc');
  assert.equal((await c.clone().text()) + (await c.text()), 'abcabc');
  assert.ok(c.bodyUsed);
  return 'done';
};
