// AsyncLocalStorage. The engine carries one value through promise reactions, the loop through its callbacks: an immutable map of stores.

/** Values that follow asynchronous work. */
export class AsyncLocalStorage {
  #default;

  constructor(options) {
    this.#default = options?.defaultValue;
    this.name = options?.name ?? '';
  }

  static bind(callback) { return AsyncResource.bind(callback); }

  static snapshot() {
    const context = native.getAsyncContext();
    return (callback, ...args) => within(context, callback, undefined, args);
  }

  getStore() {
    const context = native.getAsyncContext();
    return context?.has(this) ? context.get(this) : this.#default;
  }

  run(store, callback, ...args) {
    return within(new Map(native.getAsyncContext()).set(this, store), callback, undefined, args);
  }

  exit(callback, ...args) {
    const context = new Map(native.getAsyncContext());
    context.delete(this);
    return within(context, callback, undefined, args);
  }

  enterWith(store) { native.setAsyncContext(new Map(native.getAsyncContext()).set(this, store)); }
  disable() {
    const context = new Map(native.getAsyncContext());
    context.delete(this);
    native.setAsyncContext(context);
  }
}

/** Calls `callback` in a context and comes back to the present one. */
export function within(context, callback, self, args) {
  const outer = native.getAsyncContext();
  native.setAsyncContext(context);
  try {
    return callback.apply(self, args);
  } finally {
    native.setAsyncContext(outer);
  }
}

let ids = 1;

/** The context of its making, to call into later. */
export class AsyncResource {
  #context = native.getAsyncContext();
  #id = ++ids;

  constructor(type) { this.type = type; }

  runInAsyncScope(callback, self, ...args) { return within(this.#context, callback, self, args); }
  bind(callback) { const resource = this; return function bound(...args) { return resource.runInAsyncScope(callback, this, ...args); }; }
  static bind(callback, type) { return new AsyncResource(type ?? callback.name ?? 'bound-anonymous-fn').bind(callback); }
  emitDestroy() { return this; }
  asyncId() { return this.#id; }
  triggerAsyncId() { return 0; }
}

const inert = { enable() { return inert; }, disable() { return inert; } };

export const async_hooks = {
  AsyncLocalStorage,
  AsyncResource,
  createHook: () => inert,
  executionAsyncId: () => 0,
  triggerAsyncId: () => 0,
  executionAsyncResource: () => ({}),
  asyncWrapProviders: Object.freeze({ __proto__: null }),
};
