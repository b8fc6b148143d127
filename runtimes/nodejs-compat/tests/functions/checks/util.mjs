import assert from 'node:assert/strict';
import util from 'node:util';

export const handler = async () => {
  assert.equal(util.format('%s %d %j %o %%', 'a', 1.5, { b: 1 }, [1]), 'a 1.5 {"b":1} [ 1, [length]: 1 ] %');
  assert.equal(util.inspect(new Map([['a', { b: new Set([1]) }]])), "Map(1) { 'a' => { b: Set(1) { 1 } } }");
  class Foo {
    x = 1;
    #y = 2;
  }
  assert.equal(util.inspect(new Foo()), 'Foo { x: 1 }');
  assert.equal(
    util.inspect({ f() {}, g: class A {}, s: Symbol('q'), d: new Date(0), r: /x/g, n: null, u: undefined, b: 1n }, { breakLength: 999 }),
    '{ f: [Function: f], g: [class A], s: Symbol(q), d: 1970-01-01T00:00:00.000Z, r: /x/g, n: null, u: undefined, b: 1n }',
  );
  const o = {};
  o.self = o;
  assert.equal(util.inspect(o), '<ref *1> { self: [Circular *1] }');
  assert.ok(util.isDeepStrictEqual({ a: [1, new Map([[1, 2]])] }, { a: [1, new Map([[1, 2]])] }));
  assert.ok(!util.isDeepStrictEqual([1], ['1']));
  assert.equal(await util.promisify((a, cb) => cb(null, a + 1))(1), 2);
  assert.deepEqual(
    util.parseArgs({ args: ['-f', '--bar', 'b'], options: { foo: { type: 'boolean', short: 'f' }, bar: { type: 'string' } } }).values,
    Object.assign(Object.create(null), { foo: true, bar: 'b' }),
  );
  assert.ok(util.types.isPromise(Promise.resolve()));
  assert.ok(util.types.isProxy !== undefined);
  assert.equal(util.inspect(new Proxy({ a: 1 }, {})), '{ a: 1 }');
  assert.equal(util.styleText('red', 'x'), '\u001b[31mx\u001b[39m');
  assert.match(util.inspect(new Error('boom')), /^Error: boom\n    at /);
  assert.equal(util.inspect([1, , 3]), '[ 1, <1 empty item>, 3 ]');
  assert.equal(util.inspect("a'b"), '"a\'b"');
  assert.match(util.inspect(Promise.resolve(1)), /^Promise/);
  return 'done';
};
