// Response streaming: `awslambda.streamifyResponse` and `awslambda.HttpResponseStream`.

import { Writable } from 'readable-stream';
import { Buffer } from './buffer.js';
import { coded } from './errors.js';

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HTTP_INTEGRATION = 'application/vnd.awslambda.http-integration-response';
const CLOSED = -2;

/** Whether a handler was given to `streamifyResponse`. */
export const isStreaming = (handler) => handler[STREAMING] === 'response';

/** What a streaming handler writes to. */
export class ResponseStream extends Writable {
  #type = 'application/octet-stream';
  #prelude;
  begun = false;

  setContentType(type) {
    if (this.begun) throw coded(Error, 'ERR_HTTP_HEADERS_SENT', 'Cannot set the content type after the response has begun');
    this.#type = `${type}`;
  }

  setPrelude(metadata) {
    this.#type = HTTP_INTEGRATION;
    this.#prelude = Buffer.concat([Buffer.from(JSON.stringify(metadata)), Buffer.alloc(8)]);
  }

  /** Tells the host that the response begins; its head goes first. */
  begin() {
    if (this.begun) return;
    this.begun = true;
    this.#check(native.streamBegin(this.#type));
    if (this.#prelude) this.#check(native.streamWrite(this.#prelude));
  }

  #check(result) {
    if (result >= 0) return;
    throw result === CLOSED ? coded(Error, 'EPIPE', 'write EPIPE: the reader of the response is gone')
      : coded(Error, 'ERR_STREAM_WRITE', `the response could not be written: ${result}`);
  }

  _write(chunk, encoding, callback) {
    try {
      this.begin();
      if (chunk.length > 0) this.#check(native.streamWrite(chunk));
      callback();
    } catch (error) {
      callback(error);
    }
  }

  _final(callback) {
    try {
      this.begin();
      callback();
    } catch (error) {
      callback(error);
    }
  }
}

const write = Writable.prototype.write;
ResponseStream.prototype.write = function (chunk, encoding, callback) {
  const plain = typeof chunk === 'string' || chunk instanceof Uint8Array;
  return write.call(this, plain || chunk === null ? chunk : JSON.stringify(chunk), encoding, callback);
};

const hooks = { before: [], after: [] };

/** The global `awslambda`. */
export const awslambda = {
  streamifyResponse(handler, options) {
    handler[STREAMING] = 'response';
    if (options?.highWaterMark !== undefined) handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')] = Number(options.highWaterMark);
    return handler;
  },
  HttpResponseStream: {
    from(stream, metadata) {
      stream.setPrelude(metadata);
      return stream;
    },
  },
  registerBeforeSnapshot(hook) { hooks.before.push(hook); },
  registerAfterRestore(hook) { hooks.after.push(hook); },
};

/** Runs hooks: those before a snapshot last first, those after a restore in order. */
export async function runHooks(moment) {
  for (const hook of moment === 'before' ? [...hooks.before].reverse() : hooks.after) await hook();
}

/** The module `lamina:snapshot`. */
export const snapshotModule = { registerBeforeSnapshot: awslambda.registerBeforeSnapshot, registerAfterRestore: awslambda.registerAfterRestore };
