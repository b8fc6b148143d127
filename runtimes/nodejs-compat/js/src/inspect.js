// `util.inspect` and `util.format` are Node's own, extracted to run anywhere.

import extracted from 'node-inspect-extracted/dist/inspect.js';

export const { inspect, format, formatWithOptions, stripVTControlCharacters } = extracted;
