// TextEncoder and TextDecoder, atob and btoa.

import { coded } from './errors.js';

const bytesOf = (input) => {
  if (input === undefined) return new Uint8Array(0);
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  if (input instanceof ArrayBuffer || input instanceof SharedArrayBuffer) return new Uint8Array(input);
  throw coded(TypeError, 'ERR_INVALID_ARG_TYPE', 'The "input" argument must be an instance of ArrayBuffer or ArrayBufferView.');
};

export class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(input = '') { return native.encodeUtf8(`${input}`); }

  encodeInto(source, target) {
    let read = 0;
    let written = 0;
    for (const char of `${source}`) {
      const bytes = native.encodeUtf8(char);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += char.length;
    }
    return { read, written };
  }
}

const LABELS = {
  'utf-8': ['utf-8', 'utf8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8'],
  'utf-16le': ['utf-16le', 'utf-16', 'ucs-2', 'unicode', 'iso-10646-ucs-2', 'csunicode', 'unicodefeff'],
  'windows-1252': ['latin1', 'ascii', 'iso-8859-1', 'iso8859-1', 'us-ascii', 'windows-1252', 'cp1252', 'l1', 'x-cp1252', 'iso_8859-1'],
};
const ENCODINGS = new Map(Object.entries(LABELS).flatMap(([name, labels]) => labels.map((label) => [label, name])));
const WINDOWS = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/** How many bytes at the end begin a character that is not whole yet. */
function unfinished(bytes) {
  const end = bytes.length;
  for (let back = 1; back <= 3 && back <= end; back++) {
    const byte = bytes[end - back];
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return back < length ? back : 0;
    }
  }
  return 0;
}

export class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBom;
  #rest = new Uint8Array(0);
  #begun = false;

  constructor(label = 'utf-8', options = {}) {
    this.#encoding = ENCODINGS.get(`${label}`.trim().toLowerCase());
    if (!this.#encoding) throw coded(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${label}" encoding is not supported`);
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBom = Boolean(options?.ignoreBOM);
  }

  get encoding() { return this.#encoding; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBom; }

  decode(input, options) {
    const stream = Boolean(options?.stream);
    let bytes = bytesOf(input);
    if (this.#rest.length > 0) {
      const joined = new Uint8Array(this.#rest.length + bytes.length);
      joined.set(this.#rest);
      joined.set(bytes, this.#rest.length);
      bytes = joined;
    }
    let end = bytes.length;
    if (stream) end -= this.#encoding === 'utf-8' ? unfinished(bytes) : this.#encoding === 'utf-16le' ? end & 1 : 0;
    this.#rest = stream ? bytes.slice(end) : new Uint8Array(0);
    let text = this.#text(bytes, end);
    if (!this.#begun && !this.#ignoreBom && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    this.#begun = stream && (this.#begun || end > 0);
    return text;
  }

  #text(bytes, end) {
    if (this.#encoding === 'windows-1252') {
      return native.decodeLatin1(bytes, 0, end, 255).replace(/[\x80-\x9f]/g, (char) => WINDOWS[char.charCodeAt(0) - 128]);
    }
    let text;
    if (this.#encoding === 'utf-8') {
      text = native.decodeUtf8(bytes, 0, end, this.#fatal);
    } else {
      text = decodeUtf16(bytes, 0, end).toWellFormed();
      if (end & 1) text = this.#fatal ? undefined : text + '\ufffd';
    }
    if (text === undefined) throw coded(TypeError, 'ERR_ENCODING_INVALID_ENCODED_DATA', 'The encoded data was not valid for encoding utf-8');
    return text;
  }
}

/** Pairs of bytes, the lower first, as code units. */
export function decodeUtf16(bytes, start, end) {
  let text = '';
  const units = [];
  for (let at = start; at + 1 < end; at += 2) {
    units.push(bytes[at] | (bytes[at + 1] << 8));
    if (units.length === 4096) {
      text += String.fromCharCode.apply(null, units);
      units.length = 0;
    }
  }
  return text + String.fromCharCode.apply(null, units);
}

export function btoa(input) {
  const text = `${input}`;
  if (/[^\0-\xff]/.test(text)) throw new DOMException('Invalid character', 'InvalidCharacterError');
  return native.encodeBase64(native.encodeLatin1(text), 0, text.length, false);
}

export function atob(input) {
  const text = `${input}`.replace(/[\t\n\f\r ]/g, '');
  const digits = text.length % 4 === 0 ? text.replace(/==?$/, '') : text;
  if (digits.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(digits)) {
    throw new DOMException('The string to be decoded is not correctly encoded.', 'InvalidCharacterError');
  }
  const bytes = native.decodeBase64(digits);
  return native.decodeLatin1(bytes, 0, bytes.length, 255);
}
