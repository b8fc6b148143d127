exports.started = true;
exports.b = require('./cycle-b.js');
exports.done = exports.b.sawA;
