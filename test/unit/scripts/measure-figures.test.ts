import { describe, expect, it } from 'vitest';
import { PANELS_BY_KIND } from '../../../renderer/src/layout/panel-kinds.ts';
import { PANEL_KEYS } from '../../../scripts/measure/panel-opening.mjs';
import { quantile, slope } from '../../../scripts/measure/figure.mjs';

describe('a quantile', () => {
  it.each([
    [0, 1],
    [0.5, 50],
    [0.95, 95],
    [1, 100],
  ])('of 1 to 100 at %d is %d', (part, expected) => {
    const values = Array.from({ length: 100 }, (_unused, i) => 100 - i);
    expect(quantile(values, part)).toBe(expected);
  });

  it('of nothing is no number', () => expect(quantile([], 0.5)).toBeNaN());
});

it('a slope is what least squares say', () => {
  expect(slope([1, 2, 3, 4].map((x) => ({ x, y: 7 - 2 * x })))).toBeCloseTo(-2);
  expect(
    slope([
      { x: 0, y: 0 },
      { x: 1, y: 2 },
      { x: 2, y: 1 },
    ]),
  ).toBeCloseTo(0.5);
});

it('the measurement opens every panel by the key that the window has for it', () => {
  const keys = Object.entries(PANELS_BY_KIND).map(([kind, { key }]) => [kind, key.replace('Alt+', '')]);
  expect(PANEL_KEYS).toEqual(Object.fromEntries(keys));
});
