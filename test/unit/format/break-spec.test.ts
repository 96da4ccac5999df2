import { describe, expect, it } from 'vitest';
import { parseBreakSpec } from '../../../core/format/break-spec.ts';

const mmio = { kind: 'mmio', start: 0xfeb0_0000n, length: 0x1000n, access: 'any', outcomes: [], freshness: 'any' };
const plain = { once: false, stopAtHit: 1 };

describe('--break', () => {
  it.each([
    ['exec:main', { spec: { kind: 'exec', address: 0n, symbol: 'main' }, ...plain }],
    ['exec:0x100000', { spec: { kind: 'exec', address: 0x10_0000n }, ...plain }],
    ['exec:main:hit=3:once', { spec: { kind: 'exec', address: 0n, symbol: 'main' }, once: true, stopAtHit: 3 }],
    ['mmio:0xfeb00000+0x1000', { spec: mmio, ...plain }],
    ['mmio:0xfeb00000', { spec: mmio, ...plain }],
    ['mmio:0xfeb00ff0', { spec: { ...mmio, start: 0xfeb0_0ff0n, length: 16n }, ...plain }],
    ['mmio:0xfeb00000+4K:write', { spec: { ...mmio, access: 'write' }, ...plain }],
    [
      'mmio:0xfeb00000+0x1000:write:stale:INVALID',
      { spec: { ...mmio, access: 'write', freshness: 'stale', outcomes: ['INVALID'] }, ...plain },
    ],
    [
      'mmio:0xfeb00000:invalid,first:read',
      { spec: { ...mmio, access: 'read', outcomes: ['INVALID', 'FIRST'] }, ...plain },
    ],
    ['mmio:any', { spec: { ...mmio, start: 0n, length: 1n << 52n }, ...plain }],
  ])('%s is understood', (text, expected) => {
    expect(parseBreakSpec(text)).toEqual({ ok: true, value: expected });
  });

  it.each([
    ['main', 'say where'],
    ['exec:', 'say where'],
    ['watch:0x1000', 'begins with exec: or mmio:'],
    ['exec:0x', 'is no address'],
    ['exec:main:stale', 'means nothing here'],
    ['exec:main:hit=0', 'from 1'],
    ['exec:main:hit=many', 'from 1'],
    ['mmio:somewhere', 'no range'],
    ['mmio:0x1000+0', 'no range'],
    ['mmio:0x1000+1+2', 'no range'],
    ['mmio:0xfffffffffffff000', '52 bits'],
    ['mmio:0xfeb00000:sometimes', 'neither read, write'],
    ['mmio:any:read:write', 'no fault is both read and write'],
    ['mmio:any:fresh:stale', 'no fault is both fresh and stale'],
  ])('%s is refused with a sentence', (text, reason) => {
    const parsed = parseBreakSpec(text);
    expect(parsed.ok).toBe(false);
    expect(parsed.ok ? '' : parsed.error).toContain(reason);
  });
});
