/** A page that one vCPU begins to decode from while another, on its own thread, has it in its TLB to write to. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createArena } from '../../../core/arena/arena.ts';
import { probeTlb } from '../../../core/x86/probe/probe-tlb.ts';
import { Cpu } from '../../../core/x86/index.ts';
import { markCodePage } from '../../../core/x86/memory/system-code-pages.ts';

import { InstructionDecoder } from '../../../core/x86/decode/decode.ts';
import { I_LENGTH } from '../../../core/x86/decode/instruction.ts';
import { notedTag, T_WRITE, tlbEntryOf, tlbInsert, tlbUnmarkCodePage } from '../../../core/x86/tlb/tlb.ts';

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

describe('a page that another thread has begun to decode from', () => {
  it('gets no fast entry from who looked it up before', () => {
    const [decoder, writer] = twoVcpus();
    // The writer's walk saw no mark, and the decoder's mark saw no entry.
    markCodePage(decoder, PAGE >>> 12);
    enter(writer, LO, PAGE);
    expect(writer.r[tlbEntryOf(false, LO) + T_WRITE]).toBe(notedTag(LO | 0xfff));
    expect(writesTo(writer, LO)).toBe(PAGE);
  });

  it('does not get its fast entry back from who decodes no longer itself', () => {
    const [decoder, writer] = twoVcpus();
    enter(writer, LO, PAGE);
    markCodePage(writer, PAGE >>> 12);
    markCodePage(decoder, PAGE >>> 12);
    tlbUnmarkCodePage(writer, tlbEntryOf(false, LO));
    expect(writer.r[tlbEntryOf(false, LO) + T_WRITE]).toBe(notedTag(LO | 0xfff));
  });

  it('is marked before its bytes are read: what is written until then is what is decoded', () => {
    const [decoder] = twoVcpus();
    const { u8 } = decoder.arena;
    const at = decoder.arena.layout.ram + PAGE;
    u8[at] = 0x90; // nop
    const or = Atomics.or.bind(Atomics);
    vi.spyOn(Atomics, 'or').mockImplementation(((...args: [Int32Array, number, number]) => {
      u8.set([0xb8, 1, 2, 3, 4], at); // mov eax, imm32
      return or(...args);
    }) as typeof Atomics.or);
    const record = new InstructionDecoder(decoder).decode(at, PAGE, 0, 32);
    expect(decoder.cache.code[record + I_LENGTH]).toBe(5);
  });
});
