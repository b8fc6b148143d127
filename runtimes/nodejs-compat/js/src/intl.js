// A part of `Intl`: English of the United States, time zones without rules of their own, and clear errors for the rest.

import { coded } from './errors.js';

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const SYMBOLS = {
  USD: '$',
  EUR: '€',
  GBP: '£',
  JPY: '¥',
  INR: '₹',
  CNY: 'CN¥',
  KRW: '₩',
  BRL: 'R$',
  CAD: 'CA$',
  AUD: 'A$',
  MXN: 'MX$',
  NZD: 'NZ$',
  ILS: '₪',
  VND: '₫',
  TWD: 'NT$',
  HKD: 'HK$',
  XAF: 'FCFA',
  PHP: '₱',
};
const WITHOUT_MINOR = new Set(['JPY', 'KRW', 'VND', 'CLP', 'ISK', 'UGX', 'XAF', 'XOF', 'PYG']);

/** Checks locales; every one that is well formed is answered in English. */
function localeOf(locales) {
  for (const locale of [locales ?? 'en-US'].flat()) {
    if (!/^[a-z]{2,8}([-_][a-z0-9]{1,8})*$/i.test(`${locale}`)) throw new RangeError(`Incorrect locale information provided`);
  }
  return 'en-US';
}

/** Minutes east of UTC; zones with rules are not known here. */
function zoneOf(timeZone) {
  if (timeZone === undefined || /^(Etc\/)?(UTC|GMT|UCT|Zulu|Universal|Greenwich)$/i.test(timeZone)) return { name: 'UTC', offset: 0 };
  const fixed = /^([+-])(\d{2}):?(\d{2})?$/.exec(timeZone);
  if (fixed) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3] ?? 0);
    return { name: timeZone, offset: fixed[1] === '-' ? -minutes : minutes };
  }
  const etc = /^Etc\/GMT([+-]\d{1,2})$/i.exec(timeZone);
  if (etc) return { name: timeZone, offset: -60 * Number(etc[1]) };
  throw coded(
    RangeError,
    'ERR_INTL_UNSUPPORTED',
    `Invalid time zone specified: ${timeZone}; nodejs-compat knows UTC and fixed offsets such as +02:00`,
  );
}

const DATE_STYLES = {
  full: { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' },
  long: { year: 'numeric', month: 'long', day: 'numeric' },
  medium: { year: 'numeric', month: 'short', day: 'numeric' },
  short: { year: '2-digit', month: 'numeric', day: 'numeric' },
};
const TIME_STYLES = {
  full: { hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'long' },
  long: { hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'short' },
  medium: { hour: 'numeric', minute: '2-digit', second: '2-digit' },
  short: { hour: 'numeric', minute: '2-digit' },
};
const FIELDS = ['weekday', 'era', 'year', 'month', 'day', 'dayPeriod', 'hour', 'minute', 'second', 'fractionalSecondDigits', 'timeZoneName'];

const literal = (value) => ({ type: 'literal', value });

class DateTimeFormat {
  #options;
  #zone;

  constructor(locales, options = {}, defaults = { year: 'numeric', month: 'numeric', day: 'numeric' }) {
    localeOf(locales);
    this.#zone = zoneOf(options?.timeZone);
    const chosen = {};
    if (options?.dateStyle || options?.timeStyle) {
      Object.assign(chosen, DATE_STYLES[options.dateStyle], TIME_STYLES[options.timeStyle]);
      chosen.styled = options.dateStyle;
    } else {
      for (const field of FIELDS) if (options?.[field] !== undefined) chosen[field] = options[field];
      if (Object.keys(chosen).every((field) => field === 'timeZoneName')) Object.assign(chosen, defaults);
    }
    chosen.hour12 = options?.hour12 ?? (options?.hourCycle ? options.hourCycle === 'h12' || options.hourCycle === 'h11' : true);
    if (options?.hourCycle) chosen.hourCycle = options.hourCycle;
    this.#options = chosen;
    this.format = this.format.bind(this);
  }

  static supportedLocalesOf(locales) {
    return [locales].flat().filter((locale) => /^en\b/i.test(locale));
  }

  formatToParts(date) {
    const time = date === undefined ? Date.now() : Number(date);
    if (!Number.isFinite(time)) throw new RangeError('Invalid time value');
    const at = new Date(time + this.#zone.offset * 60000);
    const { weekday, year, month, day, hour, minute, second, fractionalSecondDigits, timeZoneName, hour12, styled, era } = this.#options;
    const pad = (value, style) => (style === '2-digit' ? `${value}`.slice(-2).padStart(2, '0') : `${value}`);
    const part = (type, value) => ({ type, value });
    const parts = [];
    const text = month === 'long' || month === 'short' || month === 'narrow';
    const cut = (name, style) => (style === 'long' ? name : style === 'narrow' ? name[0] : name.slice(0, 3));
    const dated = [];
    if (month) dated.push(part('month', text ? cut(MONTHS[at.getUTCMonth()], month) : pad(at.getUTCMonth() + 1, month)));
    if (day) dated.push(part('day', pad(at.getUTCDate(), day)));
    if (year) dated.push(part('year', pad(at.getUTCFullYear(), year)));
    if (weekday) parts.push(part('weekday', cut(DAYS[at.getUTCDay()], weekday)));
    if (weekday && dated.length > 0) parts.push(literal(', '));
    dated.forEach((each, index) => {
      if (index > 0) parts.push(literal(text ? (each.type === 'year' && day ? ', ' : ' ') : '/'));
      parts.push(each);
    });
    if (era) parts.push(literal(' '), part('era', era === 'long' ? 'Anno Domini' : era === 'narrow' ? 'A' : 'AD'));
    const timed = [];
    if (hour) {
      const hours = at.getUTCHours();
      const shown = hour12 ? hours % 12 || 12 : hours;
      timed.push(part('hour', !hour12 && (hour === '2-digit' || minute) ? pad(shown, '2-digit') : pad(shown, hour)));
    }
    if (minute) timed.push(part('minute', pad(at.getUTCMinutes(), hour || minute === '2-digit' ? '2-digit' : minute)));
    if (second) timed.push(part('second', pad(at.getUTCSeconds(), minute || second === '2-digit' ? '2-digit' : second)));
    if (timed.length > 0 && parts.length > 0) parts.push(literal(styled === 'full' || styled === 'long' ? ' at ' : ', '));
    timed.forEach((each, index) => {
      if (index > 0) parts.push(literal(':'));
      parts.push(each);
    });
    if (fractionalSecondDigits) {
      parts.push(literal('.'), part('fractionalSecond', `${at.getUTCMilliseconds()}`.padStart(3, '0').slice(0, fractionalSecondDigits)));
    }
    if (hour && hour12) parts.push(literal('\u202f'), part('dayPeriod', at.getUTCHours() < 12 ? 'AM' : 'PM'));
    if (timeZoneName) {
      const name = this.#zone.offset === 0 ? (timeZoneName === 'long' ? 'Coordinated Universal Time' : 'UTC') : `GMT${this.#zone.name}`;
      parts.push(literal(parts.length > 0 && !hour ? ', ' : ' '), part('timeZoneName', name));
    }
    return parts;
  }

  format(date) {
    return this.formatToParts(date)
      .map(({ value }) => value)
      .join('');
  }
  formatRange(start, end) {
    return `${this.format(start)} – ${this.format(end)}`;
  }
  formatRangeToParts(start, end) {
    const from = (source) => (part) => ({ ...part, source });
    return [
      ...this.formatToParts(start).map(from('startRange')),
      { ...literal(' – '), source: 'shared' },
      ...this.formatToParts(end).map(from('endRange')),
    ];
  }

  resolvedOptions() {
    const { styled, ...fields } = this.#options;
    return { locale: 'en-US', calendar: 'gregory', numberingSystem: 'latn', timeZone: this.#zone.name, ...fields };
  }
}

const COMPACT = [
  [1e12, 'T', ' trillion'],
  [1e9, 'B', ' billion'],
  [1e6, 'M', ' million'],
  [1e3, 'K', ' thousand'],
];

class NumberFormat {
  #options;

  constructor(locales, options = {}) {
    localeOf(locales);
    const { style = 'decimal', currency, notation = 'standard' } = options ?? {};
    if (style === 'currency' && currency === undefined) throw new TypeError('Currency code is required with currency style.');
    const minor = style === 'currency' ? (WITHOUT_MINOR.has(currency.toUpperCase()) ? 0 : 2) : 0;
    const least =
      options.minimumFractionDigits ?? (options.maximumFractionDigits !== undefined ? Math.min(minor, options.maximumFractionDigits) : minor);
    const most =
      options.maximumFractionDigits ?? Math.max(least, style === 'currency' ? minor : style === 'percent' || notation === 'compact' ? 0 : 3);
    if (least > most || most > 100 || least < 0) throw new RangeError('maximumFractionDigits value is out of range.');
    this.#options = { ...options, style, notation, currency: currency?.toUpperCase(), least, most, grouping: options.useGrouping ?? true };
    this.format = this.format.bind(this);
  }

  static supportedLocalesOf(locales) {
    return DateTimeFormat.supportedLocalesOf(locales);
  }

  #digits(value) {
    const { least, most, grouping, maximumSignificantDigits, minimumSignificantDigits, minimumIntegerDigits = 1 } = this.#options;
    let text;
    if (typeof value === 'bigint') text = `${value}`;
    else if (maximumSignificantDigits || minimumSignificantDigits) {
      text = plainDigits(Number(value.toPrecision(maximumSignificantDigits ?? 21)));
      const have = text.replace(/^0*\.?0*|\./g, '').length;
      const lack = (minimumSignificantDigits ?? 1) - have;
      if (lack > 0) text += (text.includes('.') ? '' : '.') + '0'.repeat(lack);
    } else {
      text = rounded(value, most);
      const [whole, fraction = ''] = text.split('.');
      const kept = fraction.slice(0, least) + fraction.slice(least).replace(/0+$/, '');
      text = kept === '' ? whole : `${whole}.${kept}`;
    }
    let [whole, fraction] = text.split('.');
    whole = whole.padStart(minimumIntegerDigits, '0');
    if (grouping !== false && grouping !== 'false') whole = whole.replace(/\B(?=(\d{3})+$)/g, ',');
    return fraction === undefined ? whole : `${whole}.${fraction}`;
  }

  format(input) {
    const value = typeof input === 'bigint' ? input : Number(input);
    const { style, currency, currencyDisplay, notation, compactDisplay, unit, unitDisplay, signDisplay } = this.#options;
    const negative = value < 0 || Object.is(value, -0);
    let size = negative ? -value : value;
    let text;
    if (Number.isNaN(size)) text = 'NaN';
    else if (size === Infinity) text = '∞';
    else {
      if (style === 'percent') size = Number(size) * 100;
      const scale = notation === 'compact' ? COMPACT.find(([limit]) => size >= limit) : undefined;
      if (scale) {
        const part = Number(size) / scale[0];
        text = (part < 100 ? `${Number(part.toPrecision(2))}` : `${Math.round(part)}`) + (compactDisplay === 'long' ? scale[2] : scale[1]);
      } else if (notation === 'compact' && size < 100) {
        text = `${Number(Number(size).toPrecision(2))}`;
      } else {
        text = this.#digits(size);
      }
    }
    if (style === 'percent') text += '%';
    if (style === 'unit') text += unitDisplay === 'long' ? ` ${unit}${size == 1 ? '' : 's'}` : ` ${unit}`;
    if (style === 'currency') {
      if (currencyDisplay === 'name') text += ` ${currency}`;
      else text = currencyDisplay === 'code' || !SYMBOLS[currency] ? `${currency}\u00a0${text}` : SYMBOLS[currency] + text;
    }
    const zero = /^[^1-9]*$/.test(text) && !/[∞N]/.test(text);
    if (signDisplay === 'never') return text;
    if (negative && !(signDisplay === 'exceptZero' && zero)) return `-${text}`;
    return signDisplay === 'always' || (signDisplay === 'exceptZero' && !zero) ? `+${text}` : text;
  }

  formatToParts(value) {
    return [...this.format(value).matchAll(/(\d+)|(,)|(\.)|(-)|(%)|([^\d,.%-]+)/g)].map(
      ([text, digits, group, point, minus, percent], index, all) => ({
        type: digits
          ? all.slice(0, index).some((match) => match[3])
            ? 'fraction'
            : 'integer'
          : group
            ? 'group'
            : point
              ? 'decimal'
              : minus
                ? 'minusSign'
                : percent
                  ? 'percentSign'
                  : this.#options.style === 'currency'
                    ? 'currency'
                    : 'literal',
        value: text,
      }),
    );
  }

  resolvedOptions() {
    const { least, most, grouping, ...options } = this.#options;
    return {
      locale: 'en-US',
      numberingSystem: 'latn',
      ...options,
      minimumFractionDigits: least,
      maximumFractionDigits: most,
      useGrouping: grouping,
    };
  }
}

/** A number's decimal digits without an exponent. */
const plainDigits = (value) => (value >= 1e21 ? BigInt(value).toString() : value < 1e-6 ? value.toFixed(20).replace(/0+$/, '') : `${value}`);

/** Rounds half away from zero, in decimal, as `Intl` does; `toFixed` alone would round the binary value. */
function rounded(value, digits) {
  if (value >= 1e21) return BigInt(value).toString();
  const shifted = Number(`${value}e${digits}`);
  if (!Number.isFinite(shifted) || shifted > Number.MAX_SAFE_INTEGER) return value.toFixed(digits);
  const text = `${Math.round(shifted)}`.padStart(digits + 1, '0');
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

class Collator {
  #options;
  constructor(locales, options = {}) {
    localeOf(locales);
    this.#options = { sensitivity: 'variant', numeric: false, usage: 'sort', ignorePunctuation: false, caseFirst: 'false', ...options };
    this.compare = this.compare.bind(this);
  }

  static supportedLocalesOf(locales) {
    return DateTimeFormat.supportedLocalesOf(locales);
  }

  compare(one, other) {
    const { sensitivity, numeric } = this.#options;
    const base = (text) =>
      `${text}`
        .normalize('NFD')
        .replace(/[\u0300-\u036f]/g, '')
        .toLowerCase();
    const first = this.#order(base(one), base(other), numeric);
    if (first !== 0 || sensitivity === 'base') return first;
    if (sensitivity !== 'case') {
      const marks = (text) => `${text}`.normalize('NFD').toLowerCase();
      const second = this.#order(marks(one), marks(other), numeric);
      if (second !== 0 || sensitivity === 'accent') return second;
    }
    // Of letters alike but for case, the small one goes first.
    const swapped = (text) => `${text}`.replace(/\p{L}/gu, (char) => (char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase()));
    return this.#order(swapped(one), swapped(other), false);
  }

  #order(one, other, numeric) {
    if (numeric) {
      const [left, right] = [one.split(/(\d+)/), other.split(/(\d+)/)];
      for (let at = 0; at < Math.min(left.length, right.length); at++) {
        const difference = at % 2 ? Number(left[at]) - Number(right[at]) : this.#order(left[at], right[at], false);
        if (difference !== 0) return Math.sign(difference);
      }
      return Math.sign(left.length - right.length);
    }
    const weight = (char) => (/[\p{L}]/u.test(char) ? 2 : /\p{N}/u.test(char) ? 1 : 0);
    for (let at = 0; at < Math.min(one.length, other.length); at++) {
      if (one[at] === other[at]) continue;
      const difference = weight(one[at]) - weight(other[at]);
      return difference === 0 ? (one[at] < other[at] ? -1 : 1) : Math.sign(difference);
    }
    return Math.sign(one.length - other.length);
  }

  resolvedOptions() {
    return { locale: 'en-US', collation: 'default', ...this.#options };
  }
}

class PluralRules {
  #ordinal;
  constructor(locales, options) {
    localeOf(locales);
    this.#ordinal = options?.type === 'ordinal';
  }

  static supportedLocalesOf(locales) {
    return DateTimeFormat.supportedLocalesOf(locales);
  }

  select(value) {
    if (!this.#ordinal) return value === 1 ? 'one' : 'other';
    const [ones, tens] = [value % 10, value % 100];
    if (ones === 1 && tens !== 11) return 'one';
    if (ones === 2 && tens !== 12) return 'two';
    return ones === 3 && tens !== 13 ? 'few' : 'other';
  }

  resolvedOptions() {
    return { locale: 'en-US', type: this.#ordinal ? 'ordinal' : 'cardinal' };
  }
}

class RelativeTimeFormat {
  #auto;
  constructor(locales, options) {
    localeOf(locales);
    this.#auto = options?.numeric === 'auto';
  }

  static supportedLocalesOf(locales) {
    return DateTimeFormat.supportedLocalesOf(locales);
  }

  format(value, unit) {
    unit = `${unit}`.replace(/s$/, '');
    const near = { day: ['yesterday', 'today', 'tomorrow'], second: [undefined, 'now'] }[unit] ?? [`last ${unit}`, `this ${unit}`, `next ${unit}`];
    if (this.#auto && (value === 0 || value === 1 || value === -1) && near[value + 1]) return near[value + 1];
    const size = Math.abs(value);
    const text = `${new NumberFormat().format(size)} ${unit}${size === 1 ? '' : 's'}`;
    return value < 0 || Object.is(value, -0) ? `${text} ago` : `in ${text}`;
  }
}

class ListFormat {
  #word;
  constructor(locales, options) {
    localeOf(locales);
    this.#word = options?.type === 'disjunction' ? 'or' : options?.type === 'unit' ? '' : 'and';
  }

  format(list) {
    const items = [...list];
    if (items.length < 2) return items.join('');
    if (this.#word === '') return items.join(', ');
    if (items.length === 2) return items.join(` ${this.#word} `);
    return `${items.slice(0, -1).join(', ')}, ${this.#word} ${items[items.length - 1]}`;
  }
}

class Segmenter {
  #granularity;
  constructor(locales, options) {
    localeOf(locales);
    this.#granularity = options?.granularity ?? 'grapheme';
  }

  segment(input) {
    const pattern =
      this.#granularity === 'grapheme'
        ? /\r\n|\P{M}(\p{M}|\u200d\P{M}|\p{Emoji_Modifier}|\ufe0f)*|\p{M}+/gsu
        : this.#granularity === 'word'
          ? /[\p{L}\p{N}_'’]+|\s+|[^\p{L}\p{N}_\s]/gu
          : /[^.!?]+[.!?]*\s*/gu;
    return [...`${input}`.matchAll(pattern)].map((match) => ({
      segment: match[0],
      index: match.index,
      input,
      ...(this.#granularity === 'word' && { isWordLike: /[\p{L}\p{N}]/u.test(match[0]) }),
    }));
  }
}

class Locale {
  constructor(tag) {
    localeOf(tag);
    [this.language, this.region] = [`${tag}`.split('-')[0].toLowerCase(), /-([A-Z]{2})\b/i.exec(tag)?.[1]?.toUpperCase()];
    this.baseName = `${tag}`;
  }

  toString() {
    return this.baseName;
  }
}

/** Constructors of `Intl` may be called without `new`. */
const callable = (Class) => new Proxy(Class, { apply: (target, self, args) => new target(...args) });

export const Intl = {
  DateTimeFormat: callable(DateTimeFormat),
  NumberFormat: callable(NumberFormat),
  Collator: callable(Collator),
  PluralRules,
  RelativeTimeFormat,
  ListFormat,
  Segmenter,
  Locale,
  getCanonicalLocales: (locales) => [locales ?? []].flat().map((locale) => (localeOf(locale), `${locale}`)),
  supportedValuesOf: () => [],
};
for (const name of ['DisplayNames', 'DurationFormat']) {
  Intl[name] = class {
    constructor() {
      throw coded(RangeError, 'ERR_INTL_UNSUPPORTED', `Intl.${name} is not available in the nodejs-compat runtime`);
    }
  };
}
Object.defineProperty(Intl, Symbol.toStringTag, { value: 'Intl', configurable: true });

const define = (prototype, methods) => {
  for (const [name, value] of Object.entries(methods)) Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
};
const DATE = { year: 'numeric', month: 'numeric', day: 'numeric' };
const TIME = { hour: 'numeric', minute: '2-digit', second: '2-digit' };
const shown = (date, locales, options, defaults) =>
  Number.isNaN(date.getTime()) ? 'Invalid Date' : new DateTimeFormat(locales, options ?? {}, defaults).format(date);
const withAll = (options, defaults) => {
  const given = Object.keys(options ?? {}).filter((name) => FIELDS.includes(name) || name.endsWith('Style'));
  const missing = defaults === DATE ? ['weekday', 'year', 'month', 'day'] : ['hour', 'minute', 'second', 'fractionalSecondDigits'];
  return given.some((name) => missing.includes(name) || name.endsWith('Style')) ? options : { ...defaults, ...options };
};
define(Date.prototype, {
  toLocaleString(locales, options) {
    return shown(this, locales, options, { ...DATE, ...TIME });
  },
  toLocaleDateString(locales, options) {
    return shown(this, locales, withAll(options, DATE), DATE);
  },
  toLocaleTimeString(locales, options) {
    return shown(this, locales, withAll(options, TIME), TIME);
  },
});
define(Number.prototype, {
  toLocaleString(locales, options) {
    return new NumberFormat(locales, options ?? {}).format(this.valueOf());
  },
});
define(BigInt.prototype, {
  toLocaleString(locales, options) {
    return new NumberFormat(locales, options ?? {}).format(this.valueOf());
  },
});
const plain = new Collator();
define(String.prototype, {
  localeCompare(other, locales, options) {
    return (locales === undefined && options === undefined ? plain : new Collator(locales, options)).compare(this, other);
  },
  toLocaleLowerCase() {
    return this.toLowerCase();
  },
  toLocaleUpperCase() {
    return this.toUpperCase();
  },
});
