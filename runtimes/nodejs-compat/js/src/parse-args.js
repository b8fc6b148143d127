// `util.parseArgs`.

import { coded } from './errors.js';

/** Reads options and positionals off an argument list. */
export function parseArgs(config = {}) {
  const { options = {}, strict = true, tokens: wanted = false } = config;
  const positional = config.allowPositionals ?? !strict;
  const args = [...(config.args ?? globalThis.process.argv.slice(2))];
  const values = { __proto__: null };
  const positionals = [];
  const tokens = [];
  const byShort = (short) => Object.keys(options).find((name) => options[name].short === short);

  function store(name, value, rawName, inlineValue) {
    const option = options[name];
    if (strict && !option) throw coded(TypeError, 'ERR_PARSE_ARGS_UNKNOWN_OPTION', `Unknown option '${rawName}'`);
    const type = option?.type ?? (value === undefined ? 'boolean' : 'string');
    if (strict && type === 'string' && value === undefined) {
      throw coded(TypeError, 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '${rawName} <value>' argument missing`);
    }
    if (strict && type === 'boolean' && typeof value === 'string') {
      throw coded(TypeError, 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '${rawName}' does not take an argument`);
    }
    const result = value ?? true;
    if (option?.multiple) (values[name] ??= []).push(result);
    else values[name] = result;
    tokens.push({ kind: 'option', name, rawName, value, inlineValue });
  }

  while (args.length > 0) {
    const arg = args.shift();
    if (arg === '--') {
      tokens.push({ kind: 'option-terminator' });
      positionals.push(...args.splice(0));
    } else if (arg.startsWith('--')) {
      const at = arg.indexOf('=');
      let name = at < 0 ? arg.slice(2) : arg.slice(2, at);
      if (at < 0 && config.allowNegative && name.startsWith('no-') && options[name.slice(3)]?.type === 'boolean') {
        name = name.slice(3);
        store(name, false, arg, undefined);
        continue;
      }
      let value = at < 0 ? undefined : arg.slice(at + 1);
      const inline = value !== undefined;
      if (!inline && options[name]?.type === 'string' && args.length > 0) value = args.shift();
      store(name, value, `--${name}`, inline);
    } else if (arg.startsWith('-') && arg.length > 1) {
      const letters = [...arg.slice(1)];
      while (letters.length > 0) {
        const letter = letters.shift();
        const name = byShort(letter) ?? letter;
        let value;
        if (options[name]?.type === 'string') value = letters.length > 0 ? letters.splice(0).join('') : args.shift();
        store(name, value, `-${letter}`, false);
      }
    } else {
      if (!positional) throw coded(TypeError, 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL', `Unexpected argument '${arg}'`);
      positionals.push(arg);
      tokens.push({ kind: 'positional', value: arg });
    }
  }
  for (const [name, option] of Object.entries(options)) if (option.default !== undefined && !(name in values)) values[name] = option.default;
  return wanted ? { values, positionals, tokens } : { values, positionals };
}
