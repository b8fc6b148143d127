// `os`, as a function in Lambda would see it.

import { unsupported } from './errors.js';
import { process } from './process.js';

const cpu = { model: 'wasm32', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } };
const signals = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGKILL: 9, SIGUSR1: 10, SIGSEGV: 11, SIGUSR2: 12,
  SIGPIPE: 13, SIGALRM: 14, SIGTERM: 15 };

export const os = {
  EOL: '\n',
  devNull: '/dev/null',
  arch: () => process.arch,
  availableParallelism: () => 1,
  cpus: () => [{ ...cpu }],
  endianness: () => 'LE',
  freemem: () => process.availableMemory(),
  getPriority: () => 0,
  setPriority() { throw unsupported('os.setPriority'); },
  homedir: () => process.env.HOME ?? '/tmp',
  hostname: () => process.env.HOSTNAME ?? 'localhost',
  loadavg: () => [0, 0, 0],
  machine: () => process.arch,
  networkInterfaces: () => ({}),
  platform: () => process.platform,
  release: () => '5.10.0',
  tmpdir: () => process.env.TMPDIR ?? '/tmp',
  totalmem: () => process.constrainedMemory(),
  type: () => 'Linux',
  uptime: () => process.uptime(),
  userInfo: () => ({ uid: 993, gid: 990, username: 'sbx_user1051', homedir: '/tmp', shell: null }),
  version: () => 'nodejs-compat',
  constants: { signals, errno: {}, priority: {}, dlopen: {}, UV_UDP_REUSEADDR: 4 },
};
