// The host language's compressors, a piece at a time.

import { asBuffer } from './buffer.js';

const KINDS = { gzip: 'gunzip', 'x-gzip': 'gunzip', deflate: 'unzip', br: 'brotliDecompress' };
const LARGEST = 2 ** 31;

const CODES = { 'incorrect header check': 'Z_DATA_ERROR', 'invalid data': 'Z_DATA_ERROR', 'incorrect data check': 'Z_DATA_ERROR',
  'unknown compression method': 'Z_DATA_ERROR', 'unexpected end of file': 'Z_BUF_ERROR', 'Decompression failed': 'ERR__ERROR_FORMAT_PADDING_1' };

/** A stream through one of the compressors. */
export class Inflator {
  #handle;
  #limit;
  #ended = false;

  constructor(kind, level = -1, limit = LARGEST) {
    this.#handle = native.codecNew(kind, level);
    this.#limit = limit;
  }

  /** What undoes a content encoding; nothing for none. */
  static for(encoding) { return KINDS[encoding] ? new Inflator(KINDS[encoding]) : undefined; }

  /** What a piece gives, and the rest with the last one. */
  step(piece, last) {
    if (this.#ended) return asBuffer(new Uint8Array(0));
    const result = native.codecStep(this.#handle, piece, last, this.#limit);
    if (typeof result === 'string') {
      this.#ended = true;
      if (result === 'too large') {
        throw Object.assign(new RangeError(`Cannot create a Buffer larger than ${this.#limit} bytes`), { code: 'ERR_BUFFER_TOO_LARGE' });
      }
      throw Object.assign(new Error(result), { code: CODES[result] ?? 'Z_STREAM_ERROR', errno: result === 'unexpected end of file' ? -5 : -3 });
    }
    this.#ended = last;
    return asBuffer(result);
  }
}
