import { describe, expect, it } from 'vitest';
import { RateMeter } from '../../../core/debug/run/rate-meter.ts';

/** @param samples pairs of host milliseconds and count */
function rateOf(...samples: readonly (readonly [now: number, count: number])[]): number {
  const meter = new RateMeter();
  for (const [now, count] of samples) meter.sample(now, count);
  return meter.perSecond();
}

describe('a rate', () => {
  it('is none before there are two samples', () => {
    expect(rateOf()).toBe(0);
    expect(rateOf([5, 1000])).toBe(0);
  });

  it('is the growth a second between samples', () => {
    expect(rateOf([1000, 0], [1500, 100])).toBe(200);
    expect(rateOf([0, 7], [250, 7])).toBe(0);
  });

  it('is none, and not infinite, when no time has passed', () => {
    expect(rateOf([42, 0], [42, 100])).toBe(0);
  });

  it('forgets what is longer ago than a second', () => {
    const samples = Array.from({ length: 60 }, (_unused, i) => [i * 100, i < 30 ? i * 1000 : 30_000] as const);
    expect(rateOf(...samples.slice(0, 30))).toBe(10_000);
    expect(rateOf(...samples)).toBe(0);
  });

  it('reaches over the whole gap when samples are rarer than that', () => {
    expect(rateOf([0, 0], [5000, 10_000])).toBe(2000);
    expect(rateOf([0, 0], [5000, 10_000], [10_000, 50_000])).toBe(8000);
  });

  it('keeps no more samples than a second has', () => {
    // Sixty a second for a minute, at a speed that changes once: only the last second may count.
    const meter = new RateMeter();
    let count = 0;
    for (let frame = 0; frame < 3600; frame++) {
      count += frame < 3000 ? 1 : 50;
      meter.sample((frame * 1000) / 60, count);
    }
    expect(meter.perSecond()).toBeCloseTo(3000, 6);
  });

  it('begins anew after a reset, whatever was counted before', () => {
    const meter = new RateMeter();
    meter.sample(0, 1_000_000);
    meter.sample(500, 2_000_000);
    meter.reset();
    expect(meter.perSecond()).toBe(0);
    meter.sample(600, 0);
    meter.sample(700, 10);
    expect(meter.perSecond()).toBe(100);
  });
});
