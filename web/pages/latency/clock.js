// The one clock that both ends are measured by; it never jumps, and other visits to the page agree
// with it.

/** @returns {number} milliseconds since 1970 */
export function now() {
  return performance.timeOrigin + performance.now();
}
