import assert from 'node:assert/strict';

export const handler = async () => {
  assert.equal(process.cwd(), '/var/task');
  assert.equal(process.env.AWS_REGION, 'eu-north-1');
  process.env.NUM = 5;
  assert.equal(process.env.NUM, '5');
  assert.ok(process.hrtime.bigint() > 0n);
  const t = process.hrtime();
  assert.equal(process.hrtime(t).length, 2);
  assert.ok(process.memoryUsage().rss > 0);
  assert.ok(process.uptime() >= 0);
  assert.equal(process.platform, 'linux');
  assert.match(process.version, /^v20\./);
  assert.ok(process.versions.quickjs);
  assert.equal(typeof navigator, 'undefined');
  assert.ok(performance.now() <= performance.now());
  performance.mark('a');
  assert.ok(performance.measure('m', 'a').duration >= 0);
  return 'done';
};
