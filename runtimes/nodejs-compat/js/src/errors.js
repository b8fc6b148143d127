// Errors as Node words them.

/** An error of class `Base` with Node's `code`. */
export function coded(Base, code, message) {
  const error = new Base(message);
  Object.defineProperty(error, 'code', { value: code, writable: true, configurable: true, enumerable: true });
  return error;
}

/** For an argument of the wrong type. */
export function invalidType(name, expected, value) {
  const got = value === null ? 'null' : typeof value === 'object' ? `an instance of ${value.constructor?.name}` : `type ${typeof value}`;
  return coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "${name}" argument must be ${expected}. Received ${got}`);
}

/** For what a sandbox without processes, threads or sockets cannot do. */
export function unsupported(what) {
  return coded(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', `${what} is not available in the nodejs-compat runtime`);
}

// Numbers of WASI preview 1, the names that Node gives them, and Linux's numbers for `errno`.
const SYSTEM = {
  2: ['EACCES', 13, 'permission denied'],
  6: ['EAGAIN', 11, 'resource temporarily unavailable'],
  8: ['EBADF', 9, 'bad file descriptor'],
  20: ['EEXIST', 17, 'file already exists'],
  22: ['EFBIG', 27, 'file too large'],
  28: ['EINVAL', 22, 'invalid argument'],
  29: ['EIO', 5, 'i/o error'],
  31: ['EISDIR', 21, 'illegal operation on a directory'],
  32: ['ELOOP', 40, 'too many symbolic links encountered'],
  33: ['EMFILE', 24, 'too many open files'],
  37: ['ENAMETOOLONG', 36, 'name too long'],
  44: ['ENOENT', 2, 'no such file or directory'],
  48: ['ENOMEM', 12, 'not enough memory'],
  51: ['ENOSPC', 28, 'no space left on device'],
  52: ['ENOSYS', 38, 'function not implemented'],
  54: ['ENOTDIR', 20, 'not a directory'],
  55: ['ENOTEMPTY', 39, 'directory not empty'],
  58: ['ENOTSUP', 95, 'operation not supported on socket'],
  63: ['EPERM', 1, 'operation not permitted'],
  69: ['EROFS', 30, 'read-only file system'],
  75: ['EXDEV', 18, 'cross-device link not permitted'],
  // What the sandbox does not show is, for the function, not there.
  76: ['ENOENT', 2, 'no such file or directory'],
};

/** The error of a system call that answered a negative number. */
export function system(number, syscall, path, dest) {
  const [code, errno, text] = SYSTEM[-number] ?? [`E${-number}`, -number, 'unknown error'];
  let message = `${code}: ${text}, ${syscall}`;
  if (path !== undefined) message += ` '${path}'`;
  if (dest !== undefined) message += ` -> '${dest}'`;
  const error = new Error(message);
  error.errno = -errno;
  error.code = code;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  if (dest !== undefined) error.dest = dest;
  return error;
}

/** What `util.getSystemErrorMap` lists. */
export const systemErrors = new Map(Object.values(SYSTEM).map(([code, errno, text]) => [-errno, [code, text]]));
