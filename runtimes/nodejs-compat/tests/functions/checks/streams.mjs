import assert from 'node:assert/strict';

export const handler = async () => {
  const { Readable, Transform, Writable, PassThrough } = await import('stream');
  const { pipeline } = await import('stream/promises');
  let out = '';
  await pipeline(
    Readable.from(['a', 'b']),
    new Transform({
      transform(c, e, cb) {
        cb(null, `${c}`.toUpperCase());
      },
    }),
    new Writable({
      write(c, e, cb) {
        out += c;
        cb();
      },
    }),
  );
  assert.equal(out, 'AB');
  const p = new PassThrough();
  p.end('xyz');
  let got = '';
  for await (const c of p) got += c;
  assert.equal(got, 'xyz');
  const ws = new ReadableStream({
    start(c) {
      c.enqueue('q');
      c.close();
    },
  });
  let w = '';
  for await (const c of ws) w += c;
  assert.equal(w, 'q');
  const web = Readable.toWeb(Readable.from([Buffer.from('m')]));
  assert.equal(await new Response(web).text(), 'm');
  const back = Readable.fromWeb(new Response('n').body);
  let s = '';
  for await (const c of back) s += Buffer.from(c);
  assert.equal(s, 'n');
  const { text, json } = await import('stream/consumers');
  assert.equal(await text(Readable.from(['1', '2'])), '12');
  assert.deepEqual(await json(Readable.from(['{}'])), {});
  const ts = new TransformStream({
    transform(x, c) {
      c.enqueue(x + 1);
    },
  });
  const wr = ts.writable.getWriter();
  wr.write(1);
  assert.equal((await ts.readable.getReader().read()).value, 2);
  const dec = new Response('é').body.pipeThrough(new TextDecoderStream());
  let q = '';
  for await (const c of dec) q += c;
  assert.equal(q, 'é');
  return 'done';
};
