import { describe, expect, it } from 'vitest';
import {
  CS,
  SS,
  VCPU_ACTIVITY,
  VCPU_CODE_BITS,
  VCPU_CR2,
  VCPU_GDTR_LIMIT,
  VCPU_IDTR_LIMIT,
  VCPU_INTERRUPT_SHADOW,
} from '../../../core/arena/vcpu-layout.ts';
import { raiseException, raisePageFault } from '../../../core/x86/interrupts/exceptions.ts';
import { EXIT_EPT_VIOLATION, EXIT_TRIPLE_FAULT, EXIT_UNIMPLEMENTED } from '../../../core/x86/system/exits.ts';
import { breakpointInterrupt, debugInterrupt, softwareInterrupt } from '../../../core/x86/segments/far-transfer.ts';
import {
  deliverException,
  deliverInterrupt,
  interruptsAllowed,
  makesDoubleFault,
} from '../../../core/x86/interrupts/interrupts.ts';
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
  stackWords,
  STACK,
  STACK_0,
  STACK_IST,
  system,
  TSS_SELECTOR,
  USER_CODE,
  USER_DATA,
  type Width,
} from './sys-fixture-tables.ts';

const WIDTHS = [32, 64] as const;
const RIP = 0x1_1234n;
const TF = 0x100;
const IF = 0x200;
const NT = 0x4000;
const RF = 0x1_0000n;
const FLAGS = 0x2 | IF | TF | 1;

function raise(bench: Bench, vector: number, errorCode?: number): number {
  raiseException(bench.cpu, vector, errorCode !== undefined, errorCode ?? 0);
  return deliverException(bench.cpu);
}

describe.each(WIDTHS)('an exception in %i-bit code at the same privilege', (width) => {
  const deliver = (vector: number, trap: boolean, errorCode?: number): Bench => {
    const bench = system(width);
    setGate(bench, width, vector, { trap });
    bench.rflags = FLAGS;
    expect(raise(bench, vector, errorCode)).toBe(0);
    return bench;
  };
  const flags = BigInt(FLAGS) | RF;
  // 64-bit delivery pushes SS:RSP always, on a stack aligned to 16 bytes.
  const tail = width === 64 ? [BigInt(STACK), BigInt(KERNEL_DATA)] : [];

  it('pushes RIP, CS and RFLAGS with RF, and goes to the handler', () => {
    const bench = deliver(6, false);
    expect(stackWords(bench, width, 3 + tail.length)).toEqual([RIP, BigInt(KERNEL_CODE), flags, ...tail]);
    expect(bench.rsp).toBe(BigInt(STACK - (3 + tail.length) * (width / 8)));
    expect(bench.rip).toBe(handlerOf(6));
  });

  it('pushes the error code last where the vector has one', () => {
    const bench = deliver(13, false, 0x1234);
    expect(stackWords(bench, width, 4)).toEqual([0x1234n, RIP, BigInt(KERNEL_CODE), flags]);
  });

  it('clears TF, and IF through an interrupt gate only', () => {
    expect(deliver(6, false).rflags & (TF | IF)).toBe(0);
    expect(deliver(6, true).rflags & (TF | IF)).toBe(IF);
  });

  it('with a page fault loads CR2', () => {
    const bench = system(width);
    setGate(bench, width, 14);
    raisePageFault(bench.cpu, 0x1234_5678, width === 64 ? 0x7fff : 0, 6);
    expect(deliverException(bench.cpu)).toBe(0);
    expect(bench.get64(VCPU_CR2)).toBe(width === 64 ? 0x7fff_1234_5678n : 0x1234_5678n);
    expect(stackWords(bench, width, 1)).toEqual([6n]);
  });
});

describe.each(WIDTHS)('an event from CPL 3 in %i-bit code', (width) => {
  it('switches to the stack of the TSS and pushes the old one', () => {
    const bench = system(width);
    setGate(bench, width, 33);
    enterUser(bench, width);
    bench.rflags = FLAGS;
    expect(deliverInterrupt(bench.cpu, 33)).toBe(0);
    expect(bench.cpl).toBe(0);
    expect(bench.selector(CS)).toBe(KERNEL_CODE);
    expect(bench.selector(SS)).toBe(width === 64 ? 0 : KERNEL_DATA);
    expect(bench.rsp).toBe(BigInt(STACK_0 - 5 * (width / 8)));
    expect(stackWords(bench, width, 5)).toEqual([
      RIP,
      BigInt(USER_CODE),
      BigInt(FLAGS),
      BigInt(STACK),
      BigInt(USER_DATA),
    ]);
  });

  it('INT n needs a gate of DPL 3: otherwise #GP with the vector, and nothing has changed', () => {
    const bench = system(width);
    setGate(bench, width, 0x80, { dpl: 0 });
    enterUser(bench, width);
    softwareInterrupt(bench.cpu, 0x80);
    expect(bench.outcome()).toEqual(gp(0x80 * 8 + 2));
    expect(bench.rsp).toBe(BigInt(STACK));
    expect(bench.rip).toBe(RIP);
    setGate(bench, width, 0x80, { dpl: 3 });
    softwareInterrupt(bench.cpu, 0x80);
    expect(bench.outcome()).toEqual(done);
    expect(bench.rip).toBe(handlerOf(0x80));
    expect(stackWords(bench, width, 1)).toEqual([RIP]);
  });

  it('INT1 and exceptions do not look at the DPL of the gate, INT3 does', () => {
    const bench = system(width);
    for (const vector of [1, 3]) setGate(bench, width, vector);
    enterUser(bench, width);
    breakpointInterrupt(bench.cpu);
    expect(bench.outcome()).toEqual(gp(3 * 8 + 2));
    debugInterrupt(bench.cpu);
    expect(bench.outcome()).toEqual(done);
    expect(bench.rip).toBe(handlerOf(1));
  });
});

describe.each(WIDTHS)('a bad IDT entry in %i-bit code', (width) => {
  const cases: readonly (readonly [string, (b: Bench) => void, { vector: number; errorCode: number }])[] = [
    ['beyond the limit', (b) => void (b.r[VCPU_IDTR_LIMIT] = 0x40 * (width / 4) - 2), { vector: 13, errorCode: 0x1fa }],
    ['of another type', (b) => setGate(b, width, 0x3f, { type: 0x9 }), { vector: 13, errorCode: 0x1fa }],
    ['that is not present', (b) => setGate(b, width, 0x3f, { present: false }), { vector: 11, errorCode: 0x1fa }],
    ['with a null selector', (b) => setGate(b, width, 0x3f, { selector: 3 }), { vector: 13, errorCode: 0 }],
    [
      'with a selector beyond the GDT',
      (b) => setGate(b, width, 0x3f, { selector: 0x88 }),
      { vector: 13, errorCode: 0x88 },
    ],
    ['with a data segment', (b) => setGate(b, width, 0x3f, { selector: KERNEL_DATA }), { vector: 13, errorCode: 0x10 }],
    [
      'with a code segment that is not present',
      (b) => {
        setDescriptor(b, FREE, b.readGuest64(GDT + KERNEL_CODE) & ~(1n << 47n));
        setGate(b, width, 0x3f, { selector: FREE });
      },
      { vector: 11, errorCode: FREE },
    ],
    [
      'with a code segment of less privilege',
      (b) => setGate(b, width, 0x3f, { selector: USER_CODE }),
      { vector: 13, errorCode: USER_CODE & ~3 },
    ],
  ];
  it.each(cases)('%s: what INT n raises', (_what, arrange, expected) => {
    const bench = system(width);
    setGate(bench, width, 0x3f);
    arrange(bench);
    softwareInterrupt(bench.cpu, 0x3f);
    expect(bench.outcome()).toEqual({ kind: 'exception', ...expected });
  });

  it('met by an external interrupt is delivered in its place, with EXT in the error code', () => {
    const bench = system(width);
    setGate(bench, width, 13);
    setGate(bench, width, 0x3f, { type: 0x9 });
    expect(deliverInterrupt(bench.cpu, 0x3f)).toBe(0);
    expect(bench.rip).toBe(handlerOf(13));
    expect(stackWords(bench, width, 1)).toEqual([0x1fbn]);
  });
});

describe('64-bit delivery', () => {
  it('takes the stack of the IST whatever the privilege, and aligns it', () => {
    const bench = system(64);
    setGate(bench, 64, 2, { ist: 1 });
    bench.writeGuest64(0x4000 + 36, BigInt(STACK_IST + 9));
    expect(raise(bench, 2)).toBe(0);
    expect(bench.rsp).toBe(BigInt(STACK_IST - 40));
    expect(stackWords(bench, 64, 5)[3]).toBe(BigInt(STACK));
    expect(bench.selector(SS)).toBe(KERNEL_DATA);
  });

  it('needs a 64-bit code segment', () => {
    const bench = system(64);
    setGate(bench, 64, 0x3f, { selector: OTHER_CODE });
    softwareInterrupt(bench.cpu, 0x3f);
    expect(bench.outcome()).toEqual(gp(OTHER_CODE));
  });

  it('from compatibility mode lands in 64-bit mode', () => {
    const bench = system(64);
    setGate(bench, 64, 33);
    enterUser(bench, 32);
    bench.r[VCPU_CODE_BITS] = 32;
    expect(deliverInterrupt(bench.cpu, 33)).toBe(0);
    expect(bench.r[VCPU_CODE_BITS]).toBe(64);
    expect(bench.rsp).toBe(BigInt(STACK_0 - 40));
  });

  it('refuses a handler or a stack that is not canonical', () => {
    const bench = system(64);
    setGate(bench, 64, 0x3f, { offset: 1n << 60n });
    softwareInterrupt(bench.cpu, 0x3f);
    expect(bench.outcome()).toEqual(gp(0));
    setGate(bench, 64, 0x3f, { ist: 1 });
    bench.writeGuest64(0x4000 + 36, 1n << 60n);
    softwareInterrupt(bench.cpu, 0x3f);
    expect(bench.outcome()).toEqual({ kind: 'exception', vector: 12, errorCode: 0 });
  });
});

describe('the stack of a 32-bit TSS', () => {
  const fromUser = (arrange: (bench: Bench) => void): Bench => {
    const bench = system(32);
    setGate(bench, 32, 0x80, { dpl: 3 });
    enterUser(bench, 32);
    arrange(bench);
    softwareInterrupt(bench.cpu, 0x80);
    return bench;
  };
  it.each([
    ['a null SS', (b: Bench) => b.writeGuest32(0x4008, 0), 10, 0],
    ['an SS of another privilege', (b: Bench) => b.writeGuest32(0x4008, USER_DATA), 10, USER_DATA & ~3],
    ['an SS that is code', (b: Bench) => b.writeGuest32(0x4008, KERNEL_CODE), 10, KERNEL_CODE],
    [
      'an SS that is not present',
      (b: Bench) => {
        setDescriptor(b, FREE, b.readGuest64(GDT + KERNEL_DATA) & ~(1n << 47n));
        b.writeGuest32(0x4008, FREE);
      },
      12,
      FREE,
    ],
    ['a TSS that ends before it', (b: Bench) => b.segment(7, TSS_SELECTOR, 0x8b, 5, 0x4000), 10, TSS_SELECTOR],
  ])('with %s', (_what, arrange, vector, errorCode) => {
    expect(fromUser(arrange).outcome()).toEqual({ kind: 'exception', vector, errorCode });
  });
});

describe('faults during delivery', () => {
  const CONTRIBUTORY = [0, 10, 11, 12, 13];
  it('make a double fault by the table of the manual', () => {
    for (let first = 0; first < 20; first++) {
      for (let second = 0; second < 20; second++) {
        const both = CONTRIBUTORY.includes(first) && CONTRIBUTORY.includes(second);
        const paging = first === 14 && (second === 14 || CONTRIBUTORY.includes(second));
        expect(makesDoubleFault(first, second), `${first} then ${second}`).toBe(both || paging);
      }
    }
  });

  it.each(WIDTHS)('contributory ones end in #DF with error code 0 (%i-bit)', (width: Width) => {
    const bench = system(width);
    setGate(bench, width, 8);
    setGate(bench, width, 13, { present: false });
    expect(raise(bench, 13, 0x50)).toBe(0);
    expect(bench.rip).toBe(handlerOf(8));
    expect(stackWords(bench, width, 2)).toEqual([0n, RIP]);
  });

  it('a page fault after a benign exception is delivered as itself', () => {
    const bench = system(64);
    setGate(bench, 64, 14, { ist: 1 });
    setGate(bench, 64, 6);
    bench.setGpr(4, 0x5000_0000n);
    expect(raise(bench, 6)).toBe(0);
    expect(bench.rip).toBe(handlerOf(14));
    expect(bench.get64(VCPU_CR2)).toBe(0x4fff_fff8n);
    expect(stackWords(bench, 64, 2)).toEqual([2n, RIP]);
  });

  it('a page fault while a page fault is delivered ends in #DF with the second address in CR2', () => {
    const bench = system(64);
    setGate(bench, 64, 14);
    setGate(bench, 64, 8, { ist: 1 });
    bench.setGpr(4, 0x5000_0000n);
    raisePageFault(bench.cpu, 0x1234, 0, 0);
    expect(deliverException(bench.cpu)).toBe(0);
    expect(bench.rip).toBe(handlerOf(8));
    expect(bench.get64(VCPU_CR2)).toBe(0x4fff_fff8n);
  });

  it.each(WIDTHS)('with no way to deliver #DF the vCPU shuts down (%i-bit)', (width: Width) => {
    const bench = system(width);
    bench.r[VCPU_IDTR_LIMIT] = 0;
    expect(raise(bench, 6)).toBe(EXIT_TRIPLE_FAULT);
    expect(bench.r[VCPU_ACTIVITY]).toBe(2);
    expect(bench.rip).toBe(RIP);
    expect(bench.cpu.abort).toBe(0);
  });

  it('an EPT violation leaves the guest with nothing changed, and delivery can be made again', () => {
    const bench = system(64);
    setGate(bench, 64, 33);
    const entry = bench.hostEntry(BigInt(STACK - 0x1000));
    const was = bench.read64(entry);
    bench.write64(entry, 0n);
    bench.cpu.flushTlb();
    bench.rflags = FLAGS;
    expect(deliverInterrupt(bench.cpu, 33)).toBe(EXIT_EPT_VIOLATION);
    expect([bench.rip, bench.rsp, bench.rflags]).toEqual([RIP, BigInt(STACK), FLAGS]);
    bench.write64(entry, was);
    expect(deliverInterrupt(bench.cpu, 33)).toBe(0);
    expect(bench.rip).toBe(handlerOf(33));
  });

  it('a task gate stops the machine with a sentence', () => {
    const bench = system(32);
    setGate(bench, 32, 8, { type: 5 });
    expect(raise(bench, 8, 0)).toBe(EXIT_UNIMPLEMENTED);
    expect(bench.unimplemented()).toMatch(/task gate/);
  });
});

describe('an external interrupt', () => {
  it('is allowed with IF and without a shadow', () => {
    const bench = system(32);
    bench.rflags = 2;
    expect(interruptsAllowed(bench.cpu)).toBe(false);
    bench.rflags = 2 | IF;
    expect(interruptsAllowed(bench.cpu)).toBe(true);
    for (const shadow of [1, 2]) {
      bench.r[VCPU_INTERRUPT_SHADOW] = shadow;
      expect(interruptsAllowed(bench.cpu)).toBe(false);
    }
  });

  it('ends HLT, and NT does not survive into the handler', () => {
    const bench = system(32);
    setGate(bench, 32, 33);
    bench.r[VCPU_ACTIVITY] = 1;
    bench.rflags = FLAGS | NT;
    expect(deliverInterrupt(bench.cpu, 33)).toBe(0);
    expect(bench.r[VCPU_ACTIVITY]).toBe(0);
    expect(bench.rflags & NT).toBe(0);
    expect(stackWords(bench, 32, 3)[2]).toBe(BigInt(FLAGS | NT));
  });
});

it('delivery sets the A bit of the handler’s code segment in the GDT', () => {
  const bench = system(64);
  const at = GDT + KERNEL_CODE;
  bench.writeGuest64(at, bench.readGuest64(at) & ~(1n << 40n));
  setGate(bench, 64, 33);
  expect(deliverInterrupt(bench.cpu, 33)).toBe(0);
  expect((bench.readGuest64(at) >> 40n) & 1n).toBe(1n);
});

it('a GDT that ends before the handler’s segment is #GP with the selector', () => {
  const bench = system(64);
  setGate(bench, 64, 0x3f);
  bench.r[VCPU_GDTR_LIMIT] = 7;
  softwareInterrupt(bench.cpu, 0x3f);
  expect(bench.outcome()).toEqual(gp(KERNEL_CODE));
});
