// `console`, to the function's log in Lambda's two formats.

import { format, formatWithOptions, inspect } from './inspect.js';
import { monotonic } from './clock.js';

const LEVELS = { TRACE: 0, DEBUG: 1, INFO: 2, WARN: 3, ERROR: 4, FATAL: 5 };

/** How records are written; set when the function is loaded, and for each invocation. */
export const logging = { json: false, least: 0, requestId: undefined, tenantId: undefined };

/** Sets format and level from what `rt_load` was told. */
export function configure(logFormat, logLevel) {
  logging.json = logFormat === 'JSON';
  logging.least = logging.json ? LEVELS[`${logLevel ?? ''}`.toUpperCase()] ?? LEVELS.INFO : 0;
}

const errorFields = (error) => ({
  errorType: error?.constructor?.name ?? 'UnknownError',
  errorMessage: error.message,
  stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
});

function withErrors(key, value) {
  if (value instanceof Error) return { ...errorFields(value), ...value };
  return typeof value === 'bigint' ? `${value}` : value;
}

function jsonRecord(level, args) {
  const record = { timestamp: new Date().toISOString(), level };
  if (logging.requestId !== undefined) record.requestId = logging.requestId;
  if (logging.tenantId !== undefined) record.tenantId = logging.tenantId;
  if (args.length === 1) {
    record.message = args[0];
    try {
      return JSON.stringify(record, withErrors);
    } catch {
      // What JSON cannot say is written as text.
    }
  }
  record.message = format(...args);
  const error = args.find((arg) => arg instanceof Error);
  if (error) Object.assign(record, errorFields(error));
  return JSON.stringify(record);
}

/** Writes one record. */
export function write(level, args) {
  if (LEVELS[level] < logging.least) return;
  if (logging.json) {
    native.log(jsonRecord(level, args));
    return;
  }
  const message = args.length === 1 && typeof args[0] === 'string' ? args[0] : format(...args);
  native.log(`${new Date().toISOString()}\t${logging.requestId}\t${level}\t${indented(message)}`);
}

let depth = 0;
const indented = (text) => (depth === 0 ? text : text.replace(/^/gm, ' '.repeat(depth)));

const counts = new Map();
const times = new Map();

function table(data, columns) {
  if (data === null || typeof data !== 'object') return write('INFO', [data]);
  const rows = data instanceof Map ? [...data].map(([key, value], index) => [index, { Key: key, Values: value }])
    : data instanceof Set ? [...data].map((value, index) => [index, value])
      : Object.entries(data);
  const head = ['(index)'];
  const plain = rows.some(([, value]) => value === null || typeof value !== 'object');
  const names = columns ?? [...new Set(rows.flatMap(([, value]) => (value !== null && typeof value === 'object' ? Object.keys(value) : [])))];
  head.push(...names);
  if (plain) head.push('Values');
  const show = (value) => formatWithOptions({ depth: 1 }, '%O', value).replace(/\n\s*/g, ' ');
  const lines = rows.map(([key, value]) => {
    const object = value !== null && typeof value === 'object';
    const line = [`${key}`, ...names.map((name) => (object && Object.hasOwn(value, name) ? show(value[name]) : ''))];
    if (plain) line.push(object ? '' : show(value));
    return line;
  });
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column].length)) + 2);
  const row = (cells) => `│${cells.map((cell, column) => ` ${cell}`.padEnd(widths[column])).join('│')}│`;
  const rule = (left, middle, right) => left + widths.map((width) => '─'.repeat(width)).join(middle) + right;
  write('INFO', [[rule('┌', '┬', '┐'), row(head), rule('├', '┼', '┤'), ...lines.map(row), rule('└', '┴', '┘')].join('\n')]);
}

function elapsed(label) {
  const start = times.get(label);
  if (start === undefined) return undefined;
  const spent = monotonic() - start;
  return spent >= 1000 ? `${(spent / 1000).toFixed(3)}s` : `${Number(spent.toPrecision(spent < 1 ? 2 : 4))}ms`;
}

export class Console {
  constructor() { return console; }
}

export const console = {
  log(...args) { write('INFO', args); },
  info(...args) { write('INFO', args); },
  debug(...args) { write('DEBUG', args); },
  warn(...args) { write('WARN', args); },
  error(...args) { write('ERROR', args); },
  fatal(...args) { write('FATAL', args); },
  trace(...args) {
    const at = {};
    Error.captureStackTrace(at, console.trace);
    const frames = `${at.stack}`.split('\n').filter((line) => line.startsWith('    at '));
    if (logging.json) return write('TRACE', args);
    write('TRACE', [['Trace' + (args.length > 0 ? `: ${format(...args)}` : ''), ...frames].join('\n')]);
  },
  dir(value, options) { write('INFO', [inspect(value, { customInspect: false, ...options })]); },
  dirxml(...args) { write('INFO', args); },
  assert(condition, ...args) {
    if (condition) return;
    if (typeof args[0] === 'string') args[0] = `Assertion failed: ${args[0]}`;
    else args.unshift(args.length > 0 ? 'Assertion failed:' : 'Assertion failed');
    write('WARN', args);
  },
  count(label = 'default') {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    write('INFO', [`${label}: ${counts.get(label)}`]);
  },
  countReset(label = 'default') { counts.delete(label); },
  time(label = 'default') { times.set(label, monotonic()); },
  timeLog(label = 'default', ...args) {
    const spent = elapsed(label);
    if (spent !== undefined) write('INFO', [`${label}: ${spent}`, ...args]);
  },
  timeEnd(label = 'default') {
    const spent = elapsed(label);
    if (spent !== undefined) write('INFO', [`${label}: ${spent}`]);
    times.delete(label);
  },
  timeStamp() {},
  profile() {},
  profileEnd() {},
  group(...args) {
    if (args.length > 0) write('INFO', args);
    depth += 2;
  },
  groupCollapsed(...args) { console.group(...args); },
  groupEnd() { depth = Math.max(0, depth - 2); },
  table,
};
console.Console = Console;
