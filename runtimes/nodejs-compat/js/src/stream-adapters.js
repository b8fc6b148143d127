// Between Node's streams and those of the web.

import * as web from 'web-streams-polyfill';
import stream from 'readable-stream';

const { Readable, Writable, finished } = stream;

export const fromWeb = {
  readable(source, options = {}) {
    const reader = source.getReader();
    return new Readable({
      ...options,
      read() {
        reader.read().then(({ value, done }) => this.push(done ? null : value), (error) => this.destroy(error));
      },
      destroy(error, callback) {
        const closed = () => callback(error);
        reader.cancel(error ?? undefined).then(closed, closed);
      },
    });
  },

  writable(sink, options = {}) {
    const writer = sink.getWriter();
    const then = (promise, callback) => promise.then(() => callback(), callback);
    return new Writable({
      ...options,
      write(chunk, encoding, callback) { then(writer.ready.then(() => writer.write(chunk)), callback); },
      final(callback) { then(writer.close(), callback); },
      destroy(error, callback) {
        if (!error) return callback();
        const closed = () => callback(error);
        writer.abort(error).then(closed, closed);
        return undefined;
      },
    });
  },
};

export const toWeb = {
  readable(source) {
    const plain = (chunk) => (chunk instanceof Uint8Array ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength) : chunk);
    return new web.ReadableStream({
      start(controller) {
        source.pause();
        source.on('data', (chunk) => {
          controller.enqueue(plain(chunk));
          if (controller.desiredSize <= 0) source.pause();
        });
        finished(source, { writable: false }, (error) => (error ? controller.error(error) : controller.close()));
      },
      pull() { source.resume(); },
      cancel(reason) { source.destroy(reason instanceof Error ? reason : undefined); },
    });
  },

  writable(sink) {
    return new web.WritableStream({
      write: (chunk) => new Promise((resolve, reject) => { sink.write(chunk, (error) => (error ? reject(error) : resolve())); }),
      close: () => new Promise((resolve, reject) => { sink.end((error) => (error ? reject(error) : resolve())); }),
      abort(reason) { sink.destroy(reason instanceof Error ? reason : new Error(String(reason))); },
    });
  },
};
