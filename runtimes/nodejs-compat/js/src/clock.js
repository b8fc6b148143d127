// Clocks. The monotonic one goes on where it was when an instance is restored from an image.

let offset = 0;
let last = 0;

/** Milliseconds of a clock that never runs back. */
export function monotonic() {
  let time = native.monotonic() / 1e6 + offset;
  if (time < last) {
    offset += last - time;
    time = last;
  }
  last = time;
  return time;
}

/** When this environment began: a moment of each clock. */
export const begin = { wall: native.wallClock(), monotonic: monotonic() };

/** Sets the beginning to now, for a new environment. */
export function restart() {
  begin.wall = native.wallClock();
  begin.monotonic = monotonic();
}
