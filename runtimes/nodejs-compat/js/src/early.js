// What npm packages in the library ask of the global object while they are evaluated.

import './atomics.js';
import { AbortController, AbortSignal, CustomEvent, Event, EventTarget } from './event-target.js';
import { process } from './process.js';

Object.assign(globalThis, { global: globalThis, process });
for (const [name, value] of Object.entries({ AbortController, AbortSignal, CustomEvent, Event, EventTarget })) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}
