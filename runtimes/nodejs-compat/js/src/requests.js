// Requests that the host carries out: the one place that speaks the ABI's `http_*`.

import { unwatch, watch } from './loop.js';

const NO_LIMIT = 65536;
const CODES = { denied: 'EACCES', dns: 'ENOTFOUND', connect: 'ECONNREFUSED', tls: 'EPROTO', timeout: 'ETIMEDOUT', protocol: 'HPE_INVALID_CONSTANT',
  'too-large': 'ERR_RESPONSE_TOO_LARGE' };

function failure({ kind, message }) {
  return Object.assign(new Error(message), { code: CODES[kind] ?? 'ECONNRESET', kind });
}

/**
 * Starts a request. `on.head({ status, headers })` comes once, then `on.data(bytes)` as long as `resume` is in force, then `on.end()`;
 * `on.error(error)` instead of any of them.
 */
export class Request {
  #handle;
  #on;
  #headTaken = false;
  #watched = false;

  constructor({ method, url, headers, timeoutMs, body }, on) {
    this.#on = on;
    const head = { method, url, headers };
    if (timeoutMs > 0) head.timeoutMs = Math.ceil(timeoutMs);
    this.#handle = native.httpStart(JSON.stringify(head), body ?? new Uint8Array(0));
    if (this.#handle < 0) {
      const denied = this.#handle === -4;
      const error = Object.assign(new Error(denied ? `request to ${url} is not allowed` : `request to ${url} could not be made: ${this.#handle}`),
        { code: denied ? 'EACCES' : this.#handle === -3 ? 'EMFILE' : 'EINVAL' });
      this.#handle = 0;
      queueMicrotask(() => on.error(error));
      return;
    }
    this.resume();
  }

  /** Goes on reading. */
  resume() {
    if (this.#watched || this.#handle === 0) return;
    this.#watched = true;
    watch(this.#handle, () => this.#news());
  }

  /** Reads no more for now: the host keeps what comes. */
  pause() {
    if (!this.#watched) return;
    this.#watched = false;
    unwatch(this.#handle);
  }

  close() {
    if (this.#handle === 0) return;
    this.pause();
    native.httpClose(this.#handle);
    this.#handle = 0;
  }

  #news() {
    if (!this.#headTaken) {
      const head = native.httpHead(this.#handle);
      this.#headTaken = true;
      const error = typeof head === 'number' ? Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
        : head.error ? failure(head.error) : undefined;
      if (error) {
        this.close();
        this.#on.error(error);
      } else {
        this.pause();
        this.#on.head(head);
      }
      return;
    }
    const piece = native.httpBody(this.#handle, NO_LIMIT);
    if (typeof piece === 'number') {
      this.close();
      this.#on.error(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
    } else if (piece.length === 0) {
      this.close();
      this.#on.end();
    } else {
      this.#on.data(piece);
    }
  }
}
