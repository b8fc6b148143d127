// `url.parse`, `url.format` and `url.resolve`, which came before the standard.

import querystring from './querystring.js';
import * as whatwg from './url.js';

const SLASHED = new Set(['http:', 'https:', 'ftp:', 'gopher:', 'file:', 'ws:', 'wss:']);
const FIELDS = ['protocol', 'slashes', 'auth', 'host', 'port', 'hostname', 'hash', 'search', 'query', 'pathname', 'path', 'href'];

/** A URL taken apart. */
export class Url {
  constructor() { for (const field of FIELDS) this[field] = null; }
  parse(text, parseQuery, slashesDenoteHost) { return Object.assign(this, parse(text, parseQuery, slashesDenoteHost)); }
  format() { return format(this); }
  resolve(relative) { return resolve(this.format(), relative); }
}

export function parse(text, parseQuery = false, slashesDenoteHost = false) {
  if (text instanceof Url) return text;
  if (typeof text !== 'string') {
    const error = new TypeError(`The "url" argument must be of type string. Received ${text === null ? 'null' : typeof text}`);
    error.code = 'ERR_INVALID_ARG_TYPE';
    throw error;
  }
  const url = new Url();
  let rest = text.trim().replace(/\\(?=[^?#]*)/g, (char, at) => (/[?#]/.test(text.slice(0, at)) ? char : '/'));
  const protocol = /^([a-z0-9.+-]+:)/i.exec(rest);
  if (protocol) {
    url.protocol = protocol[1].toLowerCase();
    rest = rest.slice(protocol[1].length);
  }
  if (rest.startsWith('//') && (protocol ? url.protocol !== 'javascript:' : slashesDenoteHost)) {
    url.slashes = true;
    const end = /[/?#]/.exec(rest.slice(2));
    let host = end ? rest.slice(2, 2 + end.index) : rest.slice(2);
    rest = end ? rest.slice(2 + end.index) : '';
    const at = host.lastIndexOf('@');
    if (at >= 0) {
      url.auth = whatwg.percentDecode(host.slice(0, at));
      host = host.slice(at + 1);
    }
    const port = /:([0-9]*)$/.exec(host);
    if (port) {
      if (port[1] !== '') url.port = port[1];
      host = host.slice(0, -port[0].length);
    }
    url.hostname = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
    url.host = (host.startsWith('[') ? `[${url.hostname}]` : url.hostname) + (url.port ? `:${url.port}` : '');
  }
  const hash = rest.indexOf('#');
  if (hash >= 0) {
    url.hash = rest.slice(hash);
    rest = rest.slice(0, hash);
  }
  const query = rest.indexOf('?');
  if (query >= 0) {
    url.search = rest.slice(query);
    url.query = parseQuery ? querystring.parse(url.search.slice(1)) : url.search.slice(1);
    rest = rest.slice(0, query);
  } else if (parseQuery) {
    url.search = '';
    url.query = { __proto__: null };
  }
  if (rest !== '') url.pathname = rest.replace(/[ "<>`{}|^]/g, encodeURIComponent);
  else if (SLASHED.has(url.protocol) && url.hostname) url.pathname = '/';
  if (url.pathname || url.search) url.path = (url.pathname ?? '') + (url.search ?? '');
  url.href = format(url);
  return url;
}

export function format(url, options) {
  if (typeof url === 'string') return format(parse(url));
  if (url instanceof whatwg.URL) {
    const copy = new whatwg.URL(url.href);
    if (options?.fragment === false) copy.hash = '';
    if (options?.search === false) copy.search = '';
    if (options?.auth === false) copy.username = copy.password = '';
    return copy.href;
  }
  let protocol = url.protocol ?? '';
  if (protocol && !protocol.endsWith(':')) protocol += ':';
  let host = '';
  if (url.host) host = url.host;
  else if (url.hostname) host = (url.hostname.includes(':') ? `[${url.hostname}]` : url.hostname) + (url.port ? `:${url.port}` : '');
  if (host && url.auth) host = `${encodeURIComponent(url.auth).replace(/%3A/i, ':')}@${host}`;
  let pathname = (url.pathname ?? '').replace(/[?#]/g, encodeURIComponent);
  let search = url.search ?? '';
  if (!search && url.query !== null && typeof url.query === 'object' && Object.keys(url.query).length > 0) search = querystring.stringify(url.query);
  if (search && !search.startsWith('?')) search = `?${search}`;
  let hash = url.hash ?? '';
  if (hash && !hash.startsWith('#')) hash = `#${hash}`;
  if (url.slashes || (SLASHED.has(protocol) && host) || (!protocol && host)) {
    host = `//${host}`;
    if (pathname && !pathname.startsWith('/')) pathname = `/${pathname}`;
  }
  return protocol + host + pathname + search.replace('#', '%23') + hash;
}

export function resolve(from, to) {
  const resolved = new whatwg.URL(to, new whatwg.URL(from, 'resolve://'));
  if (resolved.protocol === 'resolve:') return resolved.pathname + resolved.search + resolved.hash;
  return resolved.toString();
}

export const resolveObject = (from, to) => parse(resolve(format(from), to));
