// `assert`.

import { deepEqual } from './equality.js';
import { inspect } from './inspect.js';

export class AssertionError extends Error {
  constructor({ message, actual, expected, operator, generated }) {
    super(message);
    this.name = 'AssertionError';
    this.code = 'ERR_ASSERTION';
    Object.assign(this, { generatedMessage: generated ?? false, actual, expected, operator });
  }
}

function fail(actual, expected, message, operator, otherwise) {
  if (message instanceof Error) throw message;
  throw new AssertionError({ message: message ?? otherwise, actual, expected, operator, generated: message === undefined });
}

const versus = (title) => (actual, expected) => `${title}:\n\n${inspect(actual)} !== ${inspect(expected)}\n`;

/** An assertion of two values. */
const compare = (operator, holds, describe) => (actual, expected, message) => {
  if (!holds(actual, expected)) fail(actual, expected, message, operator, describe(actual, expected));
};

function ok(...args) {
  if (args.length === 0) fail(undefined, true, undefined, '==', 'No value argument passed to `assert.ok()`');
  const [value, message] = args;
  if (!value) fail(value, true, message, '==', 'The expression evaluated to a falsy value');
}

/** Whether an error is as `expected` says. */
function matches(error, expected, message) {
  if (expected === undefined) return;
  if (typeof expected === 'function') {
    if (expected.prototype !== undefined && error instanceof expected) return;
    if (Error.isPrototypeOf(expected)) throw error;
    if (expected.call({}, error) === true) return;
    fail(error, expected, message, 'throws', 'The validation function is expected to return "true".');
  }
  if (expected instanceof RegExp) {
    if (!expected.test(String(error))) fail(error, expected, message, 'throws', `The input did not match the regular expression ${expected}. Input:\n\n'${error}'\n`);
    return;
  }
  const names = Object.keys(expected);
  if (expected instanceof Error) names.push('name', 'message');
  for (const name of names) {
    const fits = expected[name] instanceof RegExp && typeof error?.[name] === 'string' ? expected[name].test(error[name]) : deepEqual(error?.[name], expected[name]);
    if (!fits) fail(error, expected, message, 'throws', `Expected values to be strictly deep-equal: ${name}: ${inspect(error?.[name])} !== ${inspect(expected[name])}`);
  }
}

function throws(call, expected, message) {
  if (typeof expected === 'string') [expected, message] = [undefined, expected];
  let thrown;
  try {
    call();
  } catch (error) {
    thrown = { error };
  }
  if (!thrown) fail(undefined, expected, message, 'throws', 'Missing expected exception.');
  matches(thrown.error, expected, message);
}

async function rejects(work, expected, message) {
  if (typeof expected === 'string') [expected, message] = [undefined, expected];
  let thrown;
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    thrown = { error };
  }
  if (!thrown) fail(undefined, expected, message, 'rejects', 'Missing expected rejection.');
  matches(thrown.error, expected, message);
}

const looseEqual = (one, other) => one == other || (one !== one && other !== other);
const strictDeep = (one, other) => deepEqual(one, other, true);
const looseDeep = (one, other) => deepEqual(one, other, false);
const not = (holds) => (one, other) => !holds(one, other);

const strictOnes = {
  strictEqual: compare('strictEqual', Object.is, versus('Expected values to be strictly equal')),
  notStrictEqual: compare('notStrictEqual', not(Object.is), (actual) => `Expected "actual" to be strictly unequal to: ${inspect(actual)}`),
  deepStrictEqual: compare('deepStrictEqual', strictDeep, versus('Expected values to be strictly deep-equal')),
  notDeepStrictEqual: compare('notDeepStrictEqual', not(strictDeep), (actual) => `Expected "actual" not to be strictly deep-equal to: ${inspect(actual)}`),
};

const common = {
  AssertionError,
  ok,
  fail: (message = 'Failed') => fail(undefined, undefined, message, 'fail'),
  throws,
  rejects,
  doesNotThrow(call, message) {
    try {
      call();
    } catch (error) {
      fail(error, undefined, typeof message === 'string' ? message : undefined, 'doesNotThrow', `Got unwanted exception.\nActual message: "${error?.message}"`);
    }
  },
  async doesNotReject(work, message) {
    try {
      await (typeof work === 'function' ? work() : work);
    } catch (error) {
      fail(error, undefined, typeof message === 'string' ? message : undefined, 'doesNotReject', `Got unwanted rejection.\nActual message: "${error?.message}"`);
    }
  },
  ifError(value) { if (value !== null && value !== undefined) throw value instanceof Error ? value : new AssertionError({ message: `ifError got unwanted exception: ${inspect(value)}` }); },
  match: (text, pattern, message) => { if (!pattern.test(text)) fail(text, pattern, message, 'match', `The input did not match the regular expression ${pattern}. Input:\n\n${inspect(text)}\n`); },
  doesNotMatch: (text, pattern, message) => { if (pattern.test(text)) fail(text, pattern, message, 'doesNotMatch', `The input was expected to not match the regular expression ${pattern}. Input:\n\n${inspect(text)}\n`); },
  ...strictOnes,
};

export const strict = Object.assign((...args) => ok(...args), common, { equal: strictOnes.strictEqual, notEqual: strictOnes.notStrictEqual,
  deepEqual: strictOnes.deepStrictEqual, notDeepEqual: strictOnes.notDeepStrictEqual });
strict.strict = strict;

export const assert = Object.assign((...args) => ok(...args), common, {
  equal: compare('==', looseEqual, (actual, expected) => `${inspect(actual)} == ${inspect(expected)}`),
  notEqual: compare('!=', not(looseEqual), (actual, expected) => `${inspect(actual)} != ${inspect(expected)}`),
  deepEqual: compare('deepEqual', looseDeep, versus('Expected values to be loosely deep-equal')),
  notDeepEqual: compare('notDeepEqual', not(looseDeep), (actual) => `Expected "actual" not to be loosely deep-equal to: ${inspect(actual)}`),
  strict,
});
