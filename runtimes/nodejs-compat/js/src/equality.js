// Deep equality, as `util.isDeepStrictEqual` and `assert` understand it.

import { types } from './types.js';

/** Whether two values are alike all the way down; `strict` looks at prototypes and compares with `Object.is`. */
export function deepEqual(one, other, strict = true, seen = []) {
  if (strict ? Object.is(one, other) : one == other || (one !== one && other !== other)) return true;
  if (one === null || other === null || typeof one !== 'object' || typeof other !== 'object') {
    return false;
  }
  if (strict && Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  if (Object.prototype.toString.call(one) !== Object.prototype.toString.call(other)) return false;
  if (seen.some(([left, right]) => left === one && right === other)) return true;
  const deeper = [...seen, [one, other]];
  const same = (left, right) => deepEqual(left, right, strict, deeper);
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  if (Array.isArray(one) && one.length !== other.length) return false;
  if (types.isDate(one) && !Object.is(one.getTime(), other.getTime())) return false;
  if (types.isRegExp(one) && (`${one}` !== `${other}` || one.lastIndex !== other.lastIndex)) return false;
  if (one instanceof Error && (one.message !== other.message || one.name !== other.name)) return false;
  if (types.isBoxedPrimitive(one) && !Object.is(one.valueOf(), other.valueOf())) return false;
  if (types.isAnyArrayBuffer(one)) return same(new Uint8Array(one), new Uint8Array(other));
  if (ArrayBuffer.isView(one)) {
    if (one.byteLength !== other.byteLength) return false;
    if (types.isFloat32Array(one) || types.isFloat64Array(one)) return one.every((value, at) => same(value, other[at]));
    const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    return native.compare(bytes(one), bytes(other)) === 0;
  }
  if (types.isSet(one)) {
    if (one.size !== other.size) return false;
    const rest = [...other];
    for (const value of one) {
      const at = other.has(value) ? rest.indexOf(value) : rest.findIndex((candidate) => same(value, candidate));
      if (at < 0 && !other.has(value)) return false;
      if (at >= 0) rest.splice(at, 1);
    }
  }
  if (types.isMap(one)) {
    if (one.size !== other.size) return false;
    const rest = [...other];
    for (const [key, value] of one) {
      const at = rest.findIndex(([name, candidate]) => same(key, name) && same(value, candidate));
      if (at < 0) return false;
      rest.splice(at, 1);
    }
  }
  const keys = (object) => [...Object.keys(object),
    ...(strict ? Object.getOwnPropertySymbols(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key)) : [])];
  const names = keys(one);
  if (names.length !== keys(other).length) return false;
  return names.every((name) => Object.hasOwn(other, name) && same(one[name], other[name]));
}
