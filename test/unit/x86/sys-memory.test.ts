import { describe, expect, it } from 'vitest';
import { VCPU_CODE_BITS, VCPU_CR0, VCPU_CR3 } from '../../../core/arena/vcpu-layout.ts';
import { invalidatePage, writeControlRegister } from '../../../core/x86/system/control-registers.ts';
import { Cpu, type EmulatorOps } from '../../../core/x86/cpu.ts';
import { EXIT_EPT_MISCONFIG } from '../../../core/x86/system/exits.ts';
import {
  load16,
  load32,
  load64,
  load8,
  probeWriteAccess,
  store16,
  store32,
  store64,
  store8,
} from '../../../core/x86/memory/memory-access.ts';
import { dropStaleCode, isCodePage, markCodePage, unmarkCodePage } from '../../../core/x86/memory/system-code-pages.ts';
import { turnIntoStackFault } from '../../../core/x86/interrupts/exceptions.ts';
import { AC, Bench, CR0_WP, CR4_PGE, CR4_SMAP, done, G, gp, P, pageFault, U, W } from './sys-fixture.ts';

const CR0_AM = 0x4_0000;

/** Loads and stores of every size, as bigint → bigint. */
const SIZES = [1, 2, 4, 8] as const;
type Size = (typeof SIZES)[number];
const load = (cpu: Cpu, size: Size, lo: number, hi = 0): bigint => {
  if (size === 1) return BigInt(load8(cpu, lo, hi));
  if (size === 2) return BigInt(load16(cpu, lo, hi));
  if (size === 4) return BigInt(load32(cpu, lo, hi) >>> 0);
  const low = load64(cpu, lo, hi);
  return (BigInt(cpu.hi >>> 0) << 32n) | BigInt(low >>> 0);
};
const store = (cpu: Cpu, size: Size, value: bigint, lo: number, hi = 0): void => {
  const low = Number(BigInt.asIntN(32, value));
  if (size === 1) store8(cpu, lo, hi, low);
  else if (size === 2) store16(cpu, lo, hi, low);
  else if (size === 4) store32(cpu, lo, hi, low);
  else store64(cpu, lo, hi, low, Number(BigInt.asIntN(32, value >> 32n)));
};
const VALUE = 0xf1e2_d3c4_b5a6_9788n;
const littleEndian = (size: Size): number[] =>
  Array.from({ length: size }, (_, i) => Number((VALUE >> BigInt(8 * i)) & 0xffn));

describe.each(SIZES)('an access of %i bytes', (size) => {
  it.each([0, 1, 3, 0xfff - size + 1, 0xff9, 0xffa, 0xffb, 0xffc, 0xffd, 0xffe, 0xfff])(
    'at page offset %i moves its bytes to where two pages are mapped',
    (offset) => {
      const bench = new Bench();
      bench.paging('4-level');
      // Neighbours in linear space, apart and in the other order in guest RAM.
      bench.mapGuest('4-level', 0x7000_0000n, 0x9000n);
      bench.mapGuest('4-level', 0x7000_1000n, 0x5000n);
      store(bench.cpu, size, VALUE, 0x7000_0000 + offset);
      expect(bench.outcome()).toEqual(done);
      const bytes = Array.from({ length: size }, (_, i) => {
        const at = offset + i;
        return bench.arena.u8[bench.ram(at < 0x1000 ? 0x9000 + at : 0x5000 + at - 0x1000)];
      });
      expect(bytes).toEqual(littleEndian(size));
      expect(load(bench.cpu, size, 0x7000_0000 + offset)).toBe(BigInt.asUintN(8 * size, VALUE));
      bench.cpu.flushTlb();
      expect(load(bench.cpu, size, 0x7000_0000 + offset)).toBe(BigInt.asUintN(8 * size, VALUE));
    },
  );

  it('that crosses into a page that faults writes nothing and reports the second page', () => {
    if (size === 1) return;
    const bench = new Bench();
    bench.paging('4-level');
    bench.mapGuest('4-level', 0x7000_0000n, 0x9000n);
    store(bench.cpu, size, VALUE, 0x7000_0fff);
    expect(bench.outcome()).toEqual(pageFault(2));
    expect(bench.faultAddress()).toBe(0x7000_1000n);
    expect(bench.arena.u8[bench.ram(0x9fff)]).toBe(0);
  });
});

describe('addresses', () => {
  it('wrap at 4 GiB outside 64-bit mode', () => {
    const bench = new Bench();
    bench.paging('32-bit');
    bench.mapGuest('32-bit', 0xffff_f000n, 0x9000n);
    bench.mapGuest('32-bit', 0n, 0x5000n);
    store32(bench.cpu, -2, 0, 0x4433_2211);
    expect(bench.outcome()).toEqual(done);
    expect([...bench.arena.u8.subarray(bench.ram(0x9ffe), bench.ram(0xa000))]).toEqual([0x11, 0x22]);
    expect([...bench.arena.u8.subarray(bench.ram(0x5000), bench.ram(0x5002))]).toEqual([0x33, 0x44]);
  });

  it('carry into the high half in 64-bit mode', () => {
    const bench = new Bench();
    bench.paging('4-level');
    bench.mapGuest('4-level', 0xffff_f000n, 0x9000n);
    bench.mapGuest('4-level', 0x1_0000_0000n, 0x5000n);
    store32(bench.cpu, -2, 0, 0x4433_2211);
    expect(bench.outcome()).toEqual(done);
    expect(bench.arena.u8[bench.ram(0x5001)]).toBe(0x44);
  });

  it('that are not canonical become #SS(0) when the caller says that the stack was meant', () => {
    const bench = new Bench();
    bench.paging('4-level');
    load32(bench.cpu, 0, 0x8000);
    turnIntoStackFault(bench.cpu);
    expect(bench.outcome()).toEqual({ kind: 'exception', vector: 12, errorCode: 0 });
    load32(bench.cpu, 0, 0);
    turnIntoStackFault(bench.cpu);
    expect(bench.outcome()).toEqual(pageFault(0));
  });
});

describe('alignment checks', () => {
  const misalignedLoad = (cpl: number, am: boolean, ac: boolean): Bench => {
    const bench = new Bench();
    bench.paging('4-level', { cr0: CR0_WP | (am ? CR0_AM : 0) });
    bench.mapGuest('4-level', 0x7000_0000n, 0x9000n);
    bench.cpl = cpl;
    load32(bench.cpu, 0x7000_0000, 0);
    bench.rflags = ac ? 2 | AC : 2;
    load32(bench.cpu, 0x7000_0002, 0);
    return bench;
  };

  it('raise #AC(0) at CPL 3 with CR0.AM and RFLAGS.AC, though the TLB has the page', () => {
    expect(misalignedLoad(3, true, true).outcome()).toEqual({ kind: 'exception', vector: 17, errorCode: 0 });
  });

  it.each([
    [0, true, true],
    [3, false, true],
    [3, true, false],
  ])('do not at CPL %i with AM %s and AC %s', (cpl, am, ac) => {
    expect(misalignedLoad(cpl, am, ac).outcome()).toEqual(done);
  });
});

describe('the TLB', () => {
  const GVA = 0x7000_0000n;
  function mapped(bits = P | W | U, cr4 = 0): Bench {
    const bench = new Bench();
    bench.paging('4-level', { cr4 });
    bench.mapGuest('4-level', GVA, 0x9000n, bits | 0x60n);
    expect(bench.access('write', GVA)).toEqual(done);
    bench.writeGuest64(bench.guestEntry('4-level', GVA), 0n);
    return bench;
  }

  it('keeps a translation that the guest took out of its tables', () => {
    expect(mapped().access('write', GVA)).toEqual(done);
  });

  it.each([
    ['INVLPG of the page', (b: Bench) => invalidatePage(b.cpu, 0x7000_0000, 0)],
    ['INVLPG anywhere in the page', (b: Bench) => invalidatePage(b.cpu, 0x7000_0abc, 0)],
    ['a load of CR3', (b: Bench) => writeControlRegister(b.cpu, 3, b.r[VCPU_CR3], 0)],
    ['a change of CR0.WP', (b: Bench) => writeControlRegister(b.cpu, 0, b.r[VCPU_CR0] & ~CR0_WP, 0)],
    ['a flush by KVM', (b: Bench) => b.cpu.flushTlb()],
    ['a flush of the page by KVM', (b: Bench) => b.cpu.flushTlbPage(0x7000_0000, 0)],
  ])('drops it on %s', (_what, flush) => {
    const bench = mapped();
    flush(bench);
    expect(bench.outcome()).toEqual(done);
    expect(bench.access('write', GVA)).toEqual(pageFault(2));
  });

  it('keeps other pages over INVLPG', () => {
    const bench = mapped();
    invalidatePage(bench.cpu, 0x7000_1000, 0);
    expect(bench.access('read', GVA)).toEqual(done);
  });

  it('keeps global pages over a load of CR3 with CR4.PGE, and drops them without', () => {
    for (const pge of [0, CR4_PGE]) {
      const bench = mapped(P | W | U | G, pge);
      writeControlRegister(bench.cpu, 3, bench.r[VCPU_CR3], 0);
      expect(bench.access('read', GVA)).toEqual(pge === 0 ? pageFault(0) : done);
    }
  });

  it('drops global pages on INVLPG and on a change of CR4.PGE', () => {
    const first = mapped(P | W | U | G, CR4_PGE);
    invalidatePage(first.cpu, 0x7000_0000, 0);
    expect(first.access('read', GVA)).toEqual(pageFault(0));
    const second = mapped(P | W | U | G, CR4_PGE);
    writeControlRegister(second.cpu, 4, 0x20, 0);
    expect(second.outcome()).toEqual(done);
    expect(second.access('read', GVA)).toEqual(pageFault(0));
  });

  it('drops all pieces of a large page on INVLPG of one of them', () => {
    const bench = new Bench();
    bench.paging('4-level');
    bench.mapGuest('4-level', 0x4000_0000n, 0n, P | W | U | 0xe0n, 2);
    bench.access('read', 0x4000_3000n);
    bench.access('read', 0x4000_5000n);
    bench.writeGuest64(bench.guestEntry('4-level', 0x4000_0000n, 2), 0n);
    expect(bench.access('read', 0x4000_5000n)).toEqual(done);
    invalidatePage(bench.cpu, 0x4000_3000, 0);
    expect(bench.access('read', 0x4000_5000n)).toEqual(pageFault(0));
  });

  it('flushes whatever it holds, few entries or many', () => {
    for (const pages of [3, 200, 900]) {
      const bench = new Bench();
      for (let i = 0; i < pages; i++) bench.access('read', BigInt(i) << 12n);
      for (let i = 0; i < pages; i++) bench.write64(bench.hostEntry(BigInt(i) << 12n), 0n);
      expect(bench.access('read', BigInt(pages - 1) << 12n)).toEqual(done);
      bench.cpu.flushTlb();
      for (let i = 0; i < pages; i++) {
        expect(bench.access('read', BigInt(i) << 12n), `page ${i} of ${pages}`).toMatchObject({ kind: 'exit' });
      }
    }
  });

  it('never holds a page whose access left the guest: once mapped, the next access reaches it without a flush', () => {
    const bench = new Bench();
    const entry = bench.read64(bench.hostEntry(0x9000n));
    bench.write64(bench.hostEntry(0x9000n), 6n);
    expect(bench.access('read', 0x9000n)).toMatchObject({ reason: EXIT_EPT_MISCONFIG });
    bench.write64(bench.hostEntry(0x9000n), entry);
    expect(bench.access('read', 0x9000n)).toEqual(done);
  });

  it('does not let a write pass that EPT allows only since, or only until, a flush', () => {
    const bench = new Bench();
    const at = bench.hostEntry(0x9000n);
    bench.write64(at, bench.read64(at) & ~2n);
    expect(bench.access('read', 0x9000n)).toEqual(done);
    expect(bench.access('write', 0x9000n)).toMatchObject({ kind: 'exit' });
    bench.write64(at, bench.read64(at) | 2n);
    expect(bench.access('write', 0x9000n)).toEqual(done);
  });

  it('does not remember a user page for the supervisor under SMAP', () => {
    const bench = new Bench();
    bench.paging('4-level', { cr4: CR4_SMAP });
    bench.mapGuest('4-level', GVA, 0x9000n);
    bench.rflags = 2 | AC;
    expect(bench.access('read', GVA)).toEqual(done);
    bench.rflags = 2;
    expect(bench.access('read', GVA)).toEqual(pageFault(1));
  });
});

describe('a store to a page that instructions were decoded from', () => {
  it('tells the decoder which bytes were written, and is fast again when nothing is decoded there', () => {
    const bench = new Bench();
    const written: (readonly [number, number])[] = [];
    bench.cpu.noteExternalWrite = (offset, length): void => void written.push([offset, length]);
    store32(bench.cpu, 0x9000, 0, 1);
    markCodePage(bench.cpu, bench.ram(0x9000) >> 12);
    store32(bench.cpu, 0x9010, 0, 2);
    store8(bench.cpu, 0xa000, 0, 3);
    store16(bench.cpu, 0x8fff, 0, 4);
    expect(written).toEqual([
      [bench.ram(0x9010), 4],
      [bench.ram(0x9000), 1],
    ]);
    unmarkCodePage(bench.cpu, bench.ram(0x9000) >> 12);
    store32(bench.cpu, 0x9010, 0, 5);
    expect(written).toHaveLength(2);
    expect(bench.readGuest32(0x9010)).toBe(5);
  });

  it('tells the other vCPUs that decoded from it, when they next run', () => {
    const bench = new Bench({ vcpus: 2 });
    const other = new Cpu(bench.arena, 1, { maxPhyAddr: 46 });
    const page = bench.ram(0x9000) >> 12;
    store32(bench.cpu, 0x9000, 0, 1);
    markCodePage(other, page);
    expect(isCodePage(bench.cpu, page)).toBe(true);
    store32(bench.cpu, 0x9000, 0, 2);
    const dropped: number[] = [];
    other.dropDecodedPage = (number): void => void dropped.push(number);
    dropStaleCode(other, () => dropped.push(-1));
    expect(dropped).toEqual([page]);
    for (let i = 0; i < 70; i++) store32(bench.cpu, 0x9000, 0, i);
    dropStaleCode(other, () => dropped.push(-1));
    expect(dropped).toEqual([page, -1]);
  });
});

describe('a write that is only tried', () => {
  it('faults as the write would and changes no byte', () => {
    const bench = new Bench();
    bench.paging('4-level');
    bench.mapGuest('4-level', 0x7000_0000n, 0x9000n, P | U | 0x60n);
    probeWriteAccess(bench.cpu, 0x7000_0000, 0, 4);
    expect(bench.outcome()).toEqual(pageFault(3));
    bench.mapGuest('4-level', 0x7000_0000n, 0x9000n);
    bench.cpu.flushTlb();
    probeWriteAccess(bench.cpu, 0x7000_0ffe, 0, 4);
    expect(bench.outcome()).toEqual(pageFault(2));
    probeWriteAccess(bench.cpu, 0x7000_0ffc, 0, 4);
    expect(bench.outcome()).toEqual(done);
    expect(bench.readGuest32(0x9ffc)).toBe(0);
  });
});

describe('while KVM emulates an instruction', () => {
  it('accesses that the TLB holds go to RAM, all others to the emulator with their whole size', () => {
    const bench = new Bench();
    const calls: string[] = [];
    const ops: EmulatorOps = {
      readData(cpu, lo, hi, size) {
        calls.push(`read ${lo.toString(16)} ${hi} ${size}`);
        cpu.hi = 0x55;
        return 0x1234;
      },
      writeData: (_cpu, lo, hi, size, low, high) =>
        void calls.push(`write ${lo.toString(16)} ${hi} ${size} ${low} ${high}`),
      portIn: () => 0,
      portOut: () => undefined,
    };
    bench.writeGuest32(0x9000, 77);
    load32(bench.cpu, 0x9000, 0);
    bench.cpu.emulator = ops;
    expect(load32(bench.cpu, 0x9000, 0)).toBe(77);
    expect(load(bench.cpu, 8, 0x20_0000)).toBe(0x55_0000_1234n);
    expect(load32(bench.cpu, 0x9ffe, 0)).toBe(0x1234);
    store(bench.cpu, 8, 0x2_0000_0001n, 0x20_0000);
    probeWriteAccess(bench.cpu, 0x20_0000, 0, 8);
    expect(bench.outcome()).toEqual(done);
    expect(calls).toEqual(['read 200000 0 8', 'read 9ffe 0 4', 'write 200000 0 8 1 2']);
    expect(bench.r[VCPU_CODE_BITS]).toBe(32);
  });
});

it('an address that is not canonical never reaches the emulator or the TLB as another one', () => {
  const bench = new Bench();
  bench.paging('4-level');
  bench.mapGuest('4-level', 0x7000_0000n, 0x9000n);
  expect(bench.access('read', 0x7000_0000n)).toEqual(done);
  for (let bit = 48; bit < 64; bit++) {
    expect(bench.access('read', 0x7000_0000n | (1n << BigInt(bit))), `bit ${bit}`).toEqual(gp());
  }
  const refuse = (): never => {
    throw new Error('the emulator was asked');
  };
  bench.cpu.emulator = { readData: refuse, writeData: refuse, portIn: refuse, portOut: refuse };
  expect(bench.access('read', 0x8000_0000_0000n)).toEqual(gp());
  expect(bench.access('write', 0x8000_0000_0000n)).toEqual(gp());
});
