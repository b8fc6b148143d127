// Events of the web: Event, EventTarget, AbortController and AbortSignal.

import { coded } from './errors.js';
import * as loop from './loop.js';

const fields = new WeakMap();
const of = (event) => fields.get(event);

export class Event {
  static NONE = 0;
  static CAPTURING_PHASE = 1;
  static AT_TARGET = 2;
  static BUBBLING_PHASE = 3;

  constructor(type, options = {}) {
    if (arguments.length === 0) throw coded(TypeError, 'ERR_MISSING_ARGS', 'The "type" argument must be specified');
    fields.set(this, { type: `${type}`, bubbles: !!options?.bubbles, cancelable: !!options?.cancelable, composed: !!options?.composed,
      target: null, phase: 0, prevented: false, stopped: false, silenced: false, passive: false, time: Date.now() });
  }

  get type() { return of(this).type; }
  get bubbles() { return of(this).bubbles; }
  get cancelable() { return of(this).cancelable; }
  get composed() { return of(this).composed; }
  get target() { return of(this).target; }
  get srcElement() { return of(this).target; }
  get currentTarget() { return of(this).phase ? of(this).target : null; }
  get eventPhase() { return of(this).phase; }
  get defaultPrevented() { return of(this).prevented; }
  get returnValue() { return !of(this).prevented; }
  get cancelBubble() { return of(this).stopped; }
  set cancelBubble(value) { if (value) of(this).stopped = true; }
  get timeStamp() { return of(this).time; }
  get isTrusted() { return false; }
  composedPath() { return of(this).phase ? [of(this).target] : []; }
  preventDefault() { if (of(this).cancelable && !of(this).passive) of(this).prevented = true; }
  stopPropagation() { of(this).stopped = true; }
  stopImmediatePropagation() { of(this).stopped = of(this).silenced = true; }
}
Object.defineProperty(Event.prototype, Symbol.toStringTag, { value: 'Event', configurable: true });

export class CustomEvent extends Event {
  #detail;
  constructor(type, options) {
    super(type, options);
    this.#detail = options?.detail ?? null;
  }

  get detail() { return this.#detail; }
}

const listeners = new WeakMap();

export class EventTarget {
  addEventListener(type, listener, options) {
    if (listener === null || listener === undefined) return;
    const { capture = false, once = false, passive = false, signal } = typeof options === 'boolean' ? { capture: options } : options ?? {};
    if (signal?.aborted) return;
    if (!listeners.has(this)) listeners.set(this, new Map());
    const table = listeners.get(this);
    if (!table.has(type)) table.set(type, []);
    const list = table.get(type);
    if (list.some((known) => known.listener === listener && known.capture === capture)) return;
    list.push({ listener, capture, once, passive, removed: false });
    signal?.addEventListener('abort', () => this.removeEventListener(type, listener, { capture }), { once: true });
  }

  removeEventListener(type, listener, options) {
    const capture = typeof options === 'boolean' ? options : !!options?.capture;
    const list = listeners.get(this)?.get(type);
    const at = list?.findIndex((known) => known.listener === listener && known.capture === capture) ?? -1;
    if (at >= 0) list.splice(at, 1)[0].removed = true;
  }

  dispatchEvent(event) {
    if (!(event instanceof Event)) throw coded(TypeError, 'ERR_INVALID_ARG_TYPE', 'The "event" argument must be an instance of Event.');
    const state = of(event);
    if (state.phase) throw coded(Error, 'ERR_EVENT_RECURSION', `The event "${event.type}" is already being dispatched`);
    state.target = this;
    state.phase = Event.AT_TARGET;
    for (const known of [...listeners.get(this)?.get(event.type) ?? []]) {
      if (known.removed) continue;
      if (known.once) this.removeEventListener(event.type, known.listener, { capture: known.capture });
      state.passive = known.passive;
      try {
        if (typeof known.listener === 'function') known.listener.call(this, event);
        else known.listener.handleEvent?.(event);
      } catch (error) {
        loop.nextTick(() => { throw error; });
      }
      if (state.silenced) break;
    }
    state.phase = 0;
    return !state.prevented;
  }
}
Object.defineProperty(EventTarget.prototype, Symbol.toStringTag, { value: 'EventTarget', configurable: true });

/** Gives a class of targets a property `on…` that holds one listener. */
export function handlerProperty(Class, type) {
  const held = new WeakMap();
  Object.defineProperty(Class.prototype, `on${type}`, {
    configurable: true,
    enumerable: true,
    get() { return held.get(this)?.given ?? null; },
    set(given) {
      const before = held.get(this);
      if (before) this.removeEventListener(type, before.listener);
      if (typeof given !== 'function') {
        held.delete(this);
        return;
      }
      const listener = (event) => given.call(this, event);
      held.set(this, { given, listener });
      this.addEventListener(type, listener);
    },
  });
}

const MAKE = Symbol('make');

export class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  #followers = [];

  constructor(token) {
    if (token !== MAKE) throw coded(TypeError, 'ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor');
    super();
  }

  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }
  throwIfAborted() { if (this.#aborted) throw this.#reason; }

  static trigger(signal, reason) {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
    signal.dispatchEvent(new Event('abort'));
    for (const follower of signal.#followers.splice(0)) trigger(follower, signal.#reason);
  }

  static abort(reason) {
    const signal = new AbortSignal(MAKE);
    trigger(signal, reason);
    return signal;
  }

  static timeout(delay) {
    const signal = new AbortSignal(MAKE);
    loop.setTimeout(() => trigger(signal, new DOMException('The operation was aborted due to timeout', 'TimeoutError')), delay).unref();
    return signal;
  }

  static any(signals) {
    const signal = new AbortSignal(MAKE);
    for (const source of signals) {
      if (source.aborted) {
        trigger(signal, source.reason);
        break;
      }
      source.#followers.push(signal);
    }
    return signal;
  }
}
const { trigger } = AbortSignal;
delete AbortSignal.trigger;
handlerProperty(AbortSignal, 'abort');
Object.defineProperty(AbortSignal.prototype, Symbol.toStringTag, { value: 'AbortSignal', configurable: true });

export class AbortController {
  #signal = new AbortSignal(MAKE);
  get signal() { return this.#signal; }
  abort(reason) { trigger(this.#signal, reason); }
}
Object.defineProperty(AbortController.prototype, Symbol.toStringTag, { value: 'AbortController', configurable: true });
