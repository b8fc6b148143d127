const path = require('node:path');
exports.named = 1;
module.exports.other = 2;
exports.required = [
  require('dual'),
  require('./data'),
  require('./sub'),
  require('./esm.mjs').value,
  require.resolve('dual'),
  path.sep,
  __filename,
  require('./cycle-a.js').done,
  module.id,
  typeof require.cache[__filename],
  this === module.exports,
];
