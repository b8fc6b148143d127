// `Atomics`, which the engine leaves out where there are no threads. With one thread every operation is atomic.

/** Stores what `change` makes of an element and answers what was there. */
const swap = (change) => (array, index, value) => {
  const before = array[index];
  array[index] = change(before, value);
  return before;
};

const Atomics = {
  add: swap((before, value) => before + value),
  and: swap((before, value) => before & value),
  compareExchange(array, index, expected, replacement) {
    const before = array[index];
    if (before === expected) array[index] = replacement;
    return before;
  },
  exchange: swap((before, value) => value),
  isLockFree: (size) => size === 1 || size === 2 || size === 4 || size === 8,
  load: (array, index) => array[index],
  notify: () => 0,
  or: swap((before, value) => before | value),
  pause() {},
  store(array, index, value) {
    array[index] = value;
    return value;
  },
  sub: swap((before, value) => before - value),
  wait(array, index, value, timeout = Infinity) {
    if (array[index] !== value) return 'not-equal';
    // Nobody else could wake it.
    if (timeout === Infinity) throw new TypeError('Atomics.wait would never end: there is one thread');
    native.httpWait([], Math.max(0, timeout));
    return 'timed-out';
  },
  xor: swap((before, value) => before ^ value),
};
Object.defineProperty(Atomics, Symbol.toStringTag, { value: 'Atomics', configurable: true });

if (globalThis.Atomics === undefined) {
  Object.defineProperty(globalThis, 'Atomics', { value: Atomics, writable: true, configurable: true, enumerable: false });
}
