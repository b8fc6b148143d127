import assert from 'node:assert/strict';

export const handler = async () => {
  assert.equal((1234567.891).toLocaleString(), '1,234,567.891');
  assert.equal(new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' }).format(-1234.5), '-$1,234.50');
  assert.equal(new Intl.NumberFormat('en-US', { style: 'percent' }).format(0.256), '26%');
  assert.equal(new Date(0).toLocaleString('en-US', { timeZone: 'UTC' }), '1/1/1970, 12:00:00\u202fAM');
  assert.equal(new Date(0).toLocaleDateString(), '1/1/1970');
  assert.equal(
    new Date(0).toLocaleDateString('en-US', { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }),
    'Thursday, January 1, 1970',
  );
  assert.equal(
    new Intl.DateTimeFormat('en-US', { dateStyle: 'medium', timeStyle: 'short', timeZone: '+02:00' }).format(0),
    'Jan 1, 1970, 2:00\u202fAM',
  );
  assert.throws(() => new Intl.DateTimeFormat('en', { timeZone: 'Europe/Oslo' }), RangeError);
  assert.deepEqual(
    ['b', 'a', 'C', 'A'].sort((x, y) => x.localeCompare(y)),
    ['a', 'A', 'b', 'C'],
  );
  assert.equal(new Intl.PluralRules('en', { type: 'ordinal' }).select(22), 'two');
  assert.equal(new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(-1, 'day'), 'yesterday');
  assert.deepEqual(['a10', 'a2'].sort(new Intl.Collator(undefined, { numeric: true }).compare), ['a2', 'a10']);
  assert.equal(Intl.DateTimeFormat().resolvedOptions().timeZone, 'UTC');
  assert.equal(new Intl.NumberFormat('en', { notation: 'compact' }).format(12345), '12K');
  return 'done';
};
