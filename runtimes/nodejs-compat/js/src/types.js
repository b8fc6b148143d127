// `util.types`.

const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);
const typedTag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;

/** Whether a getter or method of a class accepts `value` as its own. */
function accepts(probe) {
  return (value) => {
    if (value === null || typeof value !== 'object') return false;
    try {
      probe(value);
      return true;
    } catch {
      return false;
    }
  };
}

const getter = (prototype, name) => {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name);
  return (value) => get.call(value);
};
const AsyncFunction = (async () => {}).constructor;
const GeneratorFunction = (function* () {}).constructor;
const AsyncGeneratorFunction = (async function* () {}).constructor;

export const types = {
  isDate: accepts((value) => Date.prototype.getTime.call(value)),
  isRegExp: accepts(getter(RegExp.prototype, 'source')),
  isMap: accepts(getter(Map.prototype, 'size')),
  isSet: accepts(getter(Set.prototype, 'size')),
  isWeakMap: (value) => value instanceof WeakMap,
  isWeakSet: (value) => value instanceof WeakSet,
  isPromise: (value) => value instanceof Promise,
  isNativeError: (value) => value instanceof Error,
  isArrayBuffer: (value) => value instanceof ArrayBuffer,
  isSharedArrayBuffer: (value) => value instanceof SharedArrayBuffer,
  isAnyArrayBuffer: (value) => value instanceof ArrayBuffer || value instanceof SharedArrayBuffer,
  isArrayBufferView: (value) => ArrayBuffer.isView(value),
  isDataView: (value) => ArrayBuffer.isView(value) && typedTag.call(value) === undefined,
  isTypedArray: (value) => ArrayBuffer.isView(value) && typedTag.call(value) !== undefined,
  isBooleanObject: (value) => typeof value === 'object' && value instanceof Boolean,
  isNumberObject: (value) => typeof value === 'object' && value instanceof Number,
  isStringObject: (value) => typeof value === 'object' && value instanceof String,
  isSymbolObject: (value) => typeof value === 'object' && value instanceof Symbol,
  isBigIntObject: (value) => typeof value === 'object' && value instanceof BigInt,
  isBoxedPrimitive: (value) => value !== null && typeof value === 'object'
    && (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof Symbol || value instanceof BigInt),
  isAsyncFunction: (value) => value instanceof AsyncFunction || value instanceof AsyncGeneratorFunction,
  isGeneratorFunction: (value) => value instanceof GeneratorFunction || value instanceof AsyncGeneratorFunction,
  isGeneratorObject: (value) => tag(value) === 'Generator' || tag(value) === 'AsyncGenerator',
  isMapIterator: (value) => tag(value) === 'Map Iterator',
  isSetIterator: (value) => tag(value) === 'Set Iterator',
  isModuleNamespaceObject: (value) => tag(value) === 'Module',
  isArgumentsObject: (value) => tag(value) === 'Arguments',
  isProxy: () => false,
  isExternal: () => false,
  isCryptoKey: (value) => typeof globalThis.CryptoKey === 'function' && value instanceof globalThis.CryptoKey,
  isKeyObject: (value) => tag(value) === 'KeyObject',
};
for (const name of ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float16Array',
  'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array']) {
  types[`is${name}`] = (value) => ArrayBuffer.isView(value) && typedTag.call(value) === name;
}
