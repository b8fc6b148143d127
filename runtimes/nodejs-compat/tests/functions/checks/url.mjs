import assert from 'node:assert/strict';

export const handler = async () => {
  const u = new URL('../b?x=1&y=a b#h', 'https://us%20er:p@exa mple.com:8080/a/c'.replace(' ', '-'));
  assert.equal(u.host, 'exa-mple.com:8080');
  assert.equal(u.pathname, '/b');
  u.searchParams.append('z', 'ä&');
  assert.equal(u.search, '?x=1&y=a+b&z=%C3%A4%26');
  u.port = '';
  u.hash = '';
  assert.equal(u.href, 'https://us%20er:p@exa-mple.com/b?x=1&y=a+b&z=%C3%A4%26');
  assert.throws(() => new URL('nope'), { code: 'ERR_INVALID_URL' });
  assert.equal(new URL('http://bücher.de').hostname, 'xn--bcher-kva.de');
  assert.deepEqual(
    [...new URLSearchParams({ a: '1', b: '2' })],
    [
      ['a', '1'],
      ['b', '2'],
    ],
  );
  const { parse, format, resolve, fileURLToPath, pathToFileURL } = await import('url');
  assert.equal(parse('http://a:b@c:1/d?e=f#g').host, 'c:1');
  assert.equal(parse('http://c/d?e=f', true).query.e, 'f');
  assert.equal(resolve('http://a/b/c', '../d'), 'http://a/d');
  assert.equal(format({ protocol: 'http', host: 'a', pathname: 'b', query: { c: 1 } }), 'http://a/b?c=1');
  assert.equal(fileURLToPath('file:///a%20b'), '/a b');
  assert.equal(pathToFileURL('/a b#').href, 'file:///a%20b%23');
  assert.equal(URL.canParse('x:'), true);
  const s = new URLSearchParams('a=1&a=2&b=3');
  s.delete('a', '1');
  assert.equal(`${s}`, 'a=2&b=3');
  assert.equal(s.size, 2);
  return 'done';
};
