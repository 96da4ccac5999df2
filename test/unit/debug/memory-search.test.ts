import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import { searchMemory } from '../../../core/debug/memory/memory-search.ts';
import type { SearchWish } from '../../../core/debug/memory/memory-search.ts';
import { KvmFixture, MIB } from '../kvm/kvm-fixture.ts';
import { sessionWith } from './debug-guest.ts';

const NEEDLE = Uint8Array.from([0xde, 0xad, 0xbe, 0xef]);
const kvm = new KvmFixture({});
kvm.slot(0, 0n, MIB);
/** A second slot behind a hole, whose memory lies elsewhere. */
kvm.slot(1, 2n * MIB, MIB, 0, HVA_BASE + 2n * MIB);
const { arena } = kvm.vm;
const put = (offset: number, bytes: Uint8Array = NEEDLE): void => arena.u8.set(bytes, arena.layout.ram + offset);
put(0x100);
put(0x2ffe);
put(2 * Number(MIB) + 0x10);

const search = (wish: Partial<SearchWish>) =>
  searchMemory(arena, 0, { space: 'gpa', start: 0n, length: 0x40_0000, pattern: NEEDLE, limit: 100, ...wish });

describe('searching memory', () => {
  it('finds bytes inside a page, over the border of two, and behind a hole', () => {
    expect(search({})).toEqual({ matches: [0x100n, 0x2ffen, 0x20_0010n], next: 0x40_0000n });
  });

  it('goes on where it has stopped', () => {
    const first = search({ limit: 1 });
    expect(first).toEqual({ matches: [0x100n], next: 0x101n });
    expect(search({ start: first.next, limit: 1 }).matches).toEqual([0x2ffen]);
  });

  it('finds what begins inside the range and ends beyond it, and nothing that begins beyond it', () => {
    expect(search({ length: 0x2fff }).matches).toEqual([0x100n, 0x2ffen]);
    expect(search({ length: 0x2ffe }).matches).toEqual([0x100n]);
  });

  it('finds matches that overlap', () => {
    put(0x8000, Uint8Array.from([7, 7, 7, 7]));
    expect(search({ start: 0x8000n, length: 16, pattern: Uint8Array.from([7, 7]) }).matches).toEqual([
      0x8000n,
      0x8001n,
      0x8002n,
    ]);
  });

  it('finds the same bytes by gva and by hva', () => {
    expect(search({ space: 'gva', length: 0x1000 }).matches).toEqual([0x100n]);
    expect(search({ space: 'hva', start: HVA_BASE, length: 0x1000 }).matches).toEqual([HVA_BASE + 0x100n]);
  });

  it('finds no match that would run into a hole, and none at the end of all addresses', () => {
    put(Number(MIB) - 2);
    expect(search({ start: MIB - 16n, length: 64 }).matches).toEqual([]);
    expect(search({ start: (1n << 64n) - 16n, length: 64 }).matches).toEqual([]);
  });
});

describe('the requests', () => {
  const session = sessionWith('hello');

  it('find the code of the image where it was loaded, and name it', () => {
    const [entry] = session.ask('disassembly.read', { vcpu: 0, address: 0x10_0010n, before: 0, count: 1 }).lines;
    const place = { space: 'gpa', vcpu: 0 } as const;
    const [span] = session.ask('memory.read', { ...place, address: 0x10_0010n, length: 16 }).spans;
    const pattern = Uint8Array.from(span.kind === 'bytes' ? span.bytes : []);
    const found = session.ask('memory.search', { ...place, start: 0x10_0000n, length: 0x1000, pattern, limit: 10 });
    expect(found.matches).toContain(0x10_0010n);
    expect(session.ask('symbols.at', { addresses: [0n, 0x10_0010n, 0x10_0011n] })).toEqual([
      undefined,
      entry.symbol,
      `${entry.symbol}+0x1`,
    ]);
  });

  it('refuse a pattern without a byte, one without end, and a range without end', () => {
    const wish = { space: 'gpa', vcpu: 0, start: 0n, length: 16, pattern: NEEDLE, limit: 1 };
    expect(session.refusal('memory.search', { ...wish, pattern: new Uint8Array() })).toMatch(/at least one byte/);
    expect(session.refusal('memory.search', { ...wish, pattern: new Uint8Array(257) })).toMatch(/at most 256 bytes/);
    expect(session.refusal('memory.search', { ...wish, length: 2 ** 40 })).toMatch(/length/);
  });
});
