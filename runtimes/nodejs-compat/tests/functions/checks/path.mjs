import assert from 'node:assert/strict';

export const handler = async () => {
  const path = (await import('path')).default;
  assert.equal(path.join('/a', '..', 'b', './c'), '/b/c');
  assert.equal(path.resolve('x'), '/var/task/x');
  assert.equal(path.relative('/a/b/c', '/a/d'), '../../d');
  assert.deepEqual(path.parse('/a/b.c.d'), { root: '/', dir: '/a', base: 'b.c.d', ext: '.d', name: 'b.c' });
  assert.equal(path.normalize('/a//b/../c/'), '/a/c/');
  assert.equal(path.extname('.x'), '');
  assert.equal(path.basename('/a/b.js', '.js'), 'b');
  assert.equal(path.dirname('/a'), '/');
  assert.equal(path.win32.join('C:\\a', '..', 'b'), 'C:\\b');
  assert.equal(path.win32.basename('C:\\x\\y.z'), 'y.z');
  assert.equal(path.normalize(''), '.');
  assert.equal(path.dirname('a'), '.');
  assert.equal(path.format({ dir: '/a', name: 'b', ext: '.c' }), '/a/b.c');
  assert.equal(path.join(''), '.');
  assert.equal(path.normalize('../a/..'), '..');
  return 'done';
};
