import assert from 'node:assert/strict';

export const handler = async () => {
  const z = await import('zlib');
  const data = Buffer.from('squeeze '.repeat(1000));
  for (const [a, b] of [
    ['gzipSync', 'gunzipSync'],
    ['deflateSync', 'inflateSync'],
    ['deflateRawSync', 'inflateRawSync'],
    ['gzipSync', 'unzipSync'],
  ]) {
    const packed = z[a](data);
    assert.ok(packed.length < 200, a);
    assert.ok(z[b](packed).equals(data), b);
  }
  assert.throws(() => z.gunzipSync(Buffer.from('nope')), { code: 'Z_DATA_ERROR' });
  assert.throws(() => z.inflateSync(z.deflateSync(data).subarray(0, 20)), { code: 'Z_BUF_ERROR' });
  const { promisify } = await import('util');
  assert.ok((await promisify(z.gunzip)(await promisify(z.gzip)(data))).equals(data));
  const { Readable } = await import('stream');
  const { buffer } = await import('stream/consumers');
  assert.ok((await buffer(Readable.from([data]).pipe(z.createGzip()).pipe(z.createGunzip()))).equals(data));
  assert.equal(z.brotliDecompressSync(Buffer.from('CwKAaGVsbG8D', 'base64')).toString(), 'hello');
  assert.equal(z.crc32('hello'), 907060870);
  const big = Buffer.alloc(300000);
  for (let i = 0; i < big.length; i++) big[i] = (i * 7919) >> 3;
  assert.ok(z.gunzipSync(z.gzipSync(big)).equals(big));
  assert.ok(z.inflateSync(z.deflateSync(big)).equals(big));
  const c = new Blob([data]).stream().pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip'));
  assert.equal(await new Response(c).text(), data.toString());
  return 'done';
};
