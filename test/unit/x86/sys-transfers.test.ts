import { describe, expect, it } from 'vitest';
import {
  CS,
  DS,
  ES,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_UNUSABLE,
  SEGMENT_WORDS,
  SS,
  VCPU_CODE_BITS,
  VCPU_CR0,
  VCPU_EFER,
  VCPU_MSR_LSTAR,
  VCPU_MSR_SFMASK,
  VCPU_MSR_STAR,
  VCPU_MSR_SYSENTER_CS,
  VCPU_MSR_SYSENTER_EIP,
  VCPU_MSR_SYSENTER_ESP,
  VCPU_SECOND_LEVEL,
  VCPU_SEGMENTS,
} from '../../../core/arena/vcpu-layout.ts';
import { SECOND_LEVEL_EPT, SECOND_LEVEL_NPT } from '../../../core/x86/second-level/second-level-entry.ts';
import {
  farCall,
  farJump,
  farReturn,
  interruptReturn,
  softwareInterrupt,
  syscall,
  sysenter,
  sysexit,
  sysret,
} from '../../../core/x86/segments/far-transfer.ts';
import { type Bench, done, gp } from './sys-fixture.ts';
import {
  enterUser,
  FREE,
  GDT,
  handlerOf,
  KERNEL_CODE,
  KERNEL_DATA,
  OTHER_CODE,
  setDescriptor,
  setGate,
  STACK,
  stackWords,
  system,
  USER_CODE,
  USER_DATA,
  type Width,
} from './sys-fixture-tables.ts';

const WIDTHS = [32, 64] as const;
const RIP = 0x1_1234n;
const ud = { kind: 'exception', vector: 6, errorCode: 0 } as const;
const IF = 0x200;
const IOPL_3 = 0x3000;

/** Puts words on the stack, the first at the stack pointer. */
function pushed(bench: Bench, size: 2 | 4 | 8, words: readonly bigint[]): void {
  const start = STACK - words.length * size;
  words.forEach((word, i) => {
    const at = start + i * size;
    if (size === 8) bench.writeGuest64(at, word);
    else if (size === 4) bench.writeGuest32(at, Number(BigInt.asUintN(32, word)));
    else bench.arena.view.setUint16(bench.ram(at), Number(word & 0xffffn), true);
  });
  bench.setGpr(4, BigInt(start));
}

const attributes = (bench: Bench, segment: number): number =>
  bench.r[VCPU_SEGMENTS + segment * SEGMENT_WORDS + SEG_ATTRIBUTES];

/** Registers that a refused transfer must leave alone. */
const state = (bench: Bench): unknown => [
  bench.rip,
  bench.rsp,
  bench.cpl,
  bench.rflags,
  bench.selector(CS),
  bench.selector(SS),
];

describe.each(WIDTHS)('IRET in %i-bit code', (width) => {
  const size = width === 64 ? 8 : 4;

  it('undoes an interrupt from CPL 3', () => {
    const bench = system(width);
    setGate(bench, width, 0x80, { dpl: 3 });
    enterUser(bench, width);
    bench.rflags = 2 | IF | 0x8c1;
    const before = state(bench);
    softwareInterrupt(bench.cpu, 0x80);
    expect(bench.rip).toBe(handlerOf(0x80));
    expect(bench.cpl).toBe(0);
    interruptReturn(bench.cpu, size);
    expect(bench.outcome()).toEqual(done);
    expect(state(bench)).toEqual(before);
    expect(attributes(bench, CS)).toBe(width === 64 ? 0xa0fb : 0xc0fb);
    expect(attributes(bench, SS)).toBe(0xc0f3);
  });

  it('undoes an interrupt at CPL 0', () => {
    const bench = system(width);
    setGate(bench, width, 0x80);
    bench.rflags = 2 | IF;
    const before = state(bench);
    softwareInterrupt(bench.cpu, 0x80);
    interruptReturn(bench.cpu, size);
    expect(bench.outcome()).toEqual(done);
    expect(state(bench)).toEqual(before);
  });

  it('takes data segments of inner privilege away on the way out', () => {
    const bench = system(width);
    bench.segment(ES, USER_DATA, 0xc0f3, -1, 0);
    pushed(bench, size, [RIP, BigInt(USER_CODE), 2n, 0x7000n, BigInt(USER_DATA)]);
    interruptReturn(bench.cpu, size);
    expect(bench.outcome()).toEqual(done);
    expect(attributes(bench, DS) & SEG_UNUSABLE).not.toBe(0);
    expect(bench.selector(DS)).toBe(0);
    expect(bench.selector(ES)).toBe(USER_DATA);
  });

  it('at CPL 3 changes neither IOPL nor IF; with IOPL 3 it changes IF', () => {
    for (const [old, expected] of [
      [2 | IF, 2 | IF],
      [2 | IF | IOPL_3, 2 | IOPL_3],
    ] as const) {
      const bench = system(width);
      enterUser(bench, width);
      bench.rflags = old;
      pushed(bench, size, [RIP, BigInt(USER_CODE), 2n, 0x7000n, BigInt(USER_DATA)]);
      interruptReturn(bench.cpu, size);
      expect(bench.outcome()).toEqual(done);
      expect(bench.rflags).toBe(expected);
    }
  });

  it.each([
    ['a null CS', [RIP, 0n, 2n, 0x7000n, BigInt(USER_DATA)], 13, 0],
    ['a CS beyond the GDT', [RIP, 0x88n, 2n, 0x7000n, BigInt(USER_DATA)], 13, 0x88],
    ['a CS that is data', [RIP, BigInt(KERNEL_DATA), 2n, 0x7000n, BigInt(KERNEL_DATA)], 13, KERNEL_DATA],
    ['a CS whose DPL is not its RPL', [RIP, BigInt(KERNEL_CODE | 3), 2n, 0x7000n, BigInt(USER_DATA)], 13, KERNEL_CODE],
    ['a null SS for CPL 3', [RIP, BigInt(USER_CODE), 2n, 0x7000n, 3n], 13, 0],
    ['an SS of inner privilege', [RIP, BigInt(USER_CODE), 2n, 0x7000n, BigInt(KERNEL_DATA)], 13, KERNEL_DATA],
  ] as const)('with %s faults and changes nothing', (_what, words, vector, errorCode) => {
    const bench = system(width);
    pushed(bench, size, words);
    const before = state(bench);
    interruptReturn(bench.cpu, size);
    expect(bench.outcome()).toEqual({ kind: 'exception', vector, errorCode });
    expect(state(bench)).toEqual(before);
  });

  it('to a segment that is not present is #NP', () => {
    const bench = system(width);
    setDescriptor(bench, FREE, bench.readGuest64(GDT + KERNEL_CODE) & ~(1n << 47n));
    pushed(bench, size, [RIP, BigInt(FREE), 2n, 0x7000n, BigInt(KERNEL_DATA)]);
    interruptReturn(bench.cpu, size);
    expect(bench.outcome()).toEqual({ kind: 'exception', vector: 11, errorCode: FREE });
  });

  it('from CPL 3 to inner privilege is #GP', () => {
    const bench = system(width);
    enterUser(bench, width);
    pushed(bench, size, [RIP, BigInt(KERNEL_CODE), 2n, 0x7000n, BigInt(USER_DATA)]);
    interruptReturn(bench.cpu, size);
    expect(bench.outcome()).toEqual(gp(KERNEL_CODE));
  });
});

describe('IRETQ', () => {
  it('takes SS:RSP off the stack at the same privilege too, SS possibly null', () => {
    const bench = system(64);
    pushed(bench, 8, [RIP, BigInt(KERNEL_CODE), 2n, 0x7008n, 0n]);
    interruptReturn(bench.cpu, 8);
    expect(bench.outcome()).toEqual(done);
    expect(bench.rsp).toBe(0x7008n);
    expect(bench.selector(SS)).toBe(0);
  });

  it('to an address that is not canonical is #GP(0) before anything changes', () => {
    const bench = system(64);
    pushed(bench, 8, [1n << 60n, BigInt(USER_CODE), 2n, 0x7008n, BigInt(USER_DATA)]);
    interruptReturn(bench.cpu, 8);
    expect(bench.outcome()).toEqual(gp());
    expect(bench.cpl).toBe(0);
  });

  it('goes to compatibility mode by the L bit of the segment', () => {
    const bench = system(64);
    pushed(bench, 8, [0x1234n, BigInt(OTHER_CODE), 2n, 0x7008n, BigInt(KERNEL_DATA)]);
    interruptReturn(bench.cpu, 8);
    expect(bench.outcome()).toEqual(done);
    expect(bench.r[VCPU_CODE_BITS]).toBe(32);
    expect(bench.rip).toBe(0x1234n);
  });

  it('with NT is #GP(0); in 32-bit mode it would be a task switch, which is refused', () => {
    const bench = system(64);
    bench.rflags = 0x4002;
    pushed(bench, 8, [RIP, BigInt(KERNEL_CODE), 2n, 0x7008n, 0n]);
    interruptReturn(bench.cpu, 8);
    expect(bench.outcome()).toEqual(gp());
    const legacy = system(32);
    legacy.rflags = 0x4002;
    pushed(legacy, 4, [RIP, BigInt(KERNEL_CODE), 2n]);
    interruptReturn(legacy.cpu, 4);
    expect(legacy.unimplemented()).toMatch(/task switch/);
  });
});

it('IRETD to virtual-8086 mode is refused with a sentence', () => {
  const bench = system(32);
  pushed(bench, 4, [RIP, BigInt(KERNEL_CODE), 0x2_0002n]);
  interruptReturn(bench.cpu, 4);
  expect(bench.unimplemented()).toMatch(/virtual-8086/);
});

describe.each(WIDTHS)('far CALL and RET in %i-bit code', (width: Width) => {
  const size = width === 64 ? 8 : 4;

  it('come back to where they started', () => {
    const bench = system(width);
    const before = state(bench);
    farCall(bench.cpu, KERNEL_CODE, 0x2222, 0, size);
    expect(bench.outcome()).toEqual(done);
    expect(bench.rip).toBe(0x2222n);
    expect(stackWords(bench, width, 2)).toEqual([RIP, BigInt(KERNEL_CODE)]);
    farReturn(bench.cpu, size, 0);
    expect(bench.outcome()).toEqual(done);
    expect(state(bench)).toEqual(before);
  });

  it('RET releases parameters, on the outer stack as well', () => {
    const bench = system(width);
    pushed(bench, size, [RIP, BigInt(USER_CODE), 0n, 0n, 0x7000n, BigInt(USER_DATA)]);
    farReturn(bench.cpu, size, 2 * size);
    expect(bench.outcome()).toEqual(done);
    expect(bench.cpl).toBe(3);
    expect(bench.rsp).toBe(0x7000n + BigInt(2 * size));
  });

  it('JMP changes CS and nothing on the stack', () => {
    const bench = system(width);
    farJump(bench.cpu, OTHER_CODE, 0x3333, 0, 4);
    expect(bench.outcome()).toEqual(done);
    expect([bench.rip, bench.rsp, bench.selector(CS)]).toEqual([0x3333n, BigInt(STACK), OTHER_CODE]);
    expect(bench.r[VCPU_CODE_BITS]).toBe(32);
  });

  it.each([
    ['null', 3, 0],
    ['data', KERNEL_DATA, KERNEL_DATA],
    ['code of another privilege', USER_CODE, USER_CODE & ~3],
    ['beyond the GDT', 0x88, 0x88],
  ] as const)('to a selector that is %s is #GP', (_what, selector, errorCode) => {
    const bench = system(width);
    farJump(bench.cpu, selector, 0x3333, 0, 4);
    expect(bench.outcome()).toEqual(gp(errorCode));
    expect(bench.rip).toBe(RIP);
  });

  it('through a call gate or to a task is refused with a sentence', () => {
    const bench = system(width);
    setDescriptor(bench, FREE, 0x0000_8c00_0008_0000n);
    farCall(bench.cpu, FREE, 0, 0, 4);
    expect(bench.unimplemented()).toMatch(/call gate/);
    setDescriptor(bench, FREE, 0x0000_8900_0000_0067n);
    farJump(bench.cpu, FREE, 0, 0, 4);
    if (width === 32) expect(bench.unimplemented()).toMatch(/task switch/);
    else expect(bench.outcome()).toEqual(gp(FREE));
  });
});

it('a far JMP beyond the limit of the segment is #GP(0)', () => {
  const bench = system(32);
  setDescriptor(bench, FREE, 0x0040_9b00_0000_0fffn);
  farJump(bench.cpu, FREE, 0x1000, 0, 4);
  expect(bench.outcome()).toEqual(gp());
  farJump(bench.cpu, FREE, 0xfff, 0, 4);
  expect(bench.outcome()).toEqual(done);
});

it('in real mode a far JMP shifts the selector', () => {
  const bench = system(32);
  bench.r[VCPU_CR0] = 0x10;
  farJump(bench.cpu, 0x1234, 0x5678, 0, 2);
  expect(bench.outcome()).toEqual(done);
  expect(bench.r[VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_BASE]).toBe(0x1_2340);
  expect(bench.rip).toBe(0x5678n);
});

describe('SYSCALL and SYSRET', () => {
  const ready = (): Bench => {
    const bench = system(64);
    bench.r[VCPU_EFER] |= 1;
    bench.set64(VCPU_MSR_STAR, 0x0013_0008_0000_0000n);
    bench.set64(VCPU_MSR_LSTAR, 0xffff_ffff_8000_1000n);
    bench.set64(VCPU_MSR_SFMASK, 0x4_7700n);
    enterUser(bench, 64);
    bench.rflags = 2 | IF | 0x8d5;
    return bench;
  };

  it('make a round trip', () => {
    const bench = ready();
    syscall(bench.cpu);
    expect(bench.outcome()).toEqual(done);
    expect([bench.rip, bench.cpl, bench.gpr(1), bench.gpr(11)]).toEqual([
      0xffff_ffff_8000_1000n,
      0,
      RIP,
      BigInt(2 | IF | 0x8d5),
    ]);
    expect(bench.rflags).toBe(2 | 0x8d5);
    expect([bench.selector(CS), bench.selector(SS), attributes(bench, CS)]).toEqual([8, 16, 0xa09b]);
    expect(bench.rsp).toBe(BigInt(STACK));
    sysret(bench.cpu, 8);
    expect(bench.outcome()).toEqual(done);
    expect([bench.rip, bench.cpl, bench.rflags]).toEqual([RIP, 3, 2 | IF | 0x8d5]);
    expect([bench.selector(CS), bench.selector(SS), attributes(bench, CS)]).toEqual([0x23, 0x1b, 0xa0fb]);
  });

  it('SYSRET with a 32-bit operand goes to compatibility mode', () => {
    const bench = ready();
    bench.cpl = 0;
    bench.setGpr(1, 0xffff_ffff_0000_4000n);
    sysret(bench.cpu, 4);
    expect(bench.outcome()).toEqual(done);
    expect([bench.rip, bench.selector(CS), bench.r[VCPU_CODE_BITS]]).toEqual([0x4000n, 0x13, 32]);
  });

  it('SYSRET to an address that is not canonical is #GP(0) at CPL 0', () => {
    const bench = ready();
    bench.cpl = 0;
    bench.setGpr(1, 1n << 60n);
    sysret(bench.cpu, 8);
    expect(bench.outcome()).toEqual(gp());
    expect(bench.cpl).toBe(0);
  });

  it('are #UD without EFER.SCE, and SYSRET is #GP(0) outside CPL 0', () => {
    const bench = ready();
    sysret(bench.cpu, 8);
    expect(bench.outcome()).toEqual(gp());
    bench.r[VCPU_EFER] &= ~1;
    syscall(bench.cpu);
    expect(bench.outcome()).toEqual(ud);
    sysret(bench.cpu, 8);
    expect(bench.outcome()).toEqual(ud);
  });

  it.each(['ept', 'npt'] as const)('outside 64-bit mode are #UD on Intel, and on AMD refused by name: %s', (level) => {
    const bench = system(32);
    bench.r[VCPU_EFER] |= 1;
    bench.r[VCPU_SECOND_LEVEL] = level === 'ept' ? SECOND_LEVEL_EPT : SECOND_LEVEL_NPT;
    for (const [name, execute] of [
      ['SYSCALL', () => syscall(bench.cpu)],
      ['SYSRET', () => sysret(bench.cpu, 4)],
    ] as const) {
      execute();
      if (level === 'ept') expect(bench.outcome()).toEqual(ud);
      else expect(bench.unimplemented()).toBe(`${name} outside 64-bit mode`);
    }
  });
});

describe.each(WIDTHS)('SYSENTER and SYSEXIT in %i-bit code', (width: Width) => {
  it('make a round trip', () => {
    const bench = system(width);
    bench.set64(VCPU_MSR_SYSENTER_CS, 8n);
    bench.set64(VCPU_MSR_SYSENTER_ESP, 0x9000n);
    bench.set64(VCPU_MSR_SYSENTER_EIP, 0x2_0000n);
    enterUser(bench, width);
    bench.rflags = 2 | IF;
    sysenter(bench.cpu);
    expect(bench.outcome()).toEqual(done);
    expect([bench.rip, bench.rsp, bench.cpl, bench.rflags]).toEqual([0x2_0000n, 0x9000n, 0, 2]);
    expect([bench.selector(CS), bench.selector(SS)]).toEqual([8, 16]);
    bench.setGpr(1, BigInt(STACK));
    bench.setGpr(2, RIP);
    sysexit(bench.cpu, width === 64 ? 8 : 4);
    expect(bench.outcome()).toEqual(done);
    expect([bench.rip, bench.rsp, bench.cpl]).toEqual([RIP, BigInt(STACK), 3]);
    expect([bench.selector(CS), bench.selector(SS)]).toEqual(width === 64 ? [0x2b, 0x33] : [0x1b, 0x23]);
  });

  it('are #GP(0) without SYSENTER_CS', () => {
    const bench = system(width);
    sysenter(bench.cpu);
    expect(bench.outcome()).toEqual(gp());
    sysexit(bench.cpu, 4);
    expect(bench.outcome()).toEqual(gp());
  });
});

it('AMD has no SYSENTER in long mode', () => {
  const bench = system(64, { secondLevel: 'npt' });
  bench.set64(VCPU_MSR_SYSENTER_CS, 8n);
  sysenter(bench.cpu);
  expect(bench.outcome()).toEqual(ud);
});
