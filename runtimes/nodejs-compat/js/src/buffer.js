// `Buffer`: the npm package, with the host language's conversions where they matter.

import { Buffer, kMaxLength, INSPECT_MAX_BYTES } from 'buffer/';
import { inspect } from './inspect.js';
import { atob, btoa, decodeUtf16 } from './text.js';
import { resolveObjectURL } from './url.js';

const names = { utf8: 'utf8', 'utf-8': 'utf8', hex: 'hex', base64: 'base64', base64url: 'base64url', latin1: 'latin1', binary: 'latin1',
  ascii: 'ascii', ucs2: 'utf16le', 'ucs-2': 'utf16le', utf16le: 'utf16le', 'utf-16le': 'utf16le' };

/** An encoding's one name; undefined for what is none. */
export const normalEncoding = (encoding) => (encoding === undefined || encoding === null || encoding === '' ? 'utf8'
  : names[encoding] ?? names[`${encoding}`.toLowerCase()]);

/** A string's bytes in an encoding. */
export function encode(text, encoding) {
  switch (encoding) {
    case 'utf8': return native.encodeUtf8(text);
    case 'hex': return native.decodeHex(text);
    case 'base64':
    case 'base64url': return native.decodeBase64(text);
    case 'utf16le': {
      const bytes = new Uint8Array(text.length * 2);
      for (let at = 0; at < text.length; at++) {
        const unit = text.charCodeAt(at);
        bytes[2 * at] = unit & 255;
        bytes[2 * at + 1] = unit >> 8;
      }
      return bytes;
    }
    default: return native.encodeLatin1(text);
  }
}

function decode(bytes, encoding, start, end) {
  switch (encoding) {
    case 'utf8': return native.decodeUtf8(bytes, start, end, false);
    case 'hex': return native.encodeHex(bytes, start, end);
    case 'base64': return native.encodeBase64(bytes, start, end, false);
    case 'base64url': return native.encodeBase64(bytes, start, end, true);
    case 'utf16le': return decodeUtf16(bytes, start, end);
    case 'ascii': return native.decodeLatin1(bytes, start, end, 127);
    default: return native.decodeLatin1(bytes, start, end, 255);
  }
}

function known(encoding) {
  const name = normalEncoding(encoding);
  if (name === undefined) throw Object.assign(new TypeError(`Unknown encoding: ${encoding}`), { code: 'ERR_UNKNOWN_ENCODING' });
  return name;
}

/** The same bytes as a `Buffer`. */
export const asBuffer = (bytes) => Object.setPrototypeOf(bytes, Buffer.prototype);

const from = Buffer.from;
Buffer.from = function (value, encodingOrOffset, length) {
  if (typeof value === 'string') return asBuffer(encode(value, known(encodingOrOffset)));
  return from(value, encodingOrOffset, length);
};
Buffer.isEncoding = (encoding) => typeof encoding === 'string' && encoding !== '' && normalEncoding(encoding) !== undefined;
Buffer.byteLength = function (value, encoding) {
  if (typeof value === 'string') {
    const name = normalEncoding(encoding) ?? 'utf8';
    if (name === 'utf8') return native.utf8Length(value);
    if (name === 'latin1' || name === 'ascii') return value.length;
    if (name === 'utf16le') return value.length * 2;
    if (name === 'hex') return value.length >>> 1;
    return encode(value, name).length;
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return value.byteLength;
  const error = new TypeError('The "string" argument must be of type string or an instance of Buffer or ArrayBuffer.');
  error.code = 'ERR_INVALID_ARG_TYPE';
  throw error;
};
Buffer.poolSize = 8192;
Buffer.copyBytesFrom = (view, offset = 0, length = view.length - offset) => {
  const part = view.subarray(offset, offset + length);
  return Buffer.from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
};
const concat = Buffer.concat;
Buffer.concat = (list, length) => concat(list.map((piece) => (piece instanceof Uint8Array ? piece : Buffer.from(piece))), length);
Buffer.compare = (one, other) => native.compare(one, other);

const methods = {
  toString(encoding, start = 0, end = this.length) {
    start = Math.max(0, start | 0);
    end = Math.min(this.length, end === undefined ? this.length : end | 0);
    return end <= start ? '' : decode(this, known(encoding), start, end);
  },
  equals(other) {
    if (!(other instanceof Uint8Array)) throw new TypeError('The "otherBuffer" argument must be an instance of Buffer or Uint8Array.');
    return this === other || (this.length === other.length && native.compare(this, other) === 0);
  },
  toJSON() { return { type: 'Buffer', data: Array.from(this) }; },
};
const write = Buffer.prototype.write;
methods.write = function (text, offset, length, encoding) {
  if (typeof offset === 'string') [encoding, offset, length] = [offset, 0, undefined];
  else if (typeof length === 'string') [encoding, length] = [length, undefined];
  const name = known(encoding);
  offset = offset === undefined ? 0 : offset >>> 0;
  if (offset > this.length) throw Object.assign(new RangeError('The value of "offset" is out of range.'), { code: 'ERR_OUT_OF_RANGE' });
  const room = Math.min(this.length - offset, length === undefined ? Infinity : length >>> 0);
  let bytes = encode(`${text}`, name);
  if (bytes.length > room) {
    if (name === 'utf8') return write.call(this, text, offset, room, name);
    bytes = bytes.subarray(0, room);
  }
  this.set(bytes, offset);
  return bytes.length;
};
const indexOf = Buffer.prototype.indexOf;
methods.indexOf = function (value, offset = 0, encoding) {
  if (typeof value === 'number') return indexOf.call(this, value, offset, encoding);
  if (typeof offset === 'string') [encoding, offset] = [offset, 0];
  const needle = typeof value === 'string' ? encode(value, known(encoding)) : value;
  offset = Math.trunc(Number(offset)) || 0;
  return native.indexOf(this, needle, offset < 0 ? Math.max(0, this.length + offset) : offset);
};
methods.includes = function (value, offset, encoding) { return this.indexOf(value, offset, encoding) !== -1; };
for (const [name, encoding] of Object.entries({ utf8: 'utf8', ascii: 'ascii', latin1: 'latin1', hex: 'hex', base64: 'base64',
  base64url: 'base64url', ucs2: 'utf16le' })) {
  methods[`${name}Slice`] = function (start, end) { return this.toString(encoding, start, end); };
  methods[`${name}Write`] = function (text, offset, length) { return this.write(text, offset, length, encoding); };
}
for (const [name, method] of Object.entries(methods)) {
  Object.defineProperty(Buffer.prototype, name, { value: method, writable: true, configurable: true, enumerable: false });
}
Buffer.prototype[inspect.custom] = function (depth, options) {
  const shown = native.encodeHex(this, 0, Math.min(50, this.length)).replace(/(..)(?=.)/g, '$1 ');
  const more = this.length - 50;
  return `<Buffer${shown ? ' ' : ''}${shown}${more > 0 ? ` ... ${more} more byte${more > 1 ? 's' : ''}` : ''}>`;
};

export { Buffer };

/** `require('buffer')`, completed with Blob and File by `builtins.js`. */
export const bufferModule = {
  Buffer,
  SlowBuffer: (size) => Buffer.alloc(size),
  kMaxLength,
  kStringMaxLength: 0x1fffffe8,
  INSPECT_MAX_BYTES,
  constants: { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: 0x1fffffe8 },
  atob,
  btoa,
  resolveObjectURL,
  isUtf8: (input) => native.decodeUtf8(new Uint8Array(input.buffer ?? input, input.byteOffset ?? 0, input.byteLength), 0, input.byteLength, true) !== undefined,
  isAscii: (input) => new Uint8Array(input.buffer ?? input, input.byteOffset ?? 0, input.byteLength).every((byte) => byte < 128),
  transcode: (source, fromEncoding, toEncoding) => Buffer.from(Buffer.from(source).toString(fromEncoding), toEncoding),
};
