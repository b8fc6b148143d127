// `fetch`, `Request` and `Response`.

import { ReadableStream } from 'web-streams-polyfill';
import { Blob, FormData, contents, multipart, parseForm } from './blob.js';
import { Buffer } from './buffer.js';
import { Headers } from './headers.js';
import { Request as HostRequest } from './requests.js';
import { Inflator } from './inflate.js';

const MAX_REDIRECTS = 20;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const EMPTY = new Set([101, 103, 204, 205, 304]);

/** A body's bytes or stream, and the content type it brings along. */
function extract(body) {
  if (body === null || body === undefined) return { body: null };
  if (typeof body === 'string') return { bytes: Buffer.from(body), type: 'text/plain;charset=UTF-8' };
  if (body instanceof URLSearchParams) return { bytes: Buffer.from(`${body}`), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
  if (body instanceof FormData) return multipart(body);
  if (body instanceof Blob) return { bytes: contents(body), type: body.type || undefined };
  if (ArrayBuffer.isView(body)) return { bytes: Buffer.from(new Uint8Array(body.buffer, body.byteOffset, body.byteLength)) };
  if (body instanceof ArrayBuffer) return { bytes: Buffer.from(new Uint8Array(body)) };
  if (body instanceof ReadableStream) return { stream: body };
  if (typeof body[Symbol.asyncIterator] === 'function') return { stream: ReadableStream.from(body) };
  return { bytes: Buffer.from(`${body}`), type: 'text/plain;charset=UTF-8' };
}

function streamOf(bytes) {
  return new ReadableStream({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(new Uint8Array(bytes));
      controller.close();
    },
  });
}

/** What requests and responses share. */
class Body {
  #bytes;
  #stream = null;
  #used = false;

  take(body, headers) {
    const { bytes, stream, type } = extract(body);
    this.#bytes = bytes;
    this.#stream = stream ?? null;
    if (type && !headers.has('content-type')) headers.set('content-type', type);
  }

  get body() {
    if (this.#bytes !== undefined) {
      this.#stream = streamOf(this.#bytes);
      this.#bytes = undefined;
    }
    return this.#stream;
  }

  get bodyUsed() { return this.#used || this.#disturbed; }
  get #disturbed() { return this.#stream?._disturbed === true; }

  async #consume() {
    if (this.bodyUsed || this.#stream?.locked) throw new TypeError('Body is unusable: Body has already been read');
    this.#used = this.#bytes !== undefined || this.#stream !== null;
    if (this.#bytes !== undefined) return this.#bytes;
    if (this.#stream === null) return Buffer.alloc(0);
    const pieces = [];
    const reader = this.#stream.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      if (!(value instanceof Uint8Array)) throw new TypeError('Received non-Uint8Array chunk');
      pieces.push(value);
    }
    return pieces.length === 1 ? Buffer.from(pieces[0].buffer, pieces[0].byteOffset, pieces[0].byteLength) : Buffer.concat(pieces);
  }

  async arrayBuffer() {
    const bytes = await this.#consume();
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  }

  async bytes() { return new Uint8Array(await this.arrayBuffer()); }
  async blob() { return new Blob([await this.#consume()], { type: this.headers.get('content-type') ?? '' }); }
  async formData() { return parseForm(await this.#consume(), this.headers.get('content-type') ?? ''); }
  async json() { return JSON.parse(await this.text()); }

  async text() {
    const bytes = await this.#consume();
    return native.decodeUtf8(bytes, bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0, bytes.length, false);
  }

  /** The same body for a second owner. */
  share(other) {
    if (this.bodyUsed || this.#stream?.locked) throw new TypeError('Body has already been used');
    if (this.#bytes !== undefined) {
      other.#bytes = this.#bytes;
    } else if (this.#stream !== null) {
      const [mine, theirs] = this.#stream.tee();
      this.#stream = mine;
      other.#stream = theirs;
    }
  }

  consume() { return this.#consume(); }
}

const { take, share, consume } = Body.prototype;
for (const name of ['take', 'share', 'consume']) delete Body.prototype[name];

const METHODS = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']);

export class Request extends Body {
  #url;
  #signal;

  constructor(input, init = {}) {
    super();
    const from = input instanceof Request ? input : undefined;
    this.#url = new URL(from ? from.url : `${input}`);
    if (this.#url.username || this.#url.password) throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${input}`);
    const method = `${init.method ?? from?.method ?? 'GET'}`;
    this.method = METHODS.has(method.toUpperCase()) ? method.toUpperCase() : method;
    this.headers = new Headers(init.headers ?? from?.headers);
    this.redirect = init.redirect ?? from?.redirect ?? 'follow';
    this.cache = init.cache ?? 'default';
    this.credentials = init.credentials ?? 'same-origin';
    this.mode = init.mode ?? 'cors';
    this.referrer = 'about:client';
    this.referrerPolicy = '';
    this.integrity = '';
    this.keepalive = !!init.keepalive;
    this.duplex = 'half';
    this.destination = '';
    this.#signal = init.signal ?? from?.signal ?? new AbortController().signal;
    const body = init.body ?? null;
    if (body !== null && (this.method === 'GET' || this.method === 'HEAD')) throw new TypeError('Request with GET/HEAD method cannot have body.');
    if (body !== null) take.call(this, body, this.headers);
    else if (from) share.call(from, this);
  }

  get url() { return this.#url.href; }
  get signal() { return this.#signal; }
  clone() { return new Request(this); }
}
Object.defineProperty(Request.prototype, Symbol.toStringTag, { value: 'Request', configurable: true });

export class Response extends Body {
  #url = '';
  #redirected = false;
  #type = 'default';

  constructor(body = null, init = {}) {
    super();
    const status = init.status ?? 200;
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.');
    if (body !== null && body !== undefined && EMPTY.has(status)) throw new TypeError(`Response with null body status cannot have body: ${status}`);
    this.status = status;
    this.statusText = `${init.statusText ?? ''}`;
    this.headers = new Headers(init.headers);
    take.call(this, body, this.headers);
  }

  static error() {
    const response = new Response();
    response.#type = 'error';
    response.status = 0;
    return response;
  }

  static json(data, init = {}) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError('Value is not JSON serializable');
    const headers = new Headers(init.headers);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return new Response(text, { ...init, headers });
  }

  static redirect(url, status = 302) {
    if (!REDIRECTS.has(status)) throw new RangeError(`Invalid status code ${status}`);
    return new Response(null, { status, headers: { location: new URL(url).href } });
  }

  /** A response that came from a server. */
  static received(stream, init, url, redirected) {
    const response = new Response(null, init);
    if (stream) take.call(response, stream, response.headers);
    response.#url = url;
    response.#redirected = redirected;
    response.#type = 'basic';
    return response;
  }

  get ok() { return this.status >= 200 && this.status < 300; }
  get url() { return this.#url; }
  get redirected() { return this.#redirected; }
  get type() { return this.#type; }

  clone() {
    const copy = new Response(null, this);
    share.call(this, copy);
    copy.#url = this.#url;
    copy.#redirected = this.#redirected;
    copy.#type = this.#type;
    return copy;
  }
}
const { received } = Response;
delete Response.received;
Object.defineProperty(Response.prototype, Symbol.toStringTag, { value: 'Response', configurable: true });

const failed = (cause) => Object.assign(new TypeError('fetch failed', { cause }));

/** One exchange: the head, and the body as a stream. */
function exchange(method, url, headers, body, signal) {
  return new Promise((resolve, reject) => {
    let controller;
    let ended = false;
    const abort = () => fail(signal.reason);
    const finish = () => {
      ended = true;
      signal.removeEventListener('abort', abort);
    };
    const fail = (error) => {
      if (ended) return;
      finish();
      request.close();
      reject(error);
      controller?.error(error);
    };
    const request = new HostRequest({ method, url, headers, body }, {
      head(head) {
        const encoding = head.headers.find(([name]) => name.toLowerCase() === 'content-encoding')?.[1]?.trim().toLowerCase();
        const inflator = method === 'HEAD' || EMPTY.has(head.status) ? undefined : Inflator.for(encoding);
        this.inflator = inflator;
        const stream = new ReadableStream({
          start(given) { controller = given; },
          pull() { request.resume(); },
          cancel() {
            finish();
            request.close();
          },
        }, { highWaterMark: 2 });
        resolve({ head, stream });
        request.resume();
      },
      data(piece) {
        try {
          const bytes = this.inflator ? this.inflator.step(piece, false) : piece;
          if (bytes.length > 0) controller.enqueue(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
          if (controller.desiredSize <= 0) request.pause();
        } catch (error) {
          fail(failed(error));
        }
      },
      end() {
        try {
          const rest = this.inflator?.step(new Uint8Array(0), true);
          if (rest?.length > 0) controller.enqueue(new Uint8Array(rest));
          finish();
          controller.close();
        } catch (error) {
          fail(failed(error));
        }
      },
      error(error) { fail(controller ? Object.assign(new TypeError('terminated', { cause: error })) : failed(error)); },
    });
    signal.addEventListener('abort', abort, { once: true });
  });
}

function dataUrl(url) {
  const [, type, base64, data] = /^data:([^,]*?)(;base64)?,(.*)$/s.exec(url) ?? [];
  if (data === undefined) throw failed(new Error('invalid data URL'));
  const bytes = base64 ? Buffer.from(decodeURIComponent(data), 'base64') : Buffer.from(decodeURIComponent(data));
  return new Response(bytes, { headers: { 'content-type': type || 'text/plain;charset=US-ASCII' } });
}

export async function fetch(input, init) {
  const request = new Request(input, init);
  const { signal } = request;
  signal.throwIfAborted();
  let url = new URL(request.url);
  if (url.protocol === 'data:') return dataUrl(url.href);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw failed(new Error(`unknown scheme: ${url.protocol}`));
  let { method } = request;
  let body = await consume.call(request);
  const headers = new Headers(request.headers);
  if (!headers.has('accept')) headers.set('accept', '*/*');
  if (!headers.has('user-agent')) headers.set('user-agent', 'node');
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'gzip, deflate, br');
  for (let redirects = 0; ; redirects++) {
    signal.throwIfAborted();
    const target = new URL(url);
    target.hash = '';
    const { head, stream } = await exchange(method, target.href, [...headers], body, signal);
    const location = head.headers.find(([name]) => name.toLowerCase() === 'location')?.[1];
    if (REDIRECTS.has(head.status) && location !== undefined && request.redirect !== 'manual') {
      await stream.cancel();
      if (request.redirect === 'error') throw failed(new Error('unexpected redirect'));
      if (redirects === MAX_REDIRECTS) throw failed(new Error('redirect count exceeded'));
      const next = new URL(location, url);
      if (next.protocol !== 'http:' && next.protocol !== 'https:') throw failed(new Error('URL scheme must be a HTTP(S) scheme'));
      if (next.hash === '') next.hash = url.hash;
      if (next.origin !== url.origin) for (const name of ['authorization', 'proxy-authorization', 'cookie', 'host']) headers.delete(name);
      if ((head.status === 303 && method !== 'GET' && method !== 'HEAD') || (head.status < 303 && method === 'POST')) {
        method = 'GET';
        body = undefined;
        for (const name of ['content-encoding', 'content-language', 'content-location', 'content-type', 'content-length']) headers.delete(name);
      }
      url = next;
      continue;
    }
    if (method === 'HEAD' || EMPTY.has(head.status)) await stream.cancel();
    const kept = method === 'HEAD' || EMPTY.has(head.status) ? null : stream;
    return received(kept, { status: head.status, statusText: STATUS[head.status] ?? '', headers: head.headers }, url.href, redirects > 0);
  }
}

export const STATUS = { 100: 'Continue', 101: 'Switching Protocols', 102: 'Processing', 103: 'Early Hints', 200: 'OK', 201: 'Created', 202: 'Accepted',
  203: 'Non-Authoritative Information', 204: 'No Content', 205: 'Reset Content', 206: 'Partial Content', 207: 'Multi-Status', 300: 'Multiple Choices',
  301: 'Moved Permanently', 302: 'Found', 303: 'See Other', 304: 'Not Modified', 307: 'Temporary Redirect', 308: 'Permanent Redirect',
  400: 'Bad Request', 401: 'Unauthorized', 402: 'Payment Required', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed',
  406: 'Not Acceptable', 407: 'Proxy Authentication Required', 408: 'Request Timeout', 409: 'Conflict', 410: 'Gone', 411: 'Length Required',
  412: 'Precondition Failed', 413: 'Payload Too Large', 414: 'URI Too Long', 415: 'Unsupported Media Type', 416: 'Range Not Satisfiable',
  417: 'Expectation Failed', 418: "I'm a Teapot", 421: 'Misdirected Request', 422: 'Unprocessable Entity', 423: 'Locked', 424: 'Failed Dependency',
  425: 'Too Early', 426: 'Upgrade Required', 428: 'Precondition Required', 429: 'Too Many Requests', 431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons', 500: 'Internal Server Error', 501: 'Not Implemented', 502: 'Bad Gateway', 503: 'Service Unavailable',
  504: 'Gateway Timeout', 505: 'HTTP Version Not Supported', 507: 'Insufficient Storage', 508: 'Loop Detected', 511: 'Network Authentication Required' };
