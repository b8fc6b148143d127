// `path`: POSIX in full, and Windows' rules for who asks for them.

import { invalidType } from './errors.js';

function check(value, name = 'path') { if (typeof value !== 'string') throw invalidType(name, 'of type string', value); }

/** Resolves `.` and `..` between separators. */
function collapse(parts, absolute) {
  const kept = [];
  for (const part of parts) {
    if (part === '' || part === '.') continue;
    if (part !== '..') kept.push(part);
    else if (kept.length > 0 && kept[kept.length - 1] !== '..') kept.pop();
    else if (!absolute) kept.push('..');
  }
  return kept;
}

/** Both flavours from one description: separators and how a root is split off. */
function flavour(windows) {
  const sep = windows ? '\\' : '/';
  const separators = windows ? /[\\/]+/ : /\/+/;
  const isSep = (char) => char === '/' || (windows && char === '\\');

  /** `[root, rest]`; the root ends in a separator if the path is absolute. */
  function split(path) {
    if (windows) {
      const unc = /^[\\/]{2}([^\\/]+)[\\/]+([^\\/]+)[\\/]*/.exec(path);
      if (unc) return [`\\\\${unc[1]}\\${unc[2]}\\`, path.slice(unc[0].length)];
      const drive = /^([A-Za-z]:)([\\/]*)/.exec(path);
      if (drive) return [drive[1] + (drive[2] ? '\\' : ''), path.slice(drive[0].length)];
    }
    const lead = windows ? /^[\\/]+/.exec(path) : /^\/+/.exec(path);
    return lead ? [sep, path.slice(lead[0].length)] : ['', path];
  }

  function normalize(path) {
    check(path);
    if (path === '') return '.';
    const [root, rest] = split(path);
    const absolute = root.endsWith(sep);
    let text = collapse(rest.split(separators), absolute).join(sep);
    if (text === '' && !absolute) text = root === '' ? '.' : '';
    if (text !== '' && isSep(path[path.length - 1]) && rest !== '') text += sep;
    else if (text === '.' && isSep(path[path.length - 1])) text += sep;
    return root === '' && text === '' ? '.' : root + text || '.';
  }

  function resolve(...paths) {
    let tail = '';
    let root = '';
    for (let index = paths.length - 1; index >= -1; index--) {
      const path = index >= 0 ? paths[index] : windows ? 'C:\\' : globalThis.process.cwd();
      if (index >= 0) check(path, `paths[${index}]`);
      if (path === '') continue;
      const [lead, rest] = split(path);
      if (windows && root && lead && !root.toLowerCase().startsWith(lead.replace(/\\$/, '').toLowerCase())) continue;
      tail = tail === '' ? rest : `${rest}${sep}${tail}`;
      if (lead.length > root.length) root = lead;
      if (lead.endsWith(sep)) break;
    }
    return root + collapse(tail.split(separators), true).join(sep) || '.';
  }

  function join(...paths) {
    paths.forEach((path) => check(path));
    const text = paths.filter((path) => path !== '').join(sep);
    return text === '' ? '.' : normalize(text);
  }

  function relative(from, to) {
    check(from, 'from');
    check(to, 'to');
    const parts = (path) => resolve(path).split(separators).filter((part) => part !== '');
    const same = (one, other) => (windows ? one?.toLowerCase() === other?.toLowerCase() : one === other);
    const [start, end] = [parts(from), parts(to)];
    let common = 0;
    while (common < start.length && common < end.length && same(start[common], end[common])) common += 1;
    return [...start.slice(common).map(() => '..'), ...end.slice(common)].join(sep);
  }

  function trimmed(path) {
    let end = path.length;
    while (end > 0 && isSep(path[end - 1])) end -= 1;
    return path.slice(0, end);
  }

  function lastSeparator(path) {
    return windows ? Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) : path.lastIndexOf('/');
  }

  function dirname(path) {
    check(path);
    if (path === '') return '.';
    const [root, rest] = split(path);
    const body = trimmed(rest);
    const at = lastSeparator(body);
    if (at < 0) return root === '' ? '.' : root;
    return root + trimmed(body.slice(0, at));
  }

  function basename(path, suffix) {
    check(path);
    const body = trimmed(split(path)[1]);
    const name = body.slice(lastSeparator(body) + 1);
    if (suffix === undefined) return name;
    check(suffix, 'suffix');
    return name !== suffix && name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) : name;
  }

  function extname(path) {
    const name = basename(path);
    const at = name.lastIndexOf('.');
    return at <= 0 || name === '..' ? '' : name.slice(at);
  }

  function parse(path) {
    check(path);
    const [root] = split(path);
    const base = basename(path);
    const ext = extname(path);
    const dir = dirname(path);
    return { root, dir: dir === '.' && !/^\.[\\/]/.test(path) ? '' : dir, base, ext, name: ext ? base.slice(0, -ext.length) : base };
  }

  function format(object) {
    const dir = object.dir || object.root;
    const ext = object.ext && !object.ext.startsWith('.') ? `.${object.ext}` : object.ext ?? '';
    const base = object.base || `${object.name ?? ''}${ext}`;
    if (!dir) return base;
    return dir === object.root ? `${dir}${base}` : `${dir}${sep}${base}`;
  }

  const isAbsolute = (path) => {
    check(path);
    return split(path)[0].endsWith(sep);
  };

  function matchesGlob(path, pattern) {
    const source = pattern.replace(/[.+^${}()|\\]/g, '\\$&').replace(/\*\*\/?|\*|\?/g, (mark) => (mark.length > 1 ? '.*' : mark === '*' ? '[^/]*' : '[^/]'));
    return new RegExp(`^${source}$`).test(path);
  }

  const toNamespacedPath = (path) => path;
  return { sep, delimiter: windows ? ';' : ':', normalize, resolve, join, relative, dirname, basename, extname, parse, format, isAbsolute,
    matchesGlob, toNamespacedPath };
}

export const posix = flavour(false);
export const win32 = flavour(true);
for (const one of [posix, win32]) Object.assign(one, { posix, win32 });
