// `Headers`.

import { inspect } from './inspect.js';

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function normalName(name) {
  name = `${name}`;
  if (!NAME.test(name)) throw new TypeError(`Headers: ${name} is an invalid header name.`);
  return name.toLowerCase();
}

function normalValue(value) {
  value = `${value}`.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
  if (/[\0\r\n]|[^\0-\xff]/.test(value)) throw new TypeError(`Headers: "${value}" is an invalid header value.`);
  return value;
}

export class Headers {
  #map = new Map();

  constructor(init) {
    if (init === undefined || init === null) return;
    if (typeof init !== 'object' && typeof init !== 'function') throw new TypeError('Headers: the init is neither a record nor a sequence of pairs.');
    const pairs = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
    for (const pair of pairs) {
      const both = [...pair];
      if (both.length !== 2) throw new TypeError('Headers: each pair must have a name and a value.');
      this.append(both[0], both[1]);
    }
  }

  append(name, value) {
    name = normalName(name);
    value = normalValue(value);
    const values = this.#map.get(name);
    if (values) values.push(value);
    else this.#map.set(name, [value]);
  }

  delete(name) { this.#map.delete(normalName(name)); }
  get(name) { return this.#map.get(normalName(name))?.join(', ') ?? null; }
  has(name) { return this.#map.has(normalName(name)); }
  set(name, value) { this.#map.set(normalName(name), [normalValue(value)]); }
  getSetCookie() { return [...this.#map.get('set-cookie') ?? []]; }
  forEach(callback, self) { for (const [name, value] of this) callback.call(self, value, name, this); }

  *entries() {
    for (const name of [...this.#map.keys()].sort()) {
      if (name === 'set-cookie') for (const value of this.#map.get(name)) yield [name, value];
      else yield [name, this.#map.get(name).join(', ')];
    }
  }

  *keys() { for (const [name] of this) yield name; }
  *values() { for (const [, value] of this) yield value; }
  [Symbol.iterator]() { return this.entries(); }
  [inspect.custom](depth, options) { return `Headers ${inspect(Object.fromEntries(this), options)}`; }
}
Object.defineProperty(Headers.prototype, Symbol.toStringTag, { value: 'Headers', configurable: true });
