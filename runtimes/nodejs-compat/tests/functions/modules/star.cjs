var __exportStar = (m, e) => Object.assign(e, m);
__exportStar(require('./starred.cjs'), exports);
