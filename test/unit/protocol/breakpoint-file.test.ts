import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { breakpointFileText, readBreakpointFile } from '../../../core/protocol/breakpoint-file.ts';

const list = [
  {
    spec: { kind: 'exec', address: 0x10_0000n, symbol: 'main' },
    condition: 'rax == 1',
    hitMode: 'every',
    stopAtHit: 3,
  },
  { spec: { kind: 'port', start: 0x3f8, length: 8, access: 'out' }, log: 'out {event.value}', vcpu: 1, enabled: false },
  { spec: { kind: 'page-fault', start: 0n, length: 1n << 64n, access: 'any', cause: 'any', privilege: 'user' } },
] as const;

describe('a file of breakpoints', () => {
  it('gives back what was put into it', () => {
    const read = readBreakpointFile(breakpointFileText(list));
    expect(read.ok ? read.value : read.error).toMatchObject(list);
  });

  it.each([
    ['', 'no JSON'],
    ['{}', 'no list of breakpoints'],
    ['{"format":"umbra-breakpoints","version":9,"breakpoints":[]}', 'has version 9; this program reads 1'],
    ['{"format":"umbra-breakpoints","version":1}', 'wrong at'],
    [
      '{"format":"umbra-breakpoints","version":1,"breakpoints":[{"spec":{"kind":"dance"}}]}',
      'wrong at breakpoints.0.spec',
    ],
    [`{"format":"umbra-breakpoints","version":1,"breakpoints":[],"more":1}`, 'wrong at'],
  ])('%s is refused with a sentence', (text, reason) => {
    const read = readBreakpointFile(text);
    expect(read.ok ? '' : read.error).toContain(reason);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(readBreakpointFile(text).ok).toBe(false);
      }),
      { numRuns: 200, seed: 7 },
    );
  });
});
