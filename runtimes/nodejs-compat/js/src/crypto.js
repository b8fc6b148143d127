// `crypto`: hashes, codes, key derivation and randomness. Ciphers, signatures and key pairs are not there, and say so.

import stream from 'readable-stream';
import { Buffer, asBuffer } from './buffer.js';
import { coded, invalidType, unsupported } from './errors.js';
import { bytesOf } from './fs.js';
import { nextTick } from './loop.js';

const HASHES = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha512-256'];
const algorithmOf = (name) => {
  const plain = `${name}`.toLowerCase().replace(/^rsa-/, '').replace(/^sha-(?=\d)/, 'sha').replace('/', '-');
  return plain;
};

const bytes = (data, encoding) => {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (data instanceof KeyObject) return data.export();
  return bytesOf(data, encoding);
};
const encoded = (result, encoding) => (encoding === undefined || encoding === null || encoding === 'buffer' ? result : result.toString(encoding));

/** A hash or code that is fed in pieces or as a stream. */
class Digest extends stream.Transform {
  #handle;
  #done = false;

  constructor(handle, options) {
    super(options);
    this.#handle = handle;
  }

  update(data, encoding) {
    if (this.#done) throw coded(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
    native.hashUpdate(this.#handle, bytes(data, encoding));
    return this;
  }

  digest(encoding) {
    if (this.#done) throw coded(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
    this.#done = true;
    return encoded(asBuffer(native.hashFinish(this.#handle)), encoding);
  }

  copyHandle() {
    if (this.#done) throw coded(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
    return native.hashCopy(this.#handle);
  }

  _transform(chunk, encoding, callback) {
    this.update(chunk, encoding);
    callback();
  }

  _flush(callback) { callback(null, this.digest()); }
}

export class Hash extends Digest {
  copy() { return new Hash(this.copyHandle()); }
}
export class Hmac extends Digest {}

function createHash(algorithm, options) {
  if (typeof algorithm !== 'string') throw invalidType('algorithm', 'of type string', algorithm);
  const handle = native.hashNew(algorithmOf(algorithm));
  if (handle < 0) throw coded(Error, 'ERR_OSSL_EVP_UNSUPPORTED', 'Digest method not supported');
  return new Hash(handle, options);
}

function createHmac(algorithm, key, options) {
  const handle = native.hmacNew(algorithmOf(algorithm), bytes(key));
  if (handle < 0) throw coded(Error, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${algorithm}`);
  return new Hmac(handle, options);
}

/** A secret key. */
export class KeyObject {
  #key;
  constructor(key) { this.#key = key; }
  static from(key) { return new KeyObject(Buffer.from(key.raw)); }
  get type() { return 'secret'; }
  get symmetricKeySize() { return this.#key.length; }
  equals(other) { return native.compare(this.#key, other.export()) === 0; }
  export(options) { return options?.format === 'jwk' ? { kty: 'oct', k: this.#key.toString('base64url') } : Buffer.from(this.#key); }
}
Object.defineProperty(KeyObject.prototype, Symbol.toStringTag, { value: 'KeyObject', configurable: true });

export function getRandomValues(array) {
  if (!ArrayBuffer.isView(array) || array instanceof Float32Array || array instanceof Float64Array) {
    throw new DOMException('The data argument must be an integer-type TypedArray', 'TypeMismatchError');
  }
  if (array.byteLength > 65536) throw new DOMException(`The requested length exceeds 65,536 bytes`, 'QuotaExceededError');
  native.randomFill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return array;
}

export function randomUUID() {
  const random = new Uint8Array(16);
  native.randomFill(random);
  random[6] = (random[6] & 0x0f) | 0x40;
  random[8] = (random[8] & 0x3f) | 0x80;
  const hex = native.encodeHex(random, 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Gives a synchronous function a callback at the end, which comes later. */
const later = (call) => (...args) => {
  const callback = args.pop();
  if (typeof callback !== 'function') throw invalidType('callback', 'of type function', callback);
  const result = call(...args);
  nextTick(callback, null, result);
};
const either = (call, count) => (...args) => (typeof args[args.length - 1] === 'function' && args.length > count ? later(call)(...args) : call(...args));

const randomBytes = either((size) => {
  if (typeof size !== 'number' || !(size >= 0)) throw coded(RangeError, 'ERR_OUT_OF_RANGE', `The value of "size" is out of range. Received ${size}`);
  const buffer = Buffer.alloc(size);
  native.randomFill(buffer);
  return buffer;
}, 1);

function randomFillSync(buffer, offset = 0, size = buffer.byteLength - offset) {
  native.randomFill(new Uint8Array(buffer.buffer ?? buffer, (buffer.byteOffset ?? 0) + offset, size));
  return buffer;
}

function randomIntSync(min, max) {
  if (max === undefined) [min, max] = [0, min];
  const range = max - min;
  if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || !(range > 0)) {
    throw coded(RangeError, 'ERR_OUT_OF_RANGE', `The value of "max" is out of range. It must be greater than the value of "min" (${min}). Received ${max}`);
  }
  // Values past the last whole multiple of the range would favour small results.
  const limit = 2 ** 48 - (2 ** 48 % range);
  for (;;) {
    const value = randomBytes(6).readUIntBE(0, 6);
    if (value < limit) return min + (value % range);
  }
}
const randomInt = (...args) => (typeof args[args.length - 1] === 'function' ? later(randomIntSync)(...args) : randomIntSync(...args));

function timingSafeEqual(one, other) {
  const [left, right] = [bytes(one), bytes(other)];
  if (left.length !== right.length) throw coded(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
  let difference = 0;
  for (let at = 0; at < left.length; at++) difference |= left[at] ^ right[at];
  return difference === 0;
}

const pbkdf2Sync = (password, salt, rounds, length, digest) => asBuffer(native.pbkdf2(algorithmOf(digest), bytes(password), bytes(salt), rounds, length));
const hkdfSync = (digest, key, salt, info, length) => native.hkdf(algorithmOf(digest), bytes(key), bytes(salt), bytes(info), length).buffer;
const scryptSync = (password, salt, length, options = {}) => asBuffer(native.scrypt(bytes(password), bytes(salt),
  Math.log2(options.N ?? options.cost ?? 16384), options.r ?? options.blockSize ?? 8, options.p ?? options.parallelization ?? 1, length));

const absent = ['createCipheriv', 'createDecipheriv', 'createSign', 'createVerify', 'sign', 'verify', 'createDiffieHellman', 'createECDH',
  'generateKeyPair', 'generateKeyPairSync', 'createPrivateKey', 'createPublicKey', 'publicEncrypt', 'privateDecrypt', 'privateEncrypt',
  'publicDecrypt', 'diffieHellman', 'getDiffieHellman', 'generatePrime', 'checkPrime', 'X509Certificate', 'Certificate'];

/** A key of `crypto.subtle`. */
export class CryptoKey {
  constructor(raw, algorithm, extractable, usages) {
    Object.defineProperty(this, 'raw', { value: raw });
    Object.assign(this, { type: 'secret', algorithm, extractable, usages });
  }
}

const nameOf = (algorithm) => (typeof algorithm === 'string' ? algorithm : algorithm.name);
const hashOf = (algorithm) => nameOf(algorithm.hash ?? algorithm);
const notSupported = (what) => new DOMException(`${what} is not supported`, 'NotSupportedError');
const view = (data) => (ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data));
const same = (one, other) => one.length === other.length && timingSafeEqual(one, other);

const hmac = (key, data) => createHmac(key.algorithm.hash.name, key.raw).update(view(data)).digest();

const subtle = {
  async digest(algorithm, data) {
    if (!/^SHA-(1|256|384|512)$/i.test(nameOf(algorithm))) throw notSupported(nameOf(algorithm));
    return new Uint8Array(createHash(nameOf(algorithm)).update(view(data)).digest()).buffer;
  },
  async importKey(format, data, algorithm, extractable, usages) {
    const name = nameOf(algorithm).toUpperCase();
    if (!['HMAC', 'PBKDF2', 'HKDF'].includes(name)) throw notSupported(name);
    if (format !== 'raw' && format !== 'jwk') throw notSupported(`key format ${format}`);
    const raw = format === 'jwk' ? Buffer.from(data.k, 'base64url') : Buffer.from(view(data));
    const described = name === 'HMAC' ? { name, hash: { name: hashOf(algorithm) }, length: raw.length * 8 } : { name };
    return new CryptoKey(raw, described, extractable, usages);
  },
  async exportKey(format, key) {
    if (!key.extractable) throw new DOMException('key is not extractable', 'InvalidAccessError');
    if (format === 'jwk') return { kty: 'oct', k: key.raw.toString('base64url'), alg: `HS${key.algorithm.hash.name.slice(4)}`, ext: true, key_ops: key.usages };
    return new Uint8Array(key.raw).buffer;
  },
  async generateKey(algorithm, extractable, usages) {
    if (nameOf(algorithm).toUpperCase() !== 'HMAC') throw notSupported(nameOf(algorithm));
    const length = algorithm.length ?? (/(384|512)$/.test(hashOf(algorithm)) ? 1024 : 512);
    return subtle.importKey('raw', randomBytes(length / 8), algorithm, extractable, usages);
  },
  async sign(algorithm, key, data) {
    if (nameOf(algorithm).toUpperCase() !== 'HMAC') throw notSupported(nameOf(algorithm));
    return new Uint8Array(hmac(key, data)).buffer;
  },
  async verify(algorithm, key, signature, data) {
    if (nameOf(algorithm).toUpperCase() !== 'HMAC') throw notSupported(nameOf(algorithm));
    return same(hmac(key, data), view(signature));
  },
  async deriveBits(algorithm, key, length) {
    const name = nameOf(algorithm).toUpperCase();
    if (name === 'PBKDF2') return new Uint8Array(pbkdf2Sync(key.raw, view(algorithm.salt), algorithm.iterations, length / 8, hashOf(algorithm))).buffer;
    if (name === 'HKDF') return hkdfSync(hashOf(algorithm), key.raw, view(algorithm.salt), view(algorithm.info), length / 8);
    throw notSupported(name);
  },
  async deriveKey(algorithm, key, derived, extractable, usages) {
    return subtle.importKey('raw', await subtle.deriveBits(algorithm, key, derived.length ?? 256), derived, extractable, usages);
  },
};
for (const name of ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey']) subtle[name] = async () => { throw notSupported(name); };

export const webcrypto = { getRandomValues, randomUUID, subtle };

export const crypto = {
  Hash,
  Hmac,
  KeyObject,
  constants: {},
  createHash,
  createHmac,
  createSecretKey: (key, encoding) => new KeyObject(Buffer.from(bytes(key, encoding))),
  generateKeySync: (type, { length }) => new KeyObject(randomBytes(length / 8)),
  getCiphers: () => [],
  getCurves: () => [],
  getFips: () => 0,
  getHashes: () => [...HASHES],
  getRandomValues,
  hash: (algorithm, data, encoding = 'hex') => createHash(algorithm).update(data).digest(encoding),
  hkdf: later(hkdfSync),
  hkdfSync,
  pbkdf2: later(pbkdf2Sync),
  pbkdf2Sync,
  pseudoRandomBytes: randomBytes,
  randomBytes,
  randomFill: later(randomFillSync),
  randomFillSync,
  randomInt,
  randomUUID,
  scrypt: later(scryptSync),
  scryptSync,
  subtle,
  timingSafeEqual,
  webcrypto,
};
for (const name of absent) {
  crypto[name] = /^[A-Z]/.test(name) ? class { constructor() { throw unsupported(`crypto.${name}`); } } : () => { throw unsupported(`crypto.${name}`); };
}
