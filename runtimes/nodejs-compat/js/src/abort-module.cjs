// For readable-stream, which asks for the npm package of this name.
module.exports = require('./event-target.js');
