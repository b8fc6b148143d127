// Blob, File and FormData.

import { ReadableStream } from 'web-streams-polyfill';
import { Buffer } from './buffer.js';

const partBytes = (part) => {
  if (part instanceof Blob) return contents(part);
  if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
  if (part instanceof ArrayBuffer) return new Uint8Array(part);
  return native.encodeUtf8(`${part}`);
};

export class Blob {
  #bytes;
  #type;

  constructor(parts = [], options = {}) {
    this.#bytes = Buffer.concat([...parts].map(partBytes));
    this.#type = /[^\x20-\x7e]/.test(options?.type ?? '') ? '' : `${options?.type ?? ''}`.toLowerCase();
  }

  static contents(blob) { return blob.#bytes; }

  get size() { return this.#bytes.length; }
  get type() { return this.#type; }
  async arrayBuffer() { return new Uint8Array(this.#bytes).buffer; }
  async bytes() { return new Uint8Array(this.#bytes); }
  async text() { return this.#bytes.toString(); }
  slice(start, end, type = '') { return new Blob([this.#bytes.slice(start, end)], { type }); }

  stream() {
    const bytes = this.#bytes;
    let at = 0;
    return new ReadableStream({
      type: 'bytes',
      pull(controller) {
        if (at < bytes.length) {
          controller.enqueue(new Uint8Array(bytes.subarray(at, at + 65536)));
          at += 65536;
        }
        if (at >= bytes.length) controller.close();
      },
    });
  }
}
export const { contents } = Blob;
delete Blob.contents;
Object.defineProperty(Blob.prototype, Symbol.toStringTag, { value: 'Blob', configurable: true });

export class File extends Blob {
  #name;
  #modified;

  constructor(parts, name, options = {}) {
    super(parts, options);
    this.#name = `${name}`;
    this.#modified = options?.lastModified ?? Date.now();
  }

  get name() { return this.#name; }
  get lastModified() { return this.#modified; }
  get webkitRelativePath() { return ''; }
}
Object.defineProperty(File.prototype, Symbol.toStringTag, { value: 'File', configurable: true });

export class FormData {
  #entries = [];

  #value(value, name) {
    if (!(value instanceof Blob)) return `${value}`;
    if (value instanceof File && name === undefined) return value;
    return new File([value], name ?? 'blob', { type: value.type });
  }

  append(name, value, filename) { this.#entries.push([`${name}`, this.#value(value, filename)]); }
  delete(name) { this.#entries = this.#entries.filter(([known]) => known !== `${name}`); }
  get(name) { return this.#entries.find(([known]) => known === `${name}`)?.[1] ?? null; }
  getAll(name) { return this.#entries.filter(([known]) => known === `${name}`).map(([, value]) => value); }
  has(name) { return this.#entries.some(([known]) => known === `${name}`); }

  set(name, value, filename) {
    const at = this.#entries.findIndex(([known]) => known === `${name}`);
    if (at < 0) {
      this.append(name, value, filename);
      return;
    }
    this.#entries[at][1] = this.#value(value, filename);
    this.#entries = this.#entries.filter(([known], index) => index <= at || known !== `${name}`);
  }

  forEach(callback, self) { for (const [name, value] of this) callback.call(self, value, name, this); }
  *entries() { for (const [name, value] of this.#entries) yield [name, value]; }
  *keys() { for (const [name] of this.#entries) yield name; }
  *values() { for (const [, value] of this.#entries) yield value; }
  [Symbol.iterator]() { return this.entries(); }
}
Object.defineProperty(FormData.prototype, Symbol.toStringTag, { value: 'FormData', configurable: true });

const quoted = (text) => text.replace(/\r\n|\r|\n/g, '%0D%0A').replace(/"/g, '%22');

/** A form as a body of `multipart/form-data`, and its content type. */
export function multipart(form) {
  const boundary = `----formdata-${globalThis.crypto.randomUUID()}`;
  const pieces = [];
  for (const [name, value] of form) {
    let head = `--${boundary}\r\ncontent-disposition: form-data; name="${quoted(name)}"`;
    if (value instanceof File) head += `; filename="${quoted(value.name)}"\r\ncontent-type: ${value.type || 'application/octet-stream'}`;
    pieces.push(Buffer.from(`${head}\r\n\r\n`), value instanceof File ? contents(value) : Buffer.from(value.replace(/\r?\n/g, '\r\n')), Buffer.from('\r\n'));
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`));
  return { bytes: Buffer.concat(pieces), type: `multipart/form-data; boundary=${boundary}` };
}

/** The form in a body of either of the two types. */
export function parseForm(bytes, type) {
  const form = new FormData();
  if (type.startsWith('application/x-www-form-urlencoded')) {
    for (const [name, value] of new URLSearchParams(bytes.toString())) form.append(name, value);
    return form;
  }
  const boundary = /boundary="?([^";]+)"?/i.exec(type)?.[1];
  if (!type.startsWith('multipart/form-data') || boundary === undefined) throw new TypeError('Could not parse content as FormData.');
  const text = bytes.toString('latin1');
  for (const part of text.split(`--${boundary}`).slice(1, -1)) {
    const end = part.indexOf('\r\n\r\n');
    const head = Buffer.from(part.slice(0, end), 'latin1').toString();
    const body = Buffer.from(part.slice(end + 4, -2), 'latin1');
    const name = / name="([^"]*)"/i.exec(head)?.[1] ?? '';
    const filename = / filename="([^"]*)"/i.exec(head)?.[1];
    const partType = /content-type:\s*(\S+)/i.exec(head)?.[1] ?? 'text/plain';
    form.append(name, filename === undefined ? body.toString() : new File([body], filename, { type: partType }));
  }
  return form;
}
