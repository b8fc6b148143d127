// `http` and `https`: clients over the host's requests, and the message objects that frameworks use without a socket.

import EventEmitter from './events-module.js';
import stream from 'readable-stream';
import { Buffer } from './buffer.js';
import { coded, unsupported } from './errors.js';
import { STATUS } from './fetch.js';
import { Request as HostRequest } from './requests.js';
import { clearTimeout, nextTick, setTimeout } from './loop.js';

const METHODS = ['ACL', 'BIND', 'CHECKOUT', 'CONNECT', 'COPY', 'DELETE', 'GET', 'HEAD', 'LINK', 'LOCK', 'M-SEARCH', 'MERGE', 'MKACTIVITY',
  'MKCALENDAR', 'MKCOL', 'MOVE', 'NOTIFY', 'OPTIONS', 'PATCH', 'POST', 'PROPFIND', 'PROPPATCH', 'PURGE', 'PUT', 'QUERY', 'REBIND', 'REPORT',
  'SEARCH', 'SOURCE', 'SUBSCRIBE', 'TRACE', 'UNBIND', 'UNLINK', 'UNLOCK', 'UNSUBSCRIBE'];

/** Headers whose second value is passed over rather than joined. */
const SINGLE = new Set(['age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host', 'if-modified-since',
  'if-unmodified-since', 'last-modified', 'location', 'max-forwards', 'proxy-authorization', 'referer', 'retry-after', 'server', 'user-agent']);

/** What stands for a connection where somebody asks for it. */
export class Socket extends stream.Duplex {
  constructor(options) {
    super({ ...options, read() {}, write(chunk, encoding, callback) { callback(); } });
    this.remoteAddress = '127.0.0.1';
    this.encrypted = false;
    this.connecting = false;
    this.authorized = true;
  }

  setTimeout() { return this; }
  setKeepAlive() { return this; }
  setNoDelay() { return this; }
  ref() { return this; }
  unref() { return this; }
  address() { return { address: '127.0.0.1', family: 'IPv4', port: 0 }; }
  connect() { throw unsupported('Connecting a socket'); }
  cork() {}
  uncork() {}
}

function addHeader(headers, name, value) {
  if (name === 'set-cookie') (headers[name] ??= []).push(value);
  else if (headers[name] === undefined) headers[name] = value;
  else if (!SINGLE.has(name)) headers[name] += `${name === 'cookie' ? '; ' : ', '}${value}`;
}

export class IncomingMessage extends stream.Readable {
  constructor(socket) {
    super({ highWaterMark: socket?.readableHighWaterMark });
    this.socket = this.connection = socket;
    this.httpVersion = '1.1';
    this.httpVersionMajor = 1;
    this.httpVersionMinor = 1;
    this.complete = false;
    this.headers = {};
    this.headersDistinct = {};
    this.rawHeaders = [];
    this.trailers = {};
    this.rawTrailers = [];
    this.aborted = false;
    this.upgrade = false;
    this.url = '';
    this.method = null;
    this.statusCode = null;
    this.statusMessage = null;
  }

  _read() {}
  setTimeout(delay, callback) {
    if (callback) this.on('timeout', callback);
    return this;
  }
}

export class OutgoingMessage extends stream.Writable {
  #headers = new Map();

  constructor(options) {
    super(options);
    this.headersSent = false;
    this.sendDate = false;
    this.finished = false;
    this.chunkedEncoding = false;
    this.shouldKeepAlive = true;
    this.socket = this.connection = null;
  }

  setHeader(name, value) {
    if (this.headersSent) throw coded(Error, 'ERR_HTTP_HEADERS_SENT', 'Cannot set headers after they are sent to the client');
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw coded(TypeError, 'ERR_INVALID_HTTP_TOKEN', `Header name must be a valid HTTP token ["${name}"]`);
    if (value === undefined) throw coded(TypeError, 'ERR_HTTP_INVALID_HEADER_VALUE', `Invalid value "undefined" for header "${name}"`);
    if (/[^\t\x20-\x7e\x80-\xff]/.test(`${value}`)) throw coded(TypeError, 'ERR_INVALID_CHAR', `Invalid character in header content ["${name}"]`);
    this.#headers.set(name.toLowerCase(), [name, value]);
    return this;
  }

  setHeaders(headers) {
    for (const [name, value] of headers) this.setHeader(name, value);
    return this;
  }

  appendHeader(name, value) {
    const known = this.getHeader(name);
    return this.setHeader(name, known === undefined ? value : [known, value].flat());
  }

  getHeader(name) { return this.#headers.get(`${name}`.toLowerCase())?.[1]; }
  getHeaders() { return Object.assign(Object.create(null), Object.fromEntries([...this.#headers].map(([name, [, value]]) => [name, value]))); }
  getHeaderNames() { return [...this.#headers.keys()]; }
  getRawHeaderNames() { return [...this.#headers.values()].map(([name]) => name); }
  hasHeader(name) { return this.#headers.has(`${name}`.toLowerCase()); }

  removeHeader(name) {
    if (this.headersSent) throw coded(Error, 'ERR_HTTP_HEADERS_SENT', 'Cannot remove headers after they are sent to the client');
    this.#headers.delete(`${name}`.toLowerCase());
  }

  get _headers() { return this.getHeaders(); }
  get _header() { return this.headersSent ? this.headerText() : null; }
  headerText() { return this.headerList().map(([name, value]) => `${name}: ${value}\r\n`).join(''); }
  headerList() { return [...this.#headers.values()].flatMap(([name, value]) => [value].flat().map((each) => [name, `${each}`])); }
  flushHeaders() {}
  addTrailers() {}
  setTimeout(delay, callback) {
    if (callback) this.once('timeout', callback);
    return this;
  }

  end(...args) {
    this.finished = true;
    return super.end(...args);
  }
}

/** A response as frameworks write it; its bytes go to the socket it was assigned, or nowhere. */
export class ServerResponse extends OutgoingMessage {
  constructor(request, options) {
    super(options);
    this.req = request;
    this.statusCode = 200;
    this.statusMessage = undefined;
    this.sendDate = true;
    this.useChunkedEncodingByDefault = request?.httpVersionMajor === 1 && request?.httpVersionMinor === 1;
    if (request?.method === 'HEAD') this._hasBody = false;
    else this._hasBody = true;
  }

  assignSocket(socket) {
    socket._httpMessage = this;
    this.socket = this.connection = socket;
    this.emit('socket', socket);
  }

  detachSocket(socket) {
    socket._httpMessage = null;
    this.socket = this.connection = null;
  }

  writeHead(status, message, headers) {
    if (this.headersSent) throw coded(Error, 'ERR_HTTP_HEADERS_SENT', 'Cannot write headers after they are sent to the client');
    if (typeof message !== 'string') [message, headers] = [undefined, message ?? headers];
    status |= 0;
    if (status < 100 || status > 999) throw coded(RangeError, 'ERR_HTTP_INVALID_STATUS_CODE', `Invalid status code: ${status}`);
    this.statusCode = status;
    if (message !== undefined) this.statusMessage = message;
    if (Array.isArray(headers)) {
      const pairs = Array.isArray(headers[0]) ? headers : headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : []));
      for (const [name, value] of pairs) this.appendHeader(name, value);
    } else if (headers) {
      for (const [name, value] of Object.entries(headers)) if (name) this.setHeader(name, value);
    }
    return this;
  }

  writeContinue() {}
  writeProcessing() {}
  writeEarlyHints() {}

  _implicitHeader() { this.writeHead(this.statusCode); }

  /** What goes first: status line and headers. */
  #begin() {
    if (this.headersSent) return;
    this.statusMessage ??= STATUS[this.statusCode] ?? 'unknown';
    if (this.sendDate && !this.hasHeader('date')) this.setHeader('Date', new Date().toUTCString());
    if (!this.hasHeader('content-length') && !this.hasHeader('transfer-encoding') && this.useChunkedEncodingByDefault && this._hasBody
      && this.statusCode !== 204 && this.statusCode !== 304) {
      this.chunkedEncoding = true;
      this.setHeader('Transfer-Encoding', 'chunked');
    }
    if (!this.hasHeader('connection')) this.setHeader('Connection', this.shouldKeepAlive ? 'keep-alive' : 'close');
    this.headersSent = true;
    this.socket?.write(`HTTP/1.1 ${this.statusCode} ${this.statusMessage}\r\n${this.headerText()}\r\n`);
  }

  flushHeaders() { this.#begin(); }

  end(chunk, encoding, callback) {
    if (typeof chunk === 'function') [chunk, callback] = [undefined, chunk];
    if (!this.headersSent && !this.hasHeader('content-length') && !this.hasHeader('transfer-encoding')) {
      const length = chunk === undefined || chunk === null ? 0 : typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length;
      if (this._hasBody && this.statusCode !== 204 && this.statusCode !== 304) this.setHeader('Content-Length', length);
    }
    return super.end(chunk, encoding, callback);
  }

  _write(chunk, encoding, callback) {
    this.#begin();
    if (!this.socket) {
      callback();
      return;
    }
    if (this._hasBody) {
      if (this.chunkedEncoding) this.socket.write(`${chunk.length.toString(16)}\r\n`);
      this.socket.write(chunk);
      if (this.chunkedEncoding) this.socket.write('\r\n');
    }
    callback();
  }

  _final(callback) {
    this.#begin();
    if (this.chunkedEncoding) this.socket?.write('0\r\n\r\n');
    callback();
  }
}

export class Agent extends EventEmitter {
  constructor(options = {}) {
    super();
    this.options = { ...options };
    this.keepAlive = options.keepAlive ?? false;
    this.maxSockets = options.maxSockets ?? Infinity;
    this.maxFreeSockets = options.maxFreeSockets ?? 256;
    this.maxTotalSockets = options.maxTotalSockets ?? Infinity;
    this.sockets = {};
    this.requests = {};
    this.freeSockets = {};
    this.protocol = 'http:';
    this.defaultPort = 80;
  }

  destroy() {}
  getName(options = {}) { return `${options.host ?? 'localhost'}:${options.port ?? ''}:${options.localAddress ?? ''}`; }
}

class HttpsAgent extends Agent {
  constructor(options) {
    super(options);
    this.protocol = 'https:';
    this.defaultPort = 443;
  }
}

/** A request on its way: it is sent whole when it is ended. */
export class ClientRequest extends OutgoingMessage {
  #pieces = [];
  #request;
  #timer;
  #url;
  #timeout;
  #response;

  constructor(input, options, callback) {
    super();
    if (typeof input === 'string' || input instanceof URL) {
      if (typeof options === 'function') [options, callback] = [{}, options];
      const url = new URL(input);
      const parts = { protocol: url.protocol, hostname: url.hostname, port: url.port || undefined, path: `${url.pathname}${url.search}` };
      if (url.username || url.password) parts.auth = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
      options = { ...parts, ...options };
    } else {
      if (typeof options === 'function') callback = options;
      options = { ...input };
    }
    this.agent = options.agent === false ? new Agent() : options.agent;
    const protocol = options.protocol ?? this.agent?.protocol ?? options.defaultProtocol ?? 'http:';
    if (protocol !== 'http:' && protocol !== 'https:') throw coded(TypeError, 'ERR_INVALID_PROTOCOL', `Protocol "${protocol}" not supported. Expected "http:"`);
    this.protocol = protocol;
    this.method = `${options.method ?? 'GET'}`.toUpperCase();
    this.path = options.path ?? '/';
    if (/[\0-\x20]/.test(this.path)) throw coded(TypeError, 'ERR_UNESCAPED_CHARACTERS', 'Request path contains unescaped characters');
    this.host = options.hostname ?? options.host ?? 'localhost';
    const port = options.port ?? options.defaultPort;
    const standard = protocol === 'https:' ? 443 : 80;
    const name = this.host.includes(':') && !this.host.startsWith('[') ? `[${this.host}]` : this.host;
    const authority = port && Number(port) !== standard ? `${name}:${port}` : name;
    this.#url = `${protocol}//${authority}${this.path.startsWith('/') ? '' : '/'}${this.path}`;
    this.reusedSocket = false;
    this.aborted = false;
    if (Array.isArray(options.headers)) {
      for (let at = 0; at < options.headers.length; at += 2) this.appendHeader(options.headers[at], options.headers[at + 1]);
    } else {
      for (const [header, value] of Object.entries(options.headers ?? {})) if (value !== undefined) this.setHeader(header, value);
    }
    if (!this.hasHeader('host') && options.setHost !== false) this.setHeader('Host', authority);
    if (options.auth && !this.hasHeader('authorization')) this.setHeader('Authorization', `Basic ${Buffer.from(options.auth).toString('base64')}`);
    if (callback) this.once('response', callback);
    if (options.timeout) this.setTimeout(options.timeout);
    const { signal } = options;
    if (signal) {
      const abort = () => this.destroy(Object.assign(new Error('The operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR', cause: signal.reason }));
      if (signal.aborted) nextTick(abort);
      else signal.addEventListener('abort', abort, { once: true });
    }
    this.socket = this.connection = new Socket();
    nextTick(() => this.emit('socket', this.socket));
  }

  setTimeout(delay, callback) {
    if (callback) this.once('timeout', callback);
    clearTimeout(this.#timer);
    this.#timeout = delay;
    if (delay > 0) this.#timer = setTimeout(() => this.emit('timeout'), delay).unref();
    return this;
  }

  setNoDelay() { return this; }
  setSocketKeepAlive() { return this; }
  onSocket() {}
  abort() {
    if (this.aborted) return;
    this.aborted = true;
    nextTick(() => this.emit('abort'));
    this.destroy();
  }

  _write(chunk, encoding, callback) {
    this.#pieces.push(chunk);
    callback();
  }

  _final(callback) {
    this.#send();
    callback();
  }

  #send() {
    const body = Buffer.concat(this.#pieces);
    const headers = this.headerList().filter(([name]) => !/^(transfer-encoding|connection|expect|keep-alive)$/i.test(name));
    const bodied = body.length > 0 || ['POST', 'PUT', 'PATCH'].includes(this.method);
    if (bodied && !this.hasHeader('content-length')) headers.push(['Content-Length', `${body.length}`]);
    this.headersSent = true;
    const request = this.#request = new HostRequest({ method: this.method, url: this.#url, headers, body }, {
      head: ({ status, headers: received }) => {
        if (this.#timeout > 0) this.setTimeout(this.#timeout);
        const message = this.#response = this.res = new IncomingMessage(this.socket);
        message.req = this;
        message.statusCode = status;
        message.statusMessage = STATUS[status] ?? '';
        message.url = '';
        for (const [name, value] of received) {
          message.rawHeaders.push(name, value);
          addHeader(message.headers, name.toLowerCase(), value);
          (message.headersDistinct[name.toLowerCase()] ??= []).push(value);
        }
        message._read = () => request.resume();
        message._destroy = (error, callback) => {
          clearTimeout(this.#timer);
          request.close();
          callback(error);
        };
        if (!this.emit('response', message)) message.resume();
        // Nobody may read the body: its end must come all the same.
        request.resume();
      },
      data: (piece) => {
        if (!this.#response.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))) request.pause();
      },
      end: () => {
        clearTimeout(this.#timer);
        this.#response.complete = true;
        this.#response.push(null);
        this.emit('close');
      },
      error: (error) => {
        clearTimeout(this.#timer);
        if (this.#response) {
          this.#response.aborted = true;
          this.#response.emit('aborted');
          this.#response.destroy(error);
        } else {
          this.destroy(Object.assign(error, { syscall: 'connect', address: this.host }));
        }
      },
    });
  }

  _destroy(error, callback) {
    clearTimeout(this.#timer);
    this.#request?.close();
    this.#response?.destroy(error ?? undefined);
    if (!error && !this.#response) error = coded(Error, 'ECONNRESET', 'socket hang up');
    callback(error);
  }
}
class Server extends EventEmitter {
  constructor(options, listener) {
    super();
    if (typeof options === 'function') listener = options;
    if (listener) this.on('request', listener);
    this.listening = false;
    this.timeout = 0;
    this.keepAliveTimeout = 5000;
    this.headersTimeout = 60000;
    this.requestTimeout = 300000;
  }

  listen() { throw unsupported('Listening on a port'); }
  address() { return null; }
  close(callback) {
    if (callback) nextTick(callback);
    return this;
  }

  closeAllConnections() {}
  closeIdleConnections() {}
  setTimeout() { return this; }
  ref() { return this; }
  unref() { return this; }
}

function flavour(protocol, AgentClass) {
  const globalAgent = new AgentClass({ keepAlive: true });
  const defaults = { defaultProtocol: protocol, defaultPort: undefined };
  const request = (input, options, callback) => {
    if (typeof input === 'string' || input instanceof URL) return new ClientRequest(input, options, callback);
    const parts = input?.href && input?.protocol ? { ...input } : input;
    return new ClientRequest({ ...defaults, ...parts }, options, callback);
  };
  const get = (...args) => {
    const made = request(...args);
    made.end();
    return made;
  };
  return { Agent: AgentClass, ClientRequest, IncomingMessage, OutgoingMessage, METHODS, STATUS_CODES: STATUS, Server, ServerResponse, globalAgent,
    createServer: (options, listener) => new Server(options, listener), get, request, maxHeaderSize: 16384, setMaxIdleHTTPParsers() {},
    validateHeaderName() {}, validateHeaderValue() {} };
}

export const http = flavour('http:', Agent);
export const https = flavour('https:', HttpsAgent);
