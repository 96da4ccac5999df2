/** Looking changes nothing: no request that reads leaves a bit of the arena other than it was. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RequestName } from '../../core/protocol/requests.ts';
import { sessionWith } from '../unit/debug/debug-guest.ts';

const vcpu = 0;
const address = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.bigInt({ min: 0x10_0000n, max: 0x11_0000n }),
  fc.constantFrom(0xb_8000n, 0xe000_0000n, 0xfeb0_0000n, 0xfeb0_0ff8n, 0x7f00_0010_0000n),
);
const request = (name: RequestName, params: object = {}) => ({ name, params });

const looks = fc.oneof(
  fc.constantFrom(
    request('machine.status'),
    request('registers.read', { vcpu }),
    request('memslots.read'),
    request('sptes.pages'),
    request('mmio.heat', { limit: 100 }),
    request('breakpoints.list'),
    request('generation.read'),
    request('stats.read'),
    request('serial.read'),
    request('vga.read'),
    request('devices.read'),
    request('devices.peek', { port: 0x20, count: 256 }),
    request('devices.peek', { port: 0x3c0, count: 256 }),
    request('symbols.search', { query: 'put', limit: 20 }),
    request('expression.complete', { kind: 'spte', part: 'condition', text: 'u64[spte: ev', at: 12 }),
    request('mmio.log', { since: 0, limit: 100 }),
    request('trace.read', { since: 0, limit: 100 }),
    request('trace.export', { since: 0, limit: 100 }),
    request('sptes.heat', { start: 0n, length: 1n << 32n, buckets: 64 }),
  ),
  fc
    .record({ space: fc.constantFrom('gva', 'gpa', 'hva'), address, length: fc.integer({ min: 1, max: 20_000 }) })
    .map((params) => request('memory.read', { ...params, vcpu })),
  fc
    .record({
      name: fc.constantFrom('disassembly.read', 'disassembly.marks'),
      address,
      before: fc.integer({ min: 0, max: 40 }),
      count: fc.integer({ min: 1, max: 40 }),
    })
    .map(({ name, ...params }) => request(name, { ...params, vcpu })),
  fc
    .record({
      sort: fc.constantFrom('gfn', 'value', 'gen', 'level', 'sptep'),
      freshness: fc.constantFrom('any', 'fresh', 'stale'),
      descending: fc.boolean(),
    })
    .map((filter) => request('sptes.rows', { filter, offset: 0, limit: 100 })),
  fc
    .record({
      width: fc.constantFrom('u8', 's16', 'u32', 'u64'),
      space: fc.constantFrom('gva', 'gpa', 'hva', 'spte'),
      address,
    })
    .map(({ width, space, address: at }) =>
      request('expression.evaluate', { vcpu, text: `${width}[${space}: ${at}] + rflags.zf + main + generation` }),
    ),
  fc
    .record({
      space: fc.constantFrom('gva', 'gpa'),
      address,
      access: fc.constantFrom('read', 'write', 'fetch'),
      user: fc.constantFrom(undefined, true, false),
    })
    .map((params) => request('walk.read', { ...params, vcpu })),
  fc.integer({ min: 0, max: 2 ** 40 - 1 }).map((gfn) => request('rmap.read', { gfn })),
  fc.constantFrom(0x100, 0x105, 0xb8, 0xfeb00, 0xe0000).map((gfn) => request('rmap.read', { gfn })),
  fc
    .record({
      slot: fc.integer({ min: 0, max: 130 }),
      flags: fc.integer({ min: 0, max: 3 }),
      guestPhysAddr: address,
      memorySize: fc.constantFrom(0n, 0x1000n, 0x1001n),
      userspaceAddr: fc.constantFrom(0x7f00_0000_0000n, 1n),
    })
    .map((region) => request('memslots.preview', { region })),
);

describe.each([
  { mode: 'flat', insns: 20_000, words: '32-bit, no paging' },
  { mode: 'long', insns: 100_000, words: '64-bit, 4-level paging' },
])('looking at a guest in mode $mode', ({ mode, insns, words }) => {
  it('leaves the arena as it is, byte by byte', () => {
    const session = sessionWith('poller', { append: `mode=${mode} pause=10` });
    session.ask('trace.enable', { events: ['*'] });
    expect(session.run(insns).vcpus[0].mode).toBe(words);
    const before = session.arenaBytes();
    fc.assert(
      fc.property(fc.array(looks, { minLength: 12, maxLength: 12 }), (asked) => {
        for (const { name, params } of asked) session.engine.handle(name, params);
        expect(session.isAt(before)).toBe(true);
      }),
      // What one look has changed stays changed: shrinking would find fault with every other.
      { numRuns: 12, endOnFailure: true },
    );
  });
});
