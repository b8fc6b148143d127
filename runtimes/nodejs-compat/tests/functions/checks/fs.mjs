import assert from 'node:assert/strict';

export const handler = async () => {
  const fs = (await import('fs')).default;
  const p = (await import('fs/promises')).default;
  fs.mkdirSync('/tmp/a/b', { recursive: true });
  fs.writeFileSync('/tmp/a/b/f', 'one');
  fs.appendFileSync('/tmp/a/b/f', ' two');
  assert.equal(fs.readFileSync('/tmp/a/b/f', 'utf8'), 'one two');
  assert.equal(fs.statSync('/tmp/a/b/f').size, 7);
  assert.ok(fs.statSync('/tmp/a').isDirectory());
  assert.deepEqual(fs.readdirSync('/tmp/a'), ['b']);
  assert.deepEqual(
    (await p.readdir('/tmp/a', { withFileTypes: true })).map((d) => [d.name, d.isDirectory()]),
    [['b', true]],
  );
  fs.renameSync('/tmp/a/b/f', '/tmp/a/g');
  assert.ok(!fs.existsSync('/tmp/a/b/f'));
  assert.ok(fs.existsSync('/tmp/a/g'));
  assert.throws(() => fs.readFileSync('/tmp/none'), {
    code: 'ENOENT',
    syscall: 'open',
    errno: -2,
    message: "ENOENT: no such file or directory, open '/tmp/none'",
  });
  await assert.rejects(p.readFile('/var/task/none'), { code: 'ENOENT' });
  assert.throws(
    () => fs.writeFileSync('/var/task/x', 'x'),
    (e) => ['EROFS', 'EPERM', 'EACCES'].includes(e.code),
    'ro',
  );
  const fd = fs.openSync('/tmp/h', 'w+');
  fs.writeSync(fd, 'abcdef');
  const b = Buffer.alloc(3);
  assert.equal(fs.readSync(fd, b, 0, 3, 2), 3);
  assert.equal(`${b}`, 'cde');
  fs.closeSync(fd);
  await new Promise((r, j) => fs.readFile('/tmp/h', 'utf8', (e, t) => (e ? j(e) : r(assert.equal(t, 'abcdef')))));
  const s = fs.createWriteStream('/tmp/s');
  s.write('x');
  s.end('y');
  await new Promise((r) => s.on('finish', r));
  let t = '';
  for await (const c of fs.createReadStream('/tmp/s', 'utf8')) t += c;
  assert.equal(t, 'xy');
  const fh = await p.open('/tmp/s');
  assert.equal(await fh.readFile('utf8'), 'xy');
  await fh.close();
  fs.rmSync('/tmp/a', { recursive: true });
  assert.ok(!fs.existsSync('/tmp/a'));
  assert.ok(fs.mkdtempSync('/tmp/t-').length === 13);
  await p.copyFile('/tmp/s', '/tmp/c');
  await p.unlink('/tmp/c');
  await p.access('/tmp/s');
  assert.throws(() => fs.rmdirSync('/tmp/none'), { code: 'ENOENT' });
  fs.truncateSync('/tmp/s', 1);
  assert.equal(fs.readFileSync('/tmp/s').length, 1);
  fs.cpSync('/tmp/s', '/tmp/s2');
  assert.equal(fs.realpathSync('/tmp/../tmp/s2'), '/tmp/s2');
  fs.rmSync('/tmp/nothing', { force: true });
  assert.ok(fs.statSync('/').isDirectory());
  assert.ok(fs.statSync('/tmp/s').mtime instanceof Date);
  return 'done';
};
