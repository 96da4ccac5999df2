/**
 * What the measurements of the window give; electron/cli/bench/window.ts parses it.
 * @typedef {object} Figure
 * @property {string} name
 * @property {number} value
 * @property {string} unit
 * @property {{ atLeast: number } | { atMost: number } | undefined} target
 * @property {string} how
 */

/**
 * @param {string} name
 * @param {number} value
 * @param {string} unit
 * @param {Figure['target']} target
 * @param {string} how
 * @returns {Figure}
 */
export const figure = (name, value, unit, target, how) => ({ name, value, unit, target, how });

/**
 * The value below which so much of all lies (nearest rank).
 * @param {readonly number[]} values
 * @param {number} part 0 … 1
 */
export function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))] ?? Number.NaN;
}

/**
 * Least-squares slope.
 * @param {readonly { readonly x: number, readonly y: number }[]} points
 */
export function slope(points) {
  const mean = (/** @type {readonly number[]} */ values) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(points.map(({ x }) => x));
  const meanY = mean(points.map(({ y }) => y));
  const above = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  const below = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  return above / below;
}
