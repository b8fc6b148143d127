// `zlib`: Node's three forms of each compressor.

import stream from 'readable-stream';
import { Buffer } from './buffer.js';
import { unsupported } from './errors.js';
import { bytesOf } from './fs.js';
import { Inflator } from './inflate.js';
import { nextTick } from './loop.js';

const KINDS = { Deflate: 'deflate', DeflateRaw: 'deflateRaw', Gzip: 'gzip', Inflate: 'inflate', InflateRaw: 'inflateRaw', Gunzip: 'gunzip',
  Unzip: 'unzip', BrotliDecompress: 'brotliDecompress' };

const input = (data, encoding) => (data instanceof ArrayBuffer ? new Uint8Array(data) : bytesOf(data, encoding));

function once(kind, data, options) {
  return new Inflator(kind, options?.level, options?.maxOutputLength).step(input(data), true);
}

export const zlib = {
  constants: { Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5, Z_OK: 0, Z_STREAM_END: 1, Z_NEED_DICT: 2,
    Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1,
    Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1, Z_DEFAULT_STRATEGY: 0, Z_DEFAULT_WINDOWBITS: 15, Z_MIN_CHUNK: 64, Z_DEFAULT_CHUNK: 16384,
    BROTLI_OPERATION_PROCESS: 0, BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2, BROTLI_PARAM_MODE: 0, BROTLI_PARAM_QUALITY: 1 },
  crc32: (data, seed = 0) => native.crc32(input(data), seed),
  BrotliCompress: class { constructor() { throw unsupported('Brotli compression'); } },
  createBrotliCompress() { throw unsupported('Brotli compression'); },
  brotliCompressSync() { throw unsupported('Brotli compression'); },
  brotliCompress() { throw unsupported('Brotli compression'); },
};
zlib.codes = Object.freeze({ Z_OK: 0, Z_STREAM_END: 1, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5 });
Object.assign(zlib, zlib.constants);

for (const [name, kind] of Object.entries(KINDS)) {
  const method = name[0].toLowerCase() + name.slice(1);
  const Class = class extends stream.Transform {
    constructor(options) {
      super(options);
      const inflator = new Inflator(kind, options?.level, options?.maxOutputLength);
      this.bytesWritten = 0;
      const step = (chunk, last, callback) => {
        try {
          this.bytesWritten += chunk.length;
          const out = inflator.step(chunk, last);
          callback(null, out.length > 0 ? out : undefined);
        } catch (error) {
          callback(error);
        }
      };
      this._transform = (chunk, encoding, callback) => step(input(chunk, encoding), false, callback);
      this._flush = (callback) => step(new Uint8Array(0), true, callback);
    }

    flush(kindOrCallback, callback = kindOrCallback) { if (typeof callback === 'function') nextTick(callback); }
    close(callback) {
      if (callback) this.once('close', callback);
      this.destroy();
    }
  };
  Object.defineProperty(Class, 'name', { value: name });
  zlib[name] = Class;
  zlib[`create${name}`] = (options) => new Class(options);
  zlib[`${method}Sync`] = (data, options) => once(kind, data, options);
  zlib[method] = (data, options, callback = options) => {
    const settings = typeof options === 'function' ? undefined : options;
    const bytes = Buffer.from(input(data));
    nextTick(() => {
      let result;
      try {
        result = once(kind, bytes, settings);
      } catch (error) {
        callback(error);
        return;
      }
      callback(null, result);
    });
  };
}

const FORMATS = { gzip: ['gzip', 'gunzip'], deflate: ['deflate', 'inflate'], 'deflate-raw': ['deflateRaw', 'inflateRaw'] };

/** The streams of the web for the same. */
function webStream(index) {
  return class {
    #pair;
    constructor(format) {
      if (!FORMATS[format]) throw new TypeError(`Unsupported compression format: '${format}'`);
      const inflator = new Inflator(FORMATS[format][index]);
      const give = (controller, bytes) => { if (bytes.length > 0) controller.enqueue(new Uint8Array(bytes)); };
      this.#pair = new TransformStream({
        transform: (chunk, controller) => give(controller, inflator.step(input(chunk), false)),
        flush: (controller) => give(controller, inflator.step(new Uint8Array(0), true)),
      });
    }

    get readable() { return this.#pair.readable; }
    get writable() { return this.#pair.writable; }
  };
}
export const CompressionStream = webStream(0);
export const DecompressionStream = webStream(1);
