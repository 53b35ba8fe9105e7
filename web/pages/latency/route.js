// What is known of the way that the picture takes, and how far a latency is above what light needs.

/**
 * @typedef {object} Route
 * @property {string | null} name in words: “via edge1”; null or empty when unknown
 * @property {number | null} floor milliseconds that light and the network need, one way
 * @property {number | null} rtt milliseconds there and back
 */

/**
 * `?floor=`, `?rtt=`, `?route=`
 * @param {URLSearchParams} given
 * @returns {Route}
 */
export function routeFrom(given) {
  return {
    name: given.get('route') || null,
    floor: milliseconds(given.get('floor')),
    rtt: milliseconds(given.get('rtt')),
  };
}

/**
 * @param {Route} route
 * @param {number} mean
 * @returns {{overhead: number | null, ratio: number | null}}
 */
export function compare({ floor, rtt }, mean) {
  return {
    overhead: floor === null ? null : mean - floor,
    ratio: rtt === null ? null : mean / rtt,
  };
}

/** @param {string | null} text */
function milliseconds(text) {
  const number = Number(text || NaN);
  return number > 0 && number < Infinity ? number : null;
}
