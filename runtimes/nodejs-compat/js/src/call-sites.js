// What V8's call sites have beyond those of the engine; packages that look at stacks call all of it.

const methods = {
  getEvalOrigin: () => undefined,
  getFunction: () => undefined,
  getMethodName: () => null,
  getPromiseIndex: () => null,
  getScriptNameOrSourceURL() { return this.getFileName(); },
  getScriptHash: () => '',
  getThis: () => undefined,
  getTypeName: () => null,
  getEnclosingLineNumber() { return this.getLineNumber(); },
  getEnclosingColumnNumber() { return this.getColumnNumber(); },
  getPosition: () => 0,
  isAsync: () => false,
  isConstructor: () => false,
  isEval: () => false,
  isPromiseAll: () => false,
  isToplevel: () => true,
  toString() {
    const place = this.isNative() ? '<anonymous>' : `${this.getFileName()}:${this.getLineNumber()}:${this.getColumnNumber()}`;
    const name = this.getFunctionName();
    return name ? `${name} (${place})` : place;
  },
};

const before = Error.prepareStackTrace;
Error.prepareStackTrace = (error, sites) => sites;
// A native function's frame is the one kind that this library's own stacks show.
const [site] = [0].map(() => new Error('call sites').stack)[0];
Error.prepareStackTrace = before;

for (const [name, value] of Object.entries(methods)) {
  const prototype = Object.getPrototypeOf(site);
  if (name === 'toString' || !(name in prototype)) Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
}
