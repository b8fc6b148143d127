import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export const handler = async (event) => {
  const http = require('http');
  const { once } = require('events');
  const call = (options, data) =>
    new Promise((resolve, reject) => {
      const q = http.request(options, (r) => {
        let t = '';
        r.setEncoding('utf8');
        r.on('data', (c) => (t += c));
        r.on('end', () => resolve([r.statusCode, t, r.headers]));
      });
      q.on('error', reject);
      if (data) q.write(data);
      q.end();
    });
  const u = new URL(event);
  const [s, t, h] = await call({ hostname: u.hostname, port: u.port, path: '/p?q=1', method: 'PUT', headers: { 'X-A': 'b' } }, 'body');
  assert.equal(s, 200);
  assert.equal(h['content-type'], 'application/json');
  const j = JSON.parse(t);
  assert.equal(j.body, 'body');
  assert.equal(j.headers['x-a'], 'b');
  assert.equal(j.path, '/p?q=1');
  assert.equal((await call(`${event}/echo`))[0], 200);
  const g = http.get(`${event}/echo`);
  const [res] = await once(g, 'response');
  let n = 0;
  for await (const c of res) n += c.length;
  assert.ok(n > 10);
  await assert.rejects(call('http://127.0.0.1:1/'), { code: 'ECONNREFUSED' });
  const slow = http.get(`${event}/slow`, { timeout: 30 });
  slow.on('timeout', () => slow.destroy(new Error('too slow')));
  await assert.rejects(once(slow, 'response'), /too slow/);
  return 'done';
};
