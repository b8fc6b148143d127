// For npm packages that ask for Node's module: theirs is this library's.
module.exports = require('./buffer.js');
