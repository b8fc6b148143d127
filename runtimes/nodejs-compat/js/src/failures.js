// Errors as documents for the client and for the log.

import { logging, write } from './console.js';

const lines = (error) => (typeof error.stack === 'string' ? error.stack.split('\n').filter((line) => line !== '') : []);

/** An error that a function threw, or whatever else it threw, for its client. */
export function document(error) {
  try {
    if (error instanceof Error || (error !== null && typeof error === 'object' && 'stack' in error && 'message' in error)) {
      return { errorType: `${error.name}`, errorMessage: `${error.message}`, trace: lines(error) };
    }
    return { errorType: typeof error, errorMessage: error === undefined ? 'undefined' : String(error), trace: [] };
  } catch {
    return { errorType: 'handled', errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its fields', trace: [] };
  }
}

/** Writes a failure to the log as Lambda does. */
export function report(title, error) {
  if (logging.json) {
    write('ERROR', [error instanceof Error ? error : new Error(String(error))]);
    return;
  }
  const { errorType, errorMessage, trace } = document(error);
  let fields = {};
  try {
    fields = error instanceof Error ? { ...error } : {};
    write('ERROR', [`${title} \t${JSON.stringify({ errorType, errorMessage, ...fields, stack: trace })}`]);
  } catch {
    write('ERROR', [`${title} \t${JSON.stringify({ errorType, errorMessage, stack: trace })}`]);
  }
}
