// The calls of the host: load, invoke, snapshot, restore. Each answers `[tag, body]`.

import { restart, resume } from './clock.js';
import { configure, logging } from './console.js';
import { document, report } from './failures.js';
import { findHandler, RuntimeError } from './handler.js';
import { busy, drain, run, state } from './loop.js';
import { process } from './process.js';
import { isStreaming, ResponseStream, runHooks } from './streaming.js';

const SUCCESS = 0;
const FAILED = 1;
const BROKEN = 2;
const STREAMED = 3;

let handler;
let loaded;

function setEnvironment(variables) {
  for (const [name, value] of Object.entries(variables ?? {})) process.env[name] = value;
  process.env.NODE_PATH ??= '/opt/nodejs/node20/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task';
  native.setPaths(process.env.NODE_PATH.split(':'));
}

/** What ended the work before its time, as an answer. */
function fatal() {
  const { kind, error } = state.fatal;
  state.fatal = undefined;
  let told = error;
  if (kind === 'rejection') {
    told = new RuntimeError('UnhandledPromiseRejection', error instanceof Error ? `${error}` : String(error), error);
    told.reason = document(error);
    told.promise = {};
  }
  report(kind === 'rejection' ? 'Unhandled Promise Rejection' : 'Uncaught Exception', told);
  const body = document(told);
  return [BROKEN, JSON.stringify(kind === 'rejection' ? { ...body, reason: told.reason, promise: {} } : body)];
}

/** Runs an asynchronous function to its end: its outcome as `{ value }` or `{ error }`, or nothing if it cannot end. */
function complete(work) {
  let outcome;
  work().then((value) => { outcome = { value }; }, (error) => { outcome = { error }; });
  run(() => outcome !== undefined);
  return outcome;
}

export function load(config) {
  restart();
  native.seedRandom();
  setEnvironment(config.env);
  configure(config.logFormat, config.logLevel);
  logging.requestId = undefined;
  loaded = { functionName: config.functionName, functionVersion: config.functionVersion, logGroup: config.logGroup, logStream: config.logStream,
    memorySizeMb: config.memorySizeMb };
  const outcome = complete(() => findHandler(config.handler));
  if (state.fatal) return [FAILED, fatal()[1]];
  if (outcome === undefined) {
    const error = new RuntimeError('ImportModuleError', 'Error: the module never settled: it awaits something that cannot happen any more');
    report('Uncaught Exception', error);
    return [FAILED, JSON.stringify(document(error))];
  }
  if ('error' in outcome) {
    report('Uncaught Exception', outcome.error);
    return [FAILED, JSON.stringify(document(outcome.error))];
  }
  handler = outcome.value;
  return [SUCCESS, ''];
}

/** What a handler is told of its invocation. */
function contextOf(given, settle) {
  const { deadlineMs } = given;
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: given.functionVersion ?? loaded.functionVersion,
    functionName: given.functionName ?? loaded.functionName,
    memoryLimitInMB: `${given.memoryLimitMb ?? loaded.memorySizeMb}`,
    logGroupName: given.logGroup ?? loaded.logGroup,
    logStreamName: given.logStream ?? loaded.logStream,
    clientContext: given.clientContext ?? undefined,
    identity: given.identity ?? undefined,
    invokedFunctionArn: given.invokedFunctionArn,
    awsRequestId: given.requestId,
    // Handlers copy contexts by spreading them, methods too. None refers to the context: a cycle would stay until a collection, and
    // each invocation would write memory that none has written before.
    getRemainingTimeInMillis: () => deadlineMs - Date.now(),
    done: settle,
    succeed: (result) => settle(null, result),
    fail: (error) => settle(error ?? 'handled'),
  };
  if (given.tenantId !== undefined) context.tenantId = given.tenantId;
  return context;
}

const isPromise = (value) => typeof value?.then === 'function';

function serialised(value) {
  let text;
  try {
    text = JSON.stringify(value === undefined ? null : value);
  } catch (error) {
    throw new RuntimeError('MarshalError', `Unable to stringify response body: ${error.message}`, error);
  }
  return text ?? 'null';
}

function failed(error) {
  report('Invoke Error', error);
  return [FAILED, JSON.stringify(document(error))];
}

export function invoke(given, event) {
  logging.requestId = given.requestId;
  logging.tenantId = given.tenantId;
  if (given.traceId) process.env._X_AMZN_TRACE_ID = given.traceId;
  else delete process.env._X_AMZN_TRACE_ID;
  return isStreaming(handler) ? stream(given, event) : buffered(given, event);
}

/** In place of the outcome of an invocation that is over. */
const ENDED = {};

function buffered(given, event) {
  let outcome;
  let asynchronous = false;
  const settle = (error, result) => {
    outcome ??= error === null || error === undefined ? { value: result } : { error };
  };
  const context = contextOf(given, settle);
  try {
    const result = handler(event, context, settle);
    if (isPromise(result)) {
      asynchronous = true;
      result.then((value) => settle(null, value), (error) => { outcome ??= { error }; });
    }
  } catch (error) {
    outcome ??= { error };
    asynchronous = true;
  }
  run(() => outcome !== undefined && (asynchronous || !context.callbackWaitsForEmptyEventLoop || !busy()));
  const told = outcome;
  // What was answered may refer to `settle`, by its copy of the context.
  outcome = ENDED;
  if (state.fatal) return fatal();
  if (told !== undefined && 'error' in told) return failed(told.error);
  try {
    // Without an answer and with nothing left that could bring one, Lambda answers null.
    return [SUCCESS, serialised(told?.value)];
  } catch (error) {
    return failed(error);
  }
}

function stream(given, event) {
  let outcome;
  let finished = false;
  const settle = (error) => { outcome ??= error === null || error === undefined ? {} : { error }; };
  const response = new ResponseStream();
  response.on('finish', () => { finished = true; });
  response.on('error', (error) => { outcome = { error }; });
  const context = contextOf(given, settle);
  try {
    const result = handler(event, response, context);
    if (isPromise(result)) result.then(() => settle(null), (error) => { outcome ??= { error }; });
    else settle(null);
  } catch (error) {
    outcome = { error };
  }
  run(() => outcome !== undefined && ('error' in outcome || finished));
  if (state.fatal) {
    const [tag, body] = fatal();
    return response.begun ? [STREAMED, body] : [tag, body];
  }
  if (outcome !== undefined && 'error' in outcome) {
    const answer = failed(outcome.error);
    return response.begun ? [STREAMED, answer[1]] : answer;
  }
  if (!finished) {
    // Nothing is left that could end the response: it ends here.
    response.end();
    drain();
  }
  return [STREAMED, ''];
}

function hooked(moment) {
  const outcome = complete(() => runHooks(moment));
  if (state.fatal) return fatal();
  if (outcome !== undefined && 'error' in outcome) {
    report('Uncaught Exception', outcome.error);
    return [FAILED, JSON.stringify(document(outcome.error))];
  }
  return [SUCCESS, ''];
}

export function snapshot() {
  const answer = hooked('before');
  native.collect();
  return answer;
}

export function restore(config) {
  resume();
  native.seedRandom();
  setEnvironment(config.env);
  if (config.logStream !== undefined && loaded) loaded.logStream = config.logStream;
  return hooked('after');
}
