// URL and URLSearchParams over the host language's parser, and `url`'s older functions.

import { coded } from './errors.js';
import { inspect } from './inspect.js';

const PARTS = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];

export class URL {
  #parts;
  #params;

  constructor(input, base) {
    if (arguments.length === 0) throw coded(TypeError, 'ERR_MISSING_ARGS', 'The "url" argument must be specified');
    input = `${input}`.toWellFormed();
    this.#parts = native.urlParse(input, base === undefined ? undefined : `${base}`);
    if (this.#parts === undefined) {
      const error = coded(TypeError, 'ERR_INVALID_URL', 'Invalid URL');
      error.input = input;
      if (base !== undefined) error.base = `${base}`;
      throw error;
    }
  }

  static canParse(input, base) { return native.urlParse(`${input}`, base === undefined ? undefined : `${base}`) !== undefined; }
  static parse(input, base) { return URL.canParse(input, base) ? new URL(input, base) : null; }

  static createObjectURL(blob) {
    const url = `blob:nodedata:${globalThis.crypto.randomUUID()}`;
    blobs.set(url, blob);
    return url;
  }

  static revokeObjectURL(url) { blobs.delete(`${url}`); }

  get searchParams() {
    this.#params ??= URLSearchParams.of(this, (search) => this.#set('search', search));
    return this.#params;
  }

  #set(part, value) { this.#parts = native.urlSet(this.#parts[0], part, value) ?? this.#parts; }

  static get(url, index) { return url.#parts[index]; }

  static assign(url, index, value) {
    value = `${value}`;
    if (index === 0) {
      const parts = native.urlParse(value);
      if (parts === undefined) throw Object.assign(coded(TypeError, 'ERR_INVALID_URL', 'Invalid URL'), { input: value });
      url.#parts = parts;
    } else {
      url.#set(PARTS[index], value);
    }
    url.#params?.reload();
  }

  toString() { return this.#parts[0]; }
  toJSON() { return this.#parts[0]; }

  [inspect.custom](depth, options) {
    const shown = Object.fromEntries(PARTS.map((part, index) => [part, this.#parts[index]]));
    shown.searchParams = this.searchParams;
    return `URL ${inspect(shown, options)}`;
  }
}
const { get, assign } = URL;
delete URL.get;
delete URL.assign;
PARTS.forEach((part, index) => {
  const descriptor = { enumerable: true, configurable: true, get() { return get(this, index); } };
  if (part !== 'origin') descriptor.set = function set(value) { assign(this, index, value); };
  Object.defineProperty(URL.prototype, part, descriptor);
});
Object.defineProperty(URL.prototype, Symbol.toStringTag, { value: 'URL', configurable: true });

const blobs = new Map();
export const resolveObjectURL = (url) => blobs.get(`${url}`);

/** Form encoding: what stays as it is, a space as plus, the rest as UTF-8 in percent signs. */
const encodeForm = (text) => encodeURIComponent(text.toWellFormed()).replace(/%20/g, '+').replace(/[!'()~]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function decodeForm(text) {
  text = text.replace(/\+/g, ' ');
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return percentDecode(text);
  }
}

/** Percent signs to bytes to text, where a strict decoder would refuse. */
export function percentDecode(text) {
  const bytes = [];
  const source = native.encodeUtf8(text);
  for (let at = 0; at < source.length; at++) {
    const pair = source[at] === 37 ? String.fromCharCode(source[at + 1] ?? 0, source[at + 2] ?? 0) : '';
    if (/^[0-9a-f]{2}$/i.test(pair)) {
      bytes.push(parseInt(pair, 16));
      at += 2;
    } else {
      bytes.push(source[at]);
    }
  }
  return native.decodeUtf8(new Uint8Array(bytes), 0, bytes.length, false);
}

export class URLSearchParams {
  #pairs = [];
  #url;
  #changed;

  constructor(init = '') {
    if (init === null || typeof init !== 'object' && typeof init !== 'function') {
      this.#read(`${init}`);
    } else if (typeof init[Symbol.iterator] === 'function') {
      for (const pair of init) {
        const both = [...pair];
        if (both.length !== 2) throw coded(TypeError, 'ERR_INVALID_TUPLE', 'Each query pair must be an iterable [name, value] tuple');
        this.#pairs.push([`${both[0]}`.toWellFormed(), `${both[1]}`.toWellFormed()]);
      }
    } else {
      for (const name of Reflect.ownKeys(init)) {
        if (Object.prototype.propertyIsEnumerable.call(init, name)) this.#pairs.push([`${String(name)}`, `${init[name]}`]);
      }
    }
  }

  static of(url, changed) {
    const params = new URLSearchParams(url.search);
    params.#url = url;
    params.#changed = changed;
    return params;
  }

  #read(text) {
    if (text.startsWith('?')) text = text.slice(1);
    this.#pairs = text.split('&').filter((pair) => pair !== '').map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [decodeForm(pair), ''] : [decodeForm(pair.slice(0, at)), decodeForm(pair.slice(at + 1))];
    });
  }

  reload() { this.#read(this.#url.search); }
  #update() { this.#changed?.(this.toString()); }

  get size() { return this.#pairs.length; }
  append(name, value) { this.#pairs.push([`${name}`.toWellFormed(), `${value}`.toWellFormed()]); this.#update(); }

  delete(name, value) {
    name = `${name}`;
    this.#pairs = this.#pairs.filter((pair) => pair[0] !== name || (value !== undefined && pair[1] !== `${value}`));
    this.#update();
  }

  get(name) { return this.#pairs.find((pair) => pair[0] === `${name}`)?.[1] ?? null; }
  getAll(name) { return this.#pairs.filter((pair) => pair[0] === `${name}`).map((pair) => pair[1]); }
  has(name, value) { return this.#pairs.some((pair) => pair[0] === `${name}` && (value === undefined || pair[1] === `${value}`)); }

  set(name, value) {
    name = `${name}`.toWellFormed();
    const at = this.#pairs.findIndex((pair) => pair[0] === name);
    if (at < 0) {
      this.append(name, value);
      return;
    }
    this.#pairs[at][1] = `${value}`.toWellFormed();
    this.#pairs = this.#pairs.filter((pair, index) => index <= at || pair[0] !== name);
    this.#update();
  }

  sort() {
    this.#pairs.sort((one, other) => (one[0] < other[0] ? -1 : one[0] > other[0] ? 1 : 0));
    this.#update();
  }

  forEach(callback, self) { for (const [name, value] of this) callback.call(self, value, name, this); }
  *entries() { for (let at = 0; at < this.#pairs.length; at++) yield [...this.#pairs[at]]; }
  *keys() { for (let at = 0; at < this.#pairs.length; at++) yield this.#pairs[at][0]; }
  *values() { for (let at = 0; at < this.#pairs.length; at++) yield this.#pairs[at][1]; }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#pairs.map(([name, value]) => `${encodeForm(name)}=${encodeForm(value)}`).join('&'); }

  [inspect.custom](depth, options) {
    const shown = this.#pairs.map(([name, value]) => `${inspect(name, options)} => ${inspect(value, options)}`);
    return shown.length > 0 ? `URLSearchParams { ${shown.join(', ')} }` : 'URLSearchParams {}';
  }
}
Object.defineProperty(URLSearchParams.prototype, Symbol.toStringTag, { value: 'URLSearchParams', configurable: true });

export function fileURLToPath(url) {
  const parsed = typeof url === 'string' ? new URL(url) : url;
  if (parsed?.protocol !== 'file:') throw coded(TypeError, 'ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file');
  if (parsed.hostname !== '') throw coded(TypeError, 'ERR_INVALID_FILE_URL_HOST', 'File URL host must be "localhost" or empty on linux');
  if (/%2f/i.test(parsed.pathname)) throw coded(TypeError, 'ERR_INVALID_FILE_URL_PATH', 'File URL path must not include encoded / characters');
  return decodeURIComponent(parsed.pathname);
}

export function pathToFileURL(path) {
  const whole = path.startsWith('/') ? path : `${globalThis.process.cwd()}/${path}`;
  return new URL(`file://${whole.replace(/[%?#\n\r\t\\]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)}`);
}

export function urlToHttpOptions(url) {
  const options = { protocol: url.protocol, hostname: url.hostname.replace(/^\[|\]$/g, ''), hash: url.hash, search: url.search,
    pathname: url.pathname, path: `${url.pathname}${url.search}`, href: url.href };
  if (url.port !== '') options.port = Number(url.port);
  if (url.username || url.password) options.auth = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return options;
}

export const domainToASCII = (domain) => native.domainToAscii(`${domain}`);
export const domainToUnicode = (domain) => native.domainToUnicode(`${domain}`);
