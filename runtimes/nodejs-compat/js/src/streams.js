// `stream` and its relatives, and the streams of `fs` and of standard output.

import * as web from 'web-streams-polyfill';
import stream from 'readable-stream';
import { define } from './builtins.js';
import { Buffer } from './buffer.js';
import { fs, toPath } from './fs.js';
import { defineGlobals } from './globals.js';
import { TextDecoder, TextEncoder } from './text.js';
import { fromWeb, toWeb } from './stream-adapters.js';

const { Readable, Writable, Duplex, finished, pipeline } = stream;

Readable.fromWeb = fromWeb.readable;
Readable.toWeb = toWeb.readable;
Writable.fromWeb = fromWeb.writable;
Writable.toWeb = toWeb.writable;
Duplex.fromWeb = (pair, options) => stream.compose(fromWeb.writable(pair.writable, options), fromWeb.readable(pair.readable, options));
Duplex.toWeb = (duplex) => ({ readable: toWeb.readable(duplex), writable: toWeb.writable(duplex) });

stream.promises ??= {};
const promises = { ...stream.promises, finished: promised(finished), pipeline: promised(pipeline) };

function promised(call) {
  return (...args) => new Promise((resolve, reject) => {
    const last = args[args.length - 1];
    const options = last && typeof last === 'object' && !last.pipe && !last.write && typeof last !== 'function' && !last[Symbol.asyncIterator]
      && !last[Symbol.iterator] && !last.getReader && !last.getWriter && args.length > 1 ? args.pop() : undefined;
    const done = (error, value) => (error ? reject(error) : resolve(value));
    const signal = options?.signal;
    if (signal) for (const each of args) if (each?.destroy) stream.addAbortSignal(signal, each);
    if (call === pipeline) call(...args, done);
    else call(...args, options ?? {}, done);
  });
}
Object.defineProperty(stream, 'promises', { value: promises, configurable: true, enumerable: true });

class TextEncoderStream {
  #pair;
  constructor() {
    const encoder = new TextEncoder();
    this.#pair = new web.TransformStream({ transform(chunk, controller) { controller.enqueue(encoder.encode(chunk)); } });
  }

  get encoding() { return 'utf-8'; }
  get readable() { return this.#pair.readable; }
  get writable() { return this.#pair.writable; }
}

class TextDecoderStream {
  #pair;
  #decoder;
  constructor(label, options) {
    const decoder = this.#decoder = new TextDecoder(label, options);
    this.#pair = new web.TransformStream({
      transform(chunk, controller) {
        const text = decoder.decode(chunk, { stream: true });
        if (text !== '') controller.enqueue(text);
      },
      flush(controller) {
        const text = decoder.decode();
        if (text !== '') controller.enqueue(text);
      },
    });
  }

  get encoding() { return this.#decoder.encoding; }
  get readable() { return this.#pair.readable; }
  get writable() { return this.#pair.writable; }
}

/** Everything of a stream, of either kind. */
async function collect(source) {
  const pieces = [];
  for await (const piece of source) pieces.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
  return Buffer.concat(pieces);
}

const classes = { ...web, TextEncoderStream, TextDecoderStream };
delete classes.default;
defineGlobals(classes);
define('stream', stream);
define('stream/promises', promises);
define('stream/web', classes);
define('stream/consumers', {
  buffer: collect,
  text: async (source) => (await collect(source)).toString(),
  json: async (source) => JSON.parse((await collect(source)).toString()),
  arrayBuffer: async (source) => {
    const { buffer, byteOffset, byteLength } = await collect(source);
    return buffer.slice(byteOffset, byteOffset + byteLength);
  },
  blob: async (source) => new Blob([await collect(source)]),
});

class ReadStream extends Readable {
  constructor(path, options = {}) {
    if (typeof options === 'string') options = { encoding: options };
    super({ highWaterMark: 65536, ...options, autoDestroy: options.autoClose ?? true });
    this.path = path;
    this.fd = options.fd?.fd ?? options.fd ?? null;
    this.flags = options.flags ?? 'r';
    this.position = options.start;
    this.end = options.end ?? Infinity;
    this.bytesRead = 0;
    this.left = options.end === undefined ? Infinity : options.end - (options.start ?? 0) + 1;
    if (this.fd === null) toPath(path);
  }

  _construct(callback) {
    if (this.fd !== null) return callback();
    fs.open(this.path, this.flags, (error, fd) => {
      if (error) return callback(error);
      this.fd = fd;
      callback();
      this.emit('open', fd);
      this.emit('ready');
      return undefined;
    });
    return undefined;
  }

  _read(size) {
    const want = Math.min(size, this.left);
    if (want <= 0) {
      this.push(null);
      return;
    }
    const buffer = Buffer.allocUnsafeSlow(want);
    fs.read(this.fd, buffer, 0, want, this.position ?? null, (error, count) => {
      if (error) {
        this.destroy(error);
        return;
      }
      if (this.position !== undefined) this.position += count;
      this.left -= count;
      this.bytesRead += count;
      this.push(count > 0 ? buffer.subarray(0, count) : null);
    });
  }

  _destroy(error, callback) { this.#closed(error, callback); }
  #closed(error, callback) {
    if (this.fd === null) return callback(error);
    fs.close(this.fd, (failure) => callback(error ?? failure));
    this.fd = null;
    return undefined;
  }

  close(callback) {
    if (callback) finished(this, callback);
    this.destroy();
  }
}

class WriteStream extends Writable {
  constructor(path, options = {}) {
    if (typeof options === 'string') options = { encoding: options };
    super({ ...options, decodeStrings: true, autoDestroy: options.autoClose ?? true });
    if (options.encoding) this.setDefaultEncoding(options.encoding);
    this.path = path;
    this.fd = options.fd?.fd ?? options.fd ?? null;
    this.flags = options.flags ?? 'w';
    this.position = options.start;
    this.bytesWritten = 0;
    if (this.fd === null) toPath(path);
  }

  _construct(callback) { ReadStream.prototype._construct.call(this, callback); }

  _write(chunk, encoding, callback) {
    fs.write(this.fd, chunk, 0, chunk.length, this.position ?? null, (error, count) => {
      if (error) return callback(error);
      if (this.position !== undefined) this.position += count;
      this.bytesWritten += count;
      if (count < chunk.length) return this._write(chunk.subarray(count), encoding, callback);
      return callback();
    });
  }

  _destroy(error, callback) {
    if (this.fd === null) return callback(error);
    fs.close(this.fd, (failure) => callback(error ?? failure));
    this.fd = null;
    return undefined;
  }

  close(callback) {
    if (callback) finished(this, callback);
    this.end();
  }
}

fs.ReadStream = ReadStream;
fs.WriteStream = WriteStream;
fs.createReadStream = (path, options) => new ReadStream(path, options);
fs.createWriteStream = (path, options) => new WriteStream(path, options);
