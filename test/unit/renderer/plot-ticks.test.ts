import { describe, expect, it } from 'vitest';
import { tickText } from '../../../renderer/src/layout/plot-ticks.ts';

const ticks = (step: number, count: number): readonly string[] =>
  Array.from({ length: count }, (_unused, i) => tickText((i + 1) * step, step));

describe('the ticks of a plot', () => {
  it('are exact, also where one goes two and a half millions', () => {
    expect(ticks(2_500_000, 4)).toEqual(['2.5M', '5.0M', '7.5M', '10.0M']);
    expect(ticks(250_000, 4)).toEqual(['250k', '500k', '750k', '1.00M']);
  });

  it('have no digit that says nothing', () => {
    expect(ticks(5_000_000, 2)).toEqual(['5M', '10M']);
    expect(ticks(20_000, 2)).toEqual(['20k', '40k']);
    expect(ticks(1000, 2)).toEqual(['1\u202f000', '2\u202f000']);
    expect(tickText(16_380_000, 10_000)).toBe('16.38M');
  });
});
