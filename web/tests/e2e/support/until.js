// Waits for conditions, never for time alone.

const EVERY_MS = 100;
const TIMEOUT_MS = 30_000;

/**
 * @template T
 * @param {string} what is waited for, in words
 * @param {() => T | Promise<T>} condition
 * @param {number} [timeout] milliseconds; generous, for busy machines
 * @returns {Promise<T>} what the condition came to, once that is true
 */
export async function until(what, condition, timeout = TIMEOUT_MS) {
  const end = performance.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`in ${timeout / 1000} s it never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
