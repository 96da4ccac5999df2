/** A page that one vCPU begins to decode from while another, on its own thread, has it in its TLB to write to. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createArena } from '../../../core/arena/arena.ts';
import { probeTlb } from '../../../core/x86/probe-tlb.ts';
import { Cpu } from '../../../core/x86/index.ts';
import { markCodePage } from '../../../core/x86/system-code-pages.ts';
import { T_WRITE, tlbEntryOf, tlbInsert } from '../../../core/x86/tlb.ts';

afterEach(() => void vi.restoreAllMocks());

const PAGE = 0x3000;
const OTHER_PAGE = 0x5000;
const LO = 0x40_0000;
/** Another linear page with the same place in the TLB. */
const RIVAL = LO + (1 << 22);

function twoVcpus(): readonly [Cpu, Cpu] {
  const layout = { ramBytes: 1 << 20, vcpus: 2, memslots: 32, shadowPages: 64, traceRecords: 1024 };
  const arena = createArena(layout, (bytes) => new SharedArrayBuffer(bytes));
  const config = { maxPhyAddr: 40, threaded: true };
  return [new Cpu(arena, 0, config), new Cpu(arena, 1, config)];
}

const enter = (cpu: Cpu, lo: number, page: number): void =>
  tlbInsert(cpu, false, lo, 0, page, true, true, false, false, 0);
const writesTo = (cpu: Cpu, lo: number): number | undefined =>
  probeTlb(cpu.arena, cpu.vcpuId, BigInt(lo), 'write', false);

/** Does `change` right before the mark reaches the entry. */
function beforeTheMark(change: () => void): void {
  const exchange = Atomics.compareExchange.bind(Atomics);
  vi.spyOn(Atomics, 'compareExchange').mockImplementation(((...args: [Int32Array, number, number, number]) => {
    change();
    return exchange(...args);
  }) as typeof Atomics.compareExchange);
}

describe('marking a page in the TLB of another thread', () => {
  it('lets its stores go the way on which they are noted', () => {
    const [decoder, writer] = twoVcpus();
    enter(writer, LO, PAGE);
    const t = tlbEntryOf(false, LO);
    const fast = writer.r[t + T_WRITE];
    markCodePage(decoder, PAGE >>> 12);
    expect(writer.r[t + T_WRITE]).not.toBe(fast);
    expect(writesTo(writer, LO)).toBe(PAGE);
  });

  it('does not bring back an entry that was flushed meanwhile', () => {
    const [decoder, writer] = twoVcpus();
    enter(writer, LO, PAGE);
    beforeTheMark(() => writer.flushTlb());
    markCodePage(decoder, PAGE >>> 12);
    expect(writesTo(writer, LO)).toBeUndefined();
  });

  it('does not lend the page of a new entry to the address of the old one', () => {
    const [decoder, writer] = twoVcpus();
    enter(writer, LO, PAGE);
    beforeTheMark(() => enter(writer, RIVAL, OTHER_PAGE));
    markCodePage(decoder, PAGE >>> 12);
    expect(writesTo(writer, LO)).toBeUndefined();
    expect(writesTo(writer, RIVAL)).toBe(OTHER_PAGE);
  });
});
