import { describe, expect, it } from 'vitest';
import { parseBreakSpec } from '../../../core/format/break-spec.ts';

const mmio = { kind: 'mmio', start: 0xfeb0_0000n, length: 0x1000n, access: 'any', outcomes: [], freshness: 'any' };
const data = { kind: 'data', space: 'gva', start: 0n, length: 8n, access: 'any' };
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
    ['exec:gpa@0x100000+16', { spec: { kind: 'exec', space: 'gpa', address: 0x10_0000n, length: 16n }, ...plain }],
    ['data:counter:write', { spec: { ...data, symbol: 'counter', access: 'write' }, ...plain }],
    ['data:gpa@0x2000+4', { spec: { ...data, space: 'gpa', start: 0x2000n, length: 4n }, ...plain }],
    ['exception:ud,#GP,14', { spec: { kind: 'exception', vectors: [6, 13, 14] }, ...plain }],
    [
      'fault:any:write:user:protection',
      {
        spec: {
          kind: 'page-fault',
          start: 0n,
          length: 1n << 64n,
          access: 'write',
          privilege: 'user',
          cause: 'protection',
        },
        ...plain,
      },
    ],
    ['port:0x3f8+8:out', { spec: { kind: 'port', start: 0x3f8, length: 8, access: 'out' }, ...plain }],
    [
      'spte:0xe0000000:bits=2:level=1',
      { spec: { kind: 'spte', start: 0xe000_0000n, length: 0x1000n, mask: 2n, level: 1 }, ...plain },
    ],
    ['gpte:0x3000', { spec: { kind: 'gpte', start: 0x3000n, length: 8n, mask: (1n << 64n) - 1n }, ...plain }],
    ['memslot:3:create,move', { spec: { kind: 'memslot', slot: 3, changes: ['CREATE', 'MOVE'] }, ...plain }],
    ['wrap:any', { spec: { kind: 'generation-wrap' }, ...plain }],
    ['zap:any:level=2', { spec: { kind: 'zap', start: 0n, length: 1n << 52n, level: 2 }, ...plain }],
    [
      'port:0x80:every=3:vcpu=1 if event.value > 1 ? 1 : 0 log out {event.value}: if',
      {
        spec: { kind: 'port', start: 0x80, length: 1, access: 'any' },
        once: false,
        stopAtHit: 3,
        hitMode: 'every',
        vcpu: 1,
        condition: 'event.value > 1 ? 1 : 0',
        log: 'out {event.value}: if',
      },
    ],
  ])('%s is understood', (text, expected) => {
    expect(parseBreakSpec(text)).toEqual({ ok: true, value: expected });
  });

  it.each([
    ['main', 'say where'],
    ['exec:', 'say where'],
    ['watch:0x1000', 'begins with one of exec:, mmio:, data:'],
    ['data:gpa@main', 'a symbol is a gva'],
    ['data:0x1000:fetch', 'read, write do'],
    ['exception:32', 'no exception'],
    ['port:0xffff+2', '65536 ports'],
    ['spte:any:bits=0', 'bits=MASK and level=N do'],
    ['memslot:x', 'no slot'],
    ['memslot:any:grow', 'no change'],
    ['wrap:1', 'one generation'],
    ['zap:any:level=9', 'level=N does'],
    ['fault:any:user:supervisor', 'not both user and supervisor'],
    ['exec:main:vcpu=9', '0 to 7'],
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
