// Bundles the library into one script: a function of the shim's native functions that answers the runtime's calls.
// Usage: node bundle.mjs OUTPUT

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// Packages that npm packages in the library ask for, and what they get.
const standIns = {
  'abort-controller': here('src/abort-module.cjs'),
  'events': here('node_modules/events/events.js'),
  'process/': here('src/process-module.cjs'),
};

const [output] = process.argv.slice(2);
const { outputFiles } = await build({
  absWorkingDir: here('.'),
  entryPoints: ['src/main.js'],
  bundle: true,
  write: false,
  format: 'iife',
  globalName: 'library',
  platform: 'neutral',
  target: 'es2023',
  mainFields: ['module', 'main'],
  minifyWhitespace: true,
  minifySyntax: true,
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [{
    name: 'stand-ins',
    setup(bundler) {
      bundler.onResolve({ filter: /^(abort-controller|events|process\/)$/ }, ({ path }) => ({ path: standIns[path] }));
      // Behind a switch that is never set.
      bundler.onResolve({ filter: /^stream$/ }, () => ({ path: 'stream', namespace: 'absent' }));
      bundler.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'module.exports = {};' }));
      // The npm package is reached as `buffer/`; `buffer` is this library's.
      bundler.onResolve({ filter: /^buffer$/ }, () => ({ path: here('src/buffer-module.cjs') }));
    },
  }],
});
writeFileSync(output, `(function(native){"use strict";${outputFiles[0].text}return library})`);
