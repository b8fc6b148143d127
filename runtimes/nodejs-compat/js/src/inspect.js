// `util.inspect` and `util.format` are Node's own, extracted to run anywhere.

import extracted from 'node-inspect-extracted';

export const { inspect, format, formatWithOptions, stripVTControlCharacters } = extracted;
