// The library: what the shim calls.

import './early.js';
import './globals.js';
import { builtinNames, define, builtin, names } from './builtins.js';
import { Module } from './modules.js';
import { snapshotModule } from './streaming.js';
import { process } from './process.js';
import './streams.js';
import './output.js';
import './web.js';

define('module', Module);
define('lamina:snapshot', snapshotModule);
builtinNames.push(...names());
native.setBuiltins(builtinNames);
process.getBuiltinModule = (name) => builtin(name.replace(/^node:/, ''));

// Every built-in is imported once, so that a function's import finds it in the snapshot.
for (const name of builtinNames) native.import(`node:${name}`);

export { load, invoke, snapshot, restore } from './runtime.js';
