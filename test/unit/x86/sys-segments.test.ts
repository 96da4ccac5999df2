import { describe, expect, it } from 'vitest';
import {
  CS,
  DS,
  ES,
  FS,
  GS,
  LDTR,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_LIMIT,
  SEG_UNUSABLE,
  SEGMENT_WORDS,
  SS,
  TR,
  VCPU_CR0,
  VCPU_CR4,
  VCPU_GDTR_BASE,
  VCPU_GDTR_LIMIT,
  VCPU_IDTR_BASE,
  VCPU_INTERRUPT_SHADOW,
  VCPU_MSR_KERNEL_GS_BASE,
  VCPU_SEGMENTS,
} from '../../../core/arena/vcpu-layout.ts';
import { writeControlRegister } from '../../../core/x86/system/control-registers.ts';
import { readMsr, writeMsr } from '../../../core/x86/system/msr.ts';
import {
  checkSegment,
  loadAccessRights,
  loadDescriptorTable,
  loadLdtr,
  loadSegment,
  loadSegmentLimit,
  loadTaskRegister,
  readSegmentBase,
  storeDescriptorTable,
  swapGs,
  verifySegment,
  writeSegmentBase,
} from '../../../core/x86/segments/segments.ts';
import { type Bench, done, gp } from './sys-fixture.ts';
import {
  enterUser,
  FREE,
  GDT,
  KERNEL_CODE,
  KERNEL_DATA,
  setDescriptor,
  system,
  USER_CODE,
  USER_DATA,
} from './sys-fixture-tables.ts';

const ud = { kind: 'exception', vector: 6, errorCode: 0 } as const;
const word = (bench: Bench, segment: number, field: number): number =>
  bench.r[VCPU_SEGMENTS + segment * SEGMENT_WORDS + field];

describe('loading a data segment', () => {
  const result = (arrange: (b: Bench) => void, segment: number, selector: number): unknown => {
    const bench = system(32);
    arrange(bench);
    loadSegment(bench.cpu, segment, selector);
    return bench.outcome();
  };
  const nothing = (): void => undefined;
  const user = (b: Bench): void => enterUser(b, 32);
  const absent = (b: Bench): void => setDescriptor(b, FREE, b.readGuest64(GDT + KERNEL_DATA) & ~(1n << 47n));
  const executeOnly = (b: Bench): void => setDescriptor(b, FREE, 0x00cf_9800_0000_ffffn);
  const readOnly = (b: Bench): void => setDescriptor(b, FREE, 0x00cf_9100_0000_ffffn);
  it.each([
    ['DS, a null selector', nothing, DS, 3, done],
    ['DS, data', nothing, DS, KERNEL_DATA, done],
    ['DS, readable code', nothing, DS, KERNEL_CODE, done],
    ['DS, read-only data', readOnly, DS, FREE, done],
    ['DS, execute-only code', executeOnly, DS, FREE, gp(FREE)],
    ['DS, a TSS', (b: Bench) => setDescriptor(b, FREE, 0x0000_8900_0000_0067n), DS, FREE, gp(FREE)],
    ['DS, beyond the GDT', nothing, DS, 0x88, gp(0x88)],
    ['DS, beyond an LDT that is not there', nothing, DS, 0x0c, gp(0x0c)],
    ['DS, the kernel’s from CPL 3', user, DS, KERNEL_DATA, gp(KERNEL_DATA)],
    ['DS, with an RPL of 3 for DPL 0', nothing, DS, KERNEL_DATA | 3, gp(KERNEL_DATA)],
    ['DS, not present', absent, DS, FREE, { kind: 'exception', vector: 11, errorCode: FREE }],
    ['SS, a null selector', nothing, SS, 0, gp(0)],
    ['SS, data', nothing, SS, KERNEL_DATA, done],
    ['SS, read-only data', readOnly, SS, FREE, gp(FREE)],
    ['SS, with another RPL', nothing, SS, USER_DATA, gp(USER_DATA & ~3)],
    ['SS, not present', absent, SS, FREE, { kind: 'exception', vector: 12, errorCode: FREE }],
    ['CS', nothing, CS, KERNEL_CODE, ud],
  ] as const)('%s', (_what, arrange, segment, selector, outcome) => {
    expect(result(arrange, segment, selector)).toEqual(outcome);
  });

  it('takes base, limit and attributes from the descriptor and sets its A bit', () => {
    const bench = system(32);
    setDescriptor(bench, FREE, 0x12c0_9234_5678_0fffn | (0xfn << 48n));
    loadSegment(bench.cpu, ES, FREE);
    expect(bench.outcome()).toEqual(done);
    expect(word(bench, ES, SEG_BASE)).toBe(0x1234_5678);
    expect(word(bench, ES, SEG_LIMIT) >>> 0).toBe(0xf0ff_ffff);
    expect(word(bench, ES, SEG_ATTRIBUTES)).toBe(0xc093);
    expect((bench.readGuest64(GDT + FREE) >> 40n) & 1n).toBe(1n);
  });

  it('of SS holds interrupts off for one instruction', () => {
    const bench = system(32);
    loadSegment(bench.cpu, DS, KERNEL_DATA);
    expect(bench.r[VCPU_INTERRUPT_SHADOW]).toBe(0);
    loadSegment(bench.cpu, SS, KERNEL_DATA);
    expect(bench.r[VCPU_INTERRUPT_SHADOW]).toBe(2);
  });

  it('SS may be null in 64-bit mode at CPL 0 … 2', () => {
    const bench = system(64);
    loadSegment(bench.cpu, SS, 0);
    expect(bench.outcome()).toEqual(done);
    enterUser(bench, 64);
    loadSegment(bench.cpu, SS, 3);
    expect(bench.outcome()).toEqual(gp());
  });

  it('in real mode shifts the selector and looks at no table', () => {
    const bench = system(32);
    bench.r[VCPU_CR0] = 0x10;
    loadSegment(bench.cpu, DS, 0x1234);
    expect(bench.outcome()).toEqual(done);
    expect(word(bench, DS, SEG_BASE)).toBe(0x1_2340);
  });
});

describe('segment checks outside 64-bit mode', () => {
  const check = (attributes: number, limit: number, offset: number, size: number, write: boolean, segment = DS) => {
    const bench = system(32);
    bench.segment(segment, KERNEL_DATA, attributes, limit, 0);
    checkSegment(bench.cpu, segment, offset, size, write);
    return bench.outcome();
  };
  it.each([
    ['inside the limit', 0x4093, 0xfff, 0xffc, 4, true, true],
    ['across the limit', 0x4093, 0xfff, 0xffd, 4, true, false],
    ['the whole of 4 GiB', 0xc093, -1, 0xffff_fffc, 4, true, true],
    ['round the end of 4 GiB', 0xc093, -1, 0xffff_fffd, 4, true, false],
    ['a write to read-only data', 0x4091, 0xfff, 0, 1, true, false],
    ['a read of read-only data', 0x4091, 0xfff, 0, 1, false, true],
    ['a read of execute-only code', 0x4099, 0xfff, 0, 1, false, false],
    ['a write to code', 0x409b, 0xfff, 0, 1, true, false],
    ['below an expand-down limit', 0x4097, 0xfff, 0xfff, 1, true, false],
    ['above an expand-down limit', 0x4097, 0xfff, 0x1000, 4, true, true],
    ['above 64 KiB of a 16-bit expand-down segment', 0x0097, 0xfff, 0xffff, 2, true, false],
    ['an unusable segment', SEG_UNUSABLE, 0, 0, 1, false, false],
  ] as const)('%s', (_what, attributes, limit, offset, size, write, allowed) => {
    expect(check(attributes, limit, offset, size, write)).toEqual(allowed ? done : gp());
  });

  it('are #SS(0) for the stack', () => {
    expect(check(0x4093, 0xfff, 0x1000, 1, false, SS)).toEqual({ kind: 'exception', vector: 12, errorCode: 0 });
  });
});

describe('instructions on descriptors', () => {
  it('LTR takes an available TSS of the GDT and makes it busy', () => {
    const bench = system(64);
    bench.writeGuest64(GDT + FREE, 0x1200_8934_5678_0067n);
    bench.writeGuest64(GDT + FREE + 8, 0xffff_ffffn);
    loadTaskRegister(bench.cpu, FREE);
    expect(bench.outcome()).toEqual(done);
    expect(bench.get64(VCPU_SEGMENTS + TR * SEGMENT_WORDS + SEG_BASE)).toBe(0xffff_ffff_1234_5678n);
    expect(word(bench, TR, SEG_ATTRIBUTES)).toBe(0x8b);
    loadTaskRegister(bench.cpu, FREE);
    expect(bench.outcome()).toEqual(gp(FREE));
    loadTaskRegister(bench.cpu, 0);
    expect(bench.outcome()).toEqual(gp());
  });

  it('LLDT takes an LDT, through which selectors with TI are then found', () => {
    const bench = system(32);
    setDescriptor(bench, FREE, 0x0000_8200_6000_000fn);
    bench.writeGuest64(0x6008, bench.readGuest64(GDT + KERNEL_DATA));
    loadLdtr(bench.cpu, FREE);
    expect(bench.outcome()).toEqual(done);
    loadSegment(bench.cpu, ES, 0x0c);
    expect(bench.outcome()).toEqual(done);
    loadSegment(bench.cpu, ES, 0x14);
    expect(bench.outcome()).toEqual(gp(0x14));
    loadLdtr(bench.cpu, 0);
    expect(word(bench, LDTR, SEG_ATTRIBUTES) & SEG_UNUSABLE).not.toBe(0);
  });

  it('LAR and LSL answer what the descriptor says, or clear ZF', () => {
    const bench = system(32);
    expect(loadAccessRights(bench.cpu, KERNEL_CODE)).toBe(0xc0_9b00);
    expect(loadSegmentLimit(bench.cpu, KERNEL_CODE)).toBe(0xffff_ffff);
    expect(loadAccessRights(bench.cpu, 0)).toBe(-1);
    expect(loadSegmentLimit(bench.cpu, 0x88)).toBe(-1);
    expect(loadAccessRights(bench.cpu, KERNEL_DATA | 3)).toBe(-1);
    setDescriptor(bench, FREE, 0x0000_8c00_0008_0000n);
    expect(loadAccessRights(bench.cpu, FREE)).toBe(0x8c00);
    expect(loadSegmentLimit(bench.cpu, FREE)).toBe(-1);
    expect(bench.outcome()).toEqual(done);
  });

  it('VERR and VERW look at type and privilege', () => {
    const bench = system(32);
    const both = (selector: number): boolean[] => [
      verifySegment(bench.cpu, selector, false),
      verifySegment(bench.cpu, selector, true),
    ];
    expect(both(KERNEL_DATA)).toEqual([true, true]);
    expect(both(KERNEL_CODE)).toEqual([true, false]);
    expect(both(0)).toEqual([false, false]);
    enterUser(bench, 32);
    expect(both(KERNEL_DATA)).toEqual([false, false]);
    expect(both(USER_DATA)).toEqual([true, true]);
    expect(both(USER_CODE)).toEqual([true, false]);
  });

  it('LGDT reads what SGDT wrote, ten bytes in 64-bit mode and six elsewhere', () => {
    for (const width of [32, 64] as const) {
      const bench = system(width);
      bench.r[VCPU_IDTR_BASE + 1] = width === 64 ? -1 : 0;
      storeDescriptorTable(bench.cpu, VCPU_IDTR_BASE, 0x9000, 0);
      loadDescriptorTable(bench.cpu, VCPU_GDTR_BASE, 0x9000, 0, 4);
      expect(bench.outcome()).toEqual(done);
      expect(bench.get64(VCPU_GDTR_BASE)).toBe(bench.get64(VCPU_IDTR_BASE));
      expect(bench.r[VCPU_GDTR_LIMIT]).toBe(256 * (width / 4) - 1);
    }
  });

  it('LGDT with a 16-bit operand loads 24 bits of base; a base that is not canonical is #GP(0)', () => {
    const bench = system(32);
    bench.writeGuest64(0x9000, 0x1234_5678_0017n);
    loadDescriptorTable(bench.cpu, VCPU_GDTR_BASE, 0x9000, 0, 2);
    expect([bench.r[VCPU_GDTR_BASE], bench.r[VCPU_GDTR_LIMIT]]).toEqual([0x34_5678, 0x17]);
    const long = system(64);
    long.writeGuest64(0x9002, 1n << 60n);
    loadDescriptorTable(long.cpu, VCPU_GDTR_BASE, 0x9000, 0, 8);
    expect(long.outcome()).toEqual(gp());
    expect(long.r[VCPU_GDTR_BASE]).toBe(GDT);
  });
});

describe('segment bases in 64-bit mode', () => {
  it('SWAPGS exchanges two of them', () => {
    const bench = system(64);
    bench.set64(VCPU_MSR_KERNEL_GS_BASE, 0xffff_8880_0000_0000n);
    writeMsr(bench.cpu, 0xc000_0101 | 0, 0x1000, 0);
    swapGs(bench.cpu);
    expect(bench.get64(VCPU_SEGMENTS + GS * SEGMENT_WORDS + SEG_BASE)).toBe(0xffff_8880_0000_0000n);
    expect([readMsr(bench.cpu, 0xc000_0102 | 0), bench.cpu.hi]).toEqual([0x1000, 0]);
    const legacy = system(32);
    swapGs(legacy.cpu);
    expect(legacy.outcome()).toEqual(ud);
  });

  it('WRFSBASE needs CR4.FSGSBASE and a canonical address', () => {
    const bench = system(64);
    writeSegmentBase(bench.cpu, FS, 1, 2);
    expect(bench.outcome()).toEqual(ud);
    writeControlRegister(bench.cpu, 4, bench.r[VCPU_CR4] | 0x1_0000, 0);
    writeSegmentBase(bench.cpu, FS, 1, 2);
    expect([readSegmentBase(bench.cpu, FS), bench.cpu.hi]).toEqual([1, 2]);
    writeSegmentBase(bench.cpu, FS, 1, 0x8000);
    expect(bench.outcome()).toEqual(gp());
  });
});
