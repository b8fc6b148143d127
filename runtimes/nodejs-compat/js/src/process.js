// `process`, and what happens to failures that nobody handles.

import EventEmitter from 'events';
import { begin, monotonic } from './clock.js';
import { hooks, nextTick, state } from './loop.js';
import { coded, unsupported } from './errors.js';

/** The Node release whose behaviour this runtime follows. */
export const NODE_VERSION = '20.19.0';
const QUICKJS_VERSION = '0.14.0';

export const process = new EventEmitter();

/** Environment variables: every value is a string. */
const env = new Proxy({}, {
  set(target, name, value) {
    if (typeof value === 'symbol') throw new TypeError('Cannot convert a Symbol value to a string');
    target[name] = `${value}`;
    return true;
  },
  defineProperty(target, name, descriptor) {
    if ('value' in descriptor) descriptor.value = `${descriptor.value}`;
    return Reflect.defineProperty(target, name, { ...descriptor, writable: true, enumerable: true, configurable: true });
  },
});

function hrtime(from) {
  const now = monotonic();
  let seconds = Math.floor(now / 1000);
  let nanoseconds = Math.floor((now % 1000) * 1e6);
  if (from) {
    seconds -= from[0];
    nanoseconds -= from[1];
    if (nanoseconds < 0) {
      seconds -= 1;
      nanoseconds += 1e9;
    }
  }
  return [seconds, nanoseconds];
}
hrtime.bigint = () => BigInt(Math.floor(monotonic() * 1e6));

function memoryUsage() {
  const [linear, allocated, used] = native.memory();
  return { rss: linear, heapTotal: allocated, heapUsed: used, external: 0, arrayBuffers: 0 };
}
memoryUsage.rss = () => native.memory()[0];

function cpuUsage(from) {
  const user = Math.round((monotonic() - begin.monotonic) * 1000);
  return { user: user - (from?.user ?? 0), system: 0 };
}

function exit(code = process.exitCode ?? 0) {
  process.exitCode = code;
  try {
    process.emit('exit', code);
  } finally {
    native.exit(code >>> 0);
  }
}

let directory = '/var/task';

Object.assign(process, {
  title: 'node',
  version: `v${NODE_VERSION}`,
  versions: { node: NODE_VERSION, quickjs: QUICKJS_VERSION, modules: '115' },
  release: { name: 'nodejs-compat', lts: 'Iron', engine: 'quickjs-ng' },
  arch: 'wasm32',
  platform: 'linux',
  pid: 8,
  ppid: 1,
  execPath: '/var/lang/bin/node',
  execArgv: [],
  argv: ['/var/lang/bin/node', '/var/runtime/index.mjs'],
  argv0: 'node',
  env,
  exitCode: undefined,
  config: { target_defaults: {}, variables: {} },
  features: { inspector: false, debug: false, uv: false, ipv6: false, tls: false, typescript: false },
  allowedNodeEnvironmentFlags: new Set(),
  report: undefined,
  hrtime,
  memoryUsage,
  cpuUsage,
  nextTick,
  exit,
  reallyExit: exit,
  uptime: () => (monotonic() - begin.monotonic) / 1000,
  cwd: () => directory,
  chdir(path) {
    if (native.stat(path, true)[2] === undefined) throw coded(Error, 'ENOENT', `ENOENT: no such file or directory, chdir '${path}'`);
    directory = path;
  },
  umask: () => 0o22,
  getuid: () => 993,
  geteuid: () => 993,
  getgid: () => 990,
  getegid: () => 990,
  getgroups: () => [990],
  abort: () => exit(134),
  kill(pid, signal) {
    if (pid !== process.pid) throw coded(Error, 'ESRCH', 'kill ESRCH');
    if (signal !== 0) exit(143);
    return true;
  },
  emitWarning(warning, type = 'Warning') {
    const error = warning instanceof Error ? warning : Object.assign(new Error(warning), { name: typeof type === 'string' ? type : type.type });
    nextTick(() => process.emit('warning', error));
  },
  binding() { throw unsupported('process.binding'); },
  dlopen() { throw unsupported('Loading native addons'); },
  getBuiltinModule: undefined,
  constrainedMemory: () => Number(env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE ?? 128) * 1048576,
  availableMemory: () => Number(env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE ?? 128) * 1048576 - native.memory()[0],
  resourceUsage: () => ({ userCPUTime: cpuUsage().user, systemCPUTime: 0, maxRSS: native.memory()[0] / 1024 }),
  setUncaughtExceptionCaptureCallback() {},
  hasUncaughtExceptionCaptureCallback: () => false,
});
Object.defineProperty(process, Symbol.toStringTag, { value: 'process', configurable: true });

/** Takes a failure outside of any handler to its listeners, or ends what is going on. */
hooks.uncaught = (error) => {
  process.emit('uncaughtExceptionMonitor', error, 'uncaughtException');
  if (process.listenerCount('uncaughtException') > 0) {
    try {
      process.emit('uncaughtException', error, 'uncaughtException');
    } catch (next) {
      state.fatal ??= { kind: 'exception', error: next };
    }
  } else {
    state.fatal ??= { kind: 'exception', error };
  }
};

const unhandled = new Map();

native.trackRejections((promise, reason, handled) => {
  if (!handled) {
    unhandled.set(promise, { reason, told: false });
    return;
  }
  const known = unhandled.get(promise);
  if (known === undefined) return;
  unhandled.delete(promise);
});

/** After each turn: rejections that still have no handler. */
hooks.afterDrain = () => {
  while (unhandled.size > 0) {
    const batch = [...unhandled];
    unhandled.clear();
    for (const [promise, { reason }] of batch) {
      if (process.listenerCount('unhandledRejection') > 0) {
        try {
          process.emit('unhandledRejection', reason, promise);
        } catch (error) {
          hooks.uncaught(error);
        }
      } else if (process.listenerCount('uncaughtException') > 0) {
        hooks.uncaught(reason);
      } else {
        state.fatal ??= { kind: 'rejection', error: reason };
      }
      native.runJobs();
    }
  }
};
