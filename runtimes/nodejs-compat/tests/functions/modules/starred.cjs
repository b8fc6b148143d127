Object.defineProperty(exports, 'starred', { enumerable: true, get: () => 1 });
