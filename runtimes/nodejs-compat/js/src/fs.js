// `fs`: synchronous calls of the host, and the callback and promise forms made from them.

import { Buffer, asBuffer, encode, normalEncoding } from './buffer.js';
import { coded, invalidType, system } from './errors.js';
import { posix } from './path.js';
import { nextTick } from './loop.js';
import { fileURLToPath, URL } from './url.js';

export const constants = { F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4, COPYFILE_EXCL: 1, COPYFILE_FICLONE: 2, COPYFILE_FICLONE_FORCE: 4,
  O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 0o100, O_EXCL: 0o200, O_TRUNC: 0o1000, O_APPEND: 0o2000, O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000, O_SYNC: 0o4010000, S_IFMT: 0o170000, S_IFREG: 0o100000, S_IFDIR: 0o40000, S_IFLNK: 0o120000, S_IFCHR: 0o20000,
  S_IFIFO: 0o10000, S_IFSOCK: 0o140000, S_IRUSR: 0o400, S_IWUSR: 0o200, S_IXUSR: 0o100, S_IRWXU: 0o700 };

const FLAGS = { r: 0, rs: 0, 'r+': 2, 'rs+': 2, w: 0o1101, wx: 0o1301, 'w+': 0o1102, 'wx+': 0o1302, a: 0o2101, as: 0o2101, ax: 0o2301,
  'a+': 0o2102, 'ax+': 0o2302 };

/** A path of any of the kinds that Node takes, absolute. */
export function toPath(path, name = 'path') {
  if (path instanceof URL || (path?.href && path.protocol)) path = fileURLToPath(path);
  else if (path instanceof Uint8Array) path = Buffer.from(path).toString();
  if (typeof path !== 'string') throw invalidType(name, 'of type string or an instance of Buffer or URL', path);
  if (path.includes('\0')) throw coded(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument '${name}' must be without null bytes.`);
  return path.startsWith('/') ? path : posix.resolve(path);
}

function check(result, syscall, path, dest) {
  if (typeof result === 'number' && result < 0) throw system(result, syscall, path, dest);
  return result;
}

const flagsOf = (flags, standard) => {
  if (flags === undefined || flags === null) flags = standard;
  if (typeof flags === 'number') return flags;
  if (!(flags in FLAGS)) throw coded(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument 'flags' is invalid. Received '${flags}'`);
  return FLAGS[flags];
};

const optionsOf = (options) => (typeof options === 'string' ? { encoding: options } : options ?? {});

function encodingOf(options) {
  const { encoding } = optionsOf(options);
  if (encoding === undefined || encoding === null || encoding === 'buffer') return undefined;
  const name = normalEncoding(encoding);
  if (name === undefined) throw coded(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument 'encoding' is invalid encoding. Received '${encoding}'`);
  return name;
}

/** Data to write, as bytes. */
export function bytesOf(data, encoding) {
  if (typeof data === 'string') return encode(data, normalEncoding(encoding) ?? 'utf8');
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw invalidType('data', 'of type string or an instance of Buffer, TypedArray, or DataView', data);
}

const KINDS = { isDirectory: 'S_IFDIR', isFile: 'S_IFREG', isSymbolicLink: 'S_IFLNK', isCharacterDevice: 'S_IFCHR', isFIFO: 'S_IFIFO',
  isSocket: 'S_IFSOCK' };

export class Stats {
  constructor(fields, big) {
    const [dev, ino, mode, nlink, size, atimeMs, mtimeMs, ctimeMs] = fields;
    const kind = mode & constants.S_IFMT || constants.S_IFCHR;
    const permissions = mode & 0o7777 || (kind === constants.S_IFDIR ? 0o755 : 0o644);
    const values = { dev, mode: kind | permissions, nlink, uid: 993, gid: 990, rdev: 0, blksize: 4096, ino, size,
      blocks: Math.ceil(size / 512), atimeMs, mtimeMs, ctimeMs, birthtimeMs: ctimeMs };
    for (const [name, value] of Object.entries(values)) this[name] = big ? BigInt(Math.floor(value)) : value;
    if (big) for (const name of ['atime', 'mtime', 'ctime', 'birthtime']) this[`${name}Ns`] = BigInt(Math.floor(values[`${name}Ms`] * 1e6));
    for (const name of ['atime', 'mtime', 'ctime', 'birthtime']) this[name] = new Date(values[`${name}Ms`]);
  }

  isBlockDevice() { return false; }
}
for (const [method, kind] of Object.entries(KINDS)) {
  Stats.prototype[method] = function () { return (Number(this.mode) & constants.S_IFMT) === constants[kind]; };
}

export class Dirent {
  #kind;
  constructor(name, parentPath, kind) {
    this.name = name;
    this.parentPath = parentPath;
    this.path = parentPath;
    this.#kind = kind;
  }

  isDirectory() { return this.#kind === 'd'; }
  isFile() { return this.#kind === 'f'; }
  isSymbolicLink() { return this.#kind === 'l'; }
  isBlockDevice() { return false; }
  isCharacterDevice() { return false; }
  isFIFO() { return false; }
  isSocket() { return false; }
}

// What lies above the mounts is there to be walked through, and holds nothing else.
const ABOVE = { '/': ['opt', 'tmp', 'var'], '/var': ['runtime', 'task'] };

function statOf(path, options, follow, syscall) {
  const name = toPath(path);
  const plain = name.length > 1 ? name.replace(/\/+$/, '') : name;
  const fields = ABOVE[plain] ? [0, 0, constants.S_IFDIR, 1, 0, 0, 0, 0] : native.stat(name, follow);
  if (typeof fields === 'number' && options?.throwIfNoEntry === false && system(fields, syscall).code === 'ENOENT') return undefined;
  return new Stats(check(fields, syscall, path), options?.bigint);
}

function positionOf(position) {
  return typeof position === 'number' || typeof position === 'bigint' ? Number(position) : -1;
}

function writeAll(fd, bytes, path) {
  for (let done = 0; done < bytes.length;) done += check(native.write(fd, bytes, done, bytes.length - done, -1), 'write', path);
}

function entriesOf(path, syscall) {
  const name = toPath(path);
  if (ABOVE[name]) return ABOVE[name].flatMap((entry) => [entry, 'd']);
  return check(native.readDir(name), syscall, path);
}

const named = (name, options) => (encodingOf(options) === undefined && optionsOf(options).encoding === 'buffer' ? Buffer.from(name) : name);

/** Each call in its synchronous form, without the `Sync` at the end of its name. */
export const calls = {
  access(path, mode = constants.F_OK) {
    const stats = statOf(path, undefined, true, 'access');
    const writable = toPath(path) === '/tmp' || toPath(path).startsWith('/tmp/');
    if (mode & constants.W_OK && !writable) throw system(-69, 'access', path);
    if (mode & constants.X_OK && !stats.isDirectory()) throw system(-2, 'access', path);
  },
  appendFile(path, data, options) { calls.writeFile(path, data, { ...optionsOf(options), flag: optionsOf(options).flag ?? 'a' }); },
  chmod(path) { statOf(path, undefined, true, 'chmod'); },
  chown(path) { statOf(path, undefined, true, 'chown'); },
  lchown(path) { statOf(path, undefined, false, 'lchown'); },
  close(fd) { check(native.close(fd), 'close'); },
  copyFile(from, to, mode = 0) {
    const content = check(native.readFile(toPath(from, 'src')), 'copyfile', from, to);
    calls.writeFile(to, content, { flag: mode & constants.COPYFILE_EXCL ? 'wx' : 'w' });
  },
  cp(from, to, options = {}) {
    const stats = statOf(from, undefined, !!options.dereference, 'cp');
    if (options.filter && !options.filter(from, to)) return;
    if (stats.isDirectory()) {
      if (!options.recursive) throw coded(Error, 'ERR_FS_EISDIR', `Recursive option not enabled, cannot copy a directory: ${from}`);
      calls.mkdir(to, { recursive: true });
      for (const name of calls.readdir(from)) calls.cp(posix.join(toPath(from), name), posix.join(toPath(to), name), options);
      return;
    }
    if (options.force === false && calls.exists(to)) {
      if (options.errorOnExist) throw coded(Error, 'ERR_FS_CP_EEXIST', `Target already exists: ${to}`);
      return;
    }
    calls.mkdir(posix.dirname(toPath(to)), { recursive: true });
    calls.copyFile(from, to);
  },
  exists(path) {
    try {
      statOf(path, undefined, true, 'access');
      return true;
    } catch {
      return false;
    }
  },
  fchmod(fd) { calls.fstat(fd); },
  fchown(fd) { calls.fstat(fd); },
  fdatasync(fd) { check(native.sync(fd), 'fdatasync'); },
  fstat(fd, options) { return new Stats(check(native.fstat(fd), 'fstat'), options?.bigint); },
  fsync(fd) { check(native.sync(fd), 'fsync'); },
  ftruncate(fd, length = 0) { check(native.truncate(fd, length), 'ftruncate'); },
  futimes(fd) { calls.fstat(fd); },
  link(from, to) { check(native.link(toPath(from), toPath(to)), 'link', from, to); },
  lstat(path, options) { return statOf(path, options, false, 'lstat'); },
  lutimes(path) { statOf(path, undefined, false, 'lutimes'); },
  mkdir(path, options) {
    const name = toPath(path);
    if (!options?.recursive) {
      check(native.makeDir(name), 'mkdir', path);
      return undefined;
    }
    let first;
    let at = '';
    for (const part of posix.normalize(name).split('/').filter(Boolean)) {
      at += `/${part}`;
      if (calls.exists(at)) continue;
      check(native.makeDir(at), 'mkdir', path);
      first ??= at;
    }
    if (first === undefined && !statOf(path, undefined, true, 'mkdir').isDirectory()) throw system(-20, 'mkdir', path);
    return first;
  },
  mkdtemp(prefix) {
    const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
    for (let attempt = 0; ; attempt++) {
      const random = new Uint8Array(6);
      native.randomFill(random);
      const path = prefix + [...random].map((byte) => letters[byte % letters.length]).join('');
      const result = native.makeDir(toPath(path));
      if (result === -20 && attempt < 16) continue;
      check(result, 'mkdtemp', `${prefix}XXXXXX`);
      return path;
    }
  },
  open(path, flags, mode) { return check(native.open(toPath(path), flagsOf(flags, 'r'), mode), 'open', path); },
  opendir(path) { return new Dir(path); },
  read(fd, buffer, offset, length, position) {
    if (offset !== null && typeof offset === 'object') ({ offset, length, position } = offset);
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    offset ??= 0;
    return check(native.read(fd, bytes, offset, length ?? bytes.length - offset, positionOf(position)), 'read');
  },
  readdir(path, options) {
    const { withFileTypes, recursive } = optionsOf(options);
    const found = [];
    const walk = (directory, prefix) => {
      const entries = entriesOf(directory, 'scandir');
      for (let at = 0; at < entries.length; at += 2) {
        const [name, kind] = [entries[at], entries[at + 1]];
        if (withFileTypes) found.push(new Dirent(named(name, options), directory, kind));
        else found.push(named(prefix + name, options));
        if (recursive && kind === 'd') walk(`${directory}/${name}`, `${prefix}${name}/`);
      }
    };
    walk(typeof path === 'string' ? path : toPath(path), '');
    return found;
  },
  readFile(path, options) {
    const encoding = encodingOf(options);
    let bytes;
    if (typeof path === 'number') {
      const pieces = [];
      for (;;) {
        const piece = new Uint8Array(65536);
        const count = calls.read(path, piece, 0, piece.length, null);
        if (count === 0) break;
        pieces.push(piece.subarray(0, count));
      }
      bytes = Buffer.concat(pieces);
    } else {
      const name = toPath(path);
      bytes = native.readFile(name);
      if (typeof bytes === 'number') throw system(bytes, bytes === -31 ? 'read' : 'open', bytes === -31 ? undefined : path);
      bytes = asBuffer(bytes);
    }
    return encoding === undefined ? bytes : bytes.toString(encoding);
  },
  readlink(path, options) { return named(check(native.readLink(toPath(path)), 'readlink', path), options); },
  readv(fd, buffers, position) {
    let total = 0;
    for (const buffer of buffers) {
      const count = calls.read(fd, buffer, 0, buffer.byteLength, typeof position === 'number' ? position + total : null);
      total += count;
      if (count < buffer.byteLength) break;
    }
    return total;
  },
  realpath(path) {
    statOf(path, undefined, true, 'realpath');
    let name = posix.normalize(toPath(path)).replace(/(.)\/$/, '$1');
    for (let steps = 0; steps < 40; steps++) {
      const target = native.readLink(name);
      if (typeof target === 'number') break;
      name = posix.resolve(posix.dirname(name), target);
    }
    return name;
  },
  rename(from, to) { check(native.rename(toPath(from, 'oldPath'), toPath(to, 'newPath')), 'rename', from, to); },
  rm(path, options) {
    let stats;
    try {
      stats = statOf(path, undefined, false, 'rm');
    } catch (error) {
      if (options?.force && error.code === 'ENOENT') return;
      throw error;
    }
    if (!stats.isDirectory()) {
      calls.unlink(path);
      return;
    }
    if (!options?.recursive) throw coded(Error, 'ERR_FS_EISDIR', `Path is a directory: rm returned EISDIR (is a directory) ${path}`);
    for (const name of calls.readdir(path)) calls.rm(posix.join(toPath(path), name), options);
    check(native.removeDir(toPath(path)), 'rm', path);
  },
  rmdir(path, options) {
    if (options?.recursive) calls.rm(path, options);
    else check(native.removeDir(toPath(path)), 'rmdir', path);
  },
  stat(path, options) { return statOf(path, options, true, 'stat'); },
  statfs() { return { type: 0, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0 }; },
  symlink(target, path) { check(native.symlink(`${target}`, toPath(path)), 'symlink', target, path); },
  truncate(path, length = 0) {
    const fd = calls.open(path, 'r+');
    try {
      calls.ftruncate(fd, length);
    } finally {
      calls.close(fd);
    }
  },
  unlink(path) { check(native.unlink(toPath(path)), 'unlink', path); },
  utimes(path, accessed, modified) {
    const milliseconds = (time) => (time instanceof Date ? time.getTime() : Number(time) * 1000);
    check(native.setTimes(toPath(path), milliseconds(accessed), milliseconds(modified)), 'utime', path);
  },
  write(fd, data, offset, length, position) {
    if (typeof data === 'string') {
      const bytes = bytesOf(data, length);
      return check(native.write(fd, bytes, 0, bytes.length, positionOf(offset)), 'write');
    }
    if (offset !== null && typeof offset === 'object') ({ offset, length, position } = offset);
    const bytes = bytesOf(data);
    offset ??= 0;
    return check(native.write(fd, bytes, offset, length ?? bytes.length - offset, positionOf(position)), 'write');
  },
  writeFile(path, data, options) {
    const { encoding, flag } = optionsOf(options);
    const bytes = bytesOf(data, encoding);
    if (typeof path === 'number') {
      writeAll(path, bytes);
      return;
    }
    const fd = calls.open(path, flag ?? 'w');
    try {
      writeAll(fd, bytes, path);
    } finally {
      calls.close(fd);
    }
  },
  writev(fd, buffers, position) {
    let total = 0;
    for (const buffer of buffers) total += calls.write(fd, buffer, 0, buffer.byteLength, typeof position === 'number' ? position + total : null);
    return total;
  },
};

/** An open directory. */
class Dir {
  #entries;
  constructor(path) {
    this.path = path;
    this.#entries = calls.readdir(path, { withFileTypes: true });
  }

  readSync() { return this.#entries.shift() ?? null; }
  closeSync() {}
  async close() {}

  read(callback) {
    const entry = this.readSync();
    if (!callback) return Promise.resolve(entry);
    nextTick(callback, null, entry);
    return undefined;
  }

  async *[Symbol.asyncIterator]() { for (let entry; (entry = this.readSync()) !== null;) yield entry; }
}

const fs = { constants, Stats, Dirent, Dir, ...constants };
const promises = { constants };

/** What a callback gets beside the result. */
const EXTRA = { read: (args) => args[1], write: (args) => args[1], readv: (args) => args[1], writev: (args) => args[1] };

for (const [name, call] of Object.entries(calls)) {
  fs[`${name}Sync`] = call;
  fs[name] = (...args) => {
    const callback = args.pop();
    if (typeof callback !== 'function') throw invalidType('cb', 'of type function', callback);
    if (name === 'exists') return nextTick(callback, call(...args));
    let result;
    try {
      result = call(...args);
    } catch (error) {
      if (error.code === 'ERR_INVALID_ARG_TYPE') throw error;
      nextTick(callback, error);
      return undefined;
    }
    if (EXTRA[name]) nextTick(callback, null, result, EXTRA[name](args));
    else if (result === undefined) nextTick(callback, null);
    else nextTick(callback, null, result);
    return undefined;
  };
  if (name !== 'exists' && !/^f(?!open)|^(close|read|write)v?$/.test(name)) {
    promises[name] = async (...args) => {
      if (name === 'open') return new FileHandle(call(...args));
      if ((name === 'readFile' || name === 'writeFile' || name === 'appendFile') && args[0] instanceof FileHandle) args[0] = args[0].fd;
      if (name === 'writeFile' && (args[1]?.[Symbol.asyncIterator] || typeof args[1]?.[Symbol.iterator] === 'function') && typeof args[1] !== 'string'
        && !ArrayBuffer.isView(args[1])) {
        const pieces = [];
        for await (const piece of args[1]) pieces.push(bytesOf(piece));
        args[1] = Buffer.concat(pieces);
      }
      return call(...args);
    };
  }
}
fs.realpathSync.native = fs.realpathSync;
fs.realpath.native = fs.realpath;

/** An open file of `fs/promises`. */
class FileHandle {
  constructor(fd) { this.fd = fd; }
  async appendFile(data, options) { calls.writeFile(this.fd, data, options); }
  async chmod() {}
  async close() {
    if (this.fd >= 0) calls.close(this.fd);
    this.fd = -1;
  }
  async datasync() { calls.fdatasync(this.fd); }
  async read(buffer, ...rest) {
    if (buffer === undefined || !ArrayBuffer.isView(buffer)) {
      rest = [buffer];
      buffer = buffer?.buffer ?? Buffer.alloc(16384);
    }
    return { bytesRead: calls.read(this.fd, buffer, ...rest), buffer };
  }
  async readFile(options) { return calls.readFile(this.fd, options); }
  async readv(buffers, position) { return { bytesRead: calls.readv(this.fd, buffers, position), buffers }; }
  async stat(options) { return calls.fstat(this.fd, options); }
  async sync() { calls.fsync(this.fd); }
  async truncate(length) { calls.ftruncate(this.fd, length); }
  async utimes() {}
  async write(data, ...rest) { return { bytesWritten: calls.write(this.fd, data, ...rest), buffer: data }; }
  async writeFile(data, options) { calls.writeFile(this.fd, data, options); }
  async writev(buffers, position) { return { bytesWritten: calls.writev(this.fd, buffers, position), buffers }; }
  createReadStream(options) { return fs.createReadStream(null, { ...options, fd: this.fd }); }
  createWriteStream(options) { return fs.createWriteStream(null, { ...options, fd: this.fd }); }
  async *readLines() { yield* calls.readFile(this.fd, 'utf8').replace(/\n$/, '').split(/\r?\n/); }
  [Symbol.asyncDispose]() { return this.close(); }
}

for (const name of ['watch', 'watchFile', 'unwatchFile']) {
  fs[name] = () => { throw coded(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', `fs.${name} is not available: nothing changes the files of a function`); };
}

fs.promises = promises;
export { fs, promises };
