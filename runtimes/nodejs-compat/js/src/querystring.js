// `querystring`.

import { percentDecode } from './url.js';

function unescape(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return percentDecode(text);
  }
}

const escape = (text) => encodeURIComponent(typeof text === 'string' ? text : `${text}`);

const primitive = (value) => (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean'
  || (typeof value === 'number' && Number.isFinite(value)) ? `${value}` : '');

function parse(text, separator = '&', equals = '=', options) {
  const values = { __proto__: null };
  if (typeof text !== 'string' || text.length === 0) return values;
  const decode = options?.decodeURIComponent ?? querystring.unescape;
  const most = options?.maxKeys ?? 1000;
  let pairs = text.split(separator || '&');
  if (most > 0) pairs = pairs.slice(0, most);
  for (const pair of pairs) {
    if (pair === '') continue;
    const at = pair.indexOf(equals || '=');
    const name = decode((at < 0 ? pair : pair.slice(0, at)).replace(/\+/g, ' '));
    const value = at < 0 ? '' : decode(pair.slice(at + (equals || '=').length).replace(/\+/g, ' '));
    if (!(name in values)) values[name] = value;
    else if (Array.isArray(values[name])) values[name].push(value);
    else values[name] = [values[name], value];
  }
  return values;
}

function stringify(object, separator = '&', equals = '=', options) {
  if (object === null || typeof object !== 'object') return '';
  const encode = options?.encodeURIComponent ?? querystring.escape;
  return Object.keys(object).flatMap((name) => {
    const values = Array.isArray(object[name]) ? object[name] : [object[name]];
    return values.map((value) => encode(name) + (equals || '=') + encode(primitive(value)));
  }).join(separator || '&');
}

const querystring = { parse, stringify, escape, unescape, unescapeBuffer: (text) => Buffer.from(unescape(text)), decode: parse, encode: stringify };
export default querystring;
