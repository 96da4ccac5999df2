import { describe, expect, it } from 'vitest';
import {
  decadesAround,
  formatDuration,
  formatSptes,
  placeOn,
  ticksOf,
} from '../../../renderer/src/cost-chart/cost-scale.ts';
import { costCsv, settingLines } from '../../../renderer/src/cost-chart/cost-words.ts';
import type { CostPoint, CostSetting } from '../../../core/protocol/index.ts';

describe('an axis of the cost chart', () => {
  it.each([
    [[1000, 10_000, 1_000_000], { from: 3, to: 6 }],
    [[23.9, 59_057], { from: 1, to: 5 }],
    [[1000], { from: 3, to: 4 }],
    [[999.9, 1000.1], { from: 2, to: 4 }],
    [[], { from: 0, to: 1 }],
    [[0, 5], { from: 0, to: 1 }],
  ])('spans whole decades around %j', (values, expected) => {
    const scale = decadesAround(values);
    expect(scale).toEqual(expected);
    for (const value of values.filter((each) => each > 0)) {
      expect(placeOn(scale, value)).toBeGreaterThanOrEqual(-1e-9);
      expect(placeOn(scale, value)).toBeLessThanOrEqual(1 + 1e-9);
    }
  });

  it('has a label at each decade, with its unit', () => {
    expect(ticksOf({ from: 0, to: 5 }).map(formatDuration)).toEqual([
      '1 µs',
      '10 µs',
      '100 µs',
      '1 ms',
      '10 ms',
      '100 ms',
    ]);
    expect(ticksOf({ from: 2, to: 6 }).map(formatSptes)).toEqual(['100', '1 k', '10 k', '100 k', '1 M']);
  });

  it.each([
    [0.25, '250 ns'],
    [8.76, '8.8 µs'],
    [86.7, '87 µs'],
    [2814.9, '2.8 ms'],
    [59_057, '59 ms'],
    [1_300_000, '1.3 s'],
  ])('writes %d µs as %s', (microseconds, text) => expect(formatDuration(microseconds)).toBe(text));
});

describe('what leaves the window', () => {
  const setting: CostSetting = {
    mmu: 'npt',
    startedAt: '2026-11-23T14:51:34.000Z',
    processor: 'AMD EPYC, 2 cores',
    system: 'linux 6.8.0 x64',
    runtime: 'Umbra 0.1.0, Electron 45.4.1, V8 13.0',
  };
  const points: readonly CostPoint[] = [
    { era: 'patch', sptes: 1000, microseconds: 41.5, fastest: 40, slowest: 80.25, samples: 60 },
    { era: 'v3.10', sptes: 1000, microseconds: 260, fastest: 250, slowest: 300, samples: 3 },
  ];

  it('says of a picture what was measured, when, and on what', () => {
    const [what, where] = settingLines(setting, points);
    expect(what).toMatch(/AMD NPT.*storm.*median of 60 \(patch\), 3 \(v3\.10\) calls, bars from fastest to slowest/);
    expect(where).toMatch(/2026-11-23 14:51 UTC.*AMD EPYC, 2 cores.*linux 6\.8\.0 x64.*Umbra 0\.1\.0, Electron/);
  });

  it('says of the picture of a measurement that was cancelled only what was measured', () => {
    expect(settingLines(setting, points.slice(0, 1))[0]).toContain('median of 60 (patch) calls');
  });

  it('has all of it in each line of the table', () => {
    expect(costCsv(setting, points).split('\r\n')).toEqual([
      'mmio_sptes,era,mmu,microseconds_median,microseconds_min,microseconds_max,samples,measured_at,processor,system,runtime',
      '1000,patch,npt,41.500,40.000,80.250,60,2026-11-23T14:51:34.000Z,"AMD EPYC, 2 cores",linux 6.8.0 x64,"Umbra 0.1.0, Electron 45.4.1, V8 13.0"',
      '1000,v3.10,npt,260.000,250.000,300.000,3,2026-11-23T14:51:34.000Z,"AMD EPYC, 2 cores",linux 6.8.0 x64,"Umbra 0.1.0, Electron 45.4.1, V8 13.0"',
      '',
    ]);
  });
});
