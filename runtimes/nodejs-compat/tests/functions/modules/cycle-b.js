exports.sawA = require('./cycle-a.js').started;
