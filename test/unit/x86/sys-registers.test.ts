import { describe, expect, it } from 'vitest';
import {
  TR,
  VCPU_CODE_BITS,
  VCPU_CR0,
  VCPU_CR3,
  VCPU_CR4,
  VCPU_EFER,
  VCPU_EXIT_IO_OUT,
  VCPU_EXIT_PORT,
  VCPU_F_INSNS,
  VCPU_GDTR_BASE,
} from '../../../core/arena/vcpu-layout.ts';
import {
  clearTaskSwitched,
  invalidatePage,
  loadMachineStatusWord,
  readControlRegister,
  readDebugRegister,
  writeBackCaches,
  writeControlRegister,
  writeDebugRegister,
} from '../../../core/x86/system/control-registers.ts';
import { cpuidLeaf, executeCpuid } from '../../../core/x86/system/cpuid.ts';
import { EXIT_IO_INSTRUCTION } from '../../../core/x86/system/exits.ts';
import { farJump } from '../../../core/x86/segments/far-transfer.ts';
import { readMsr, readTimestampCounter, writeMsr } from '../../../core/x86/system/msr.ts';
import { IO_STRING, readPort, writePort } from '../../../core/x86/system/port-exits.ts';
import { loadDescriptorTable, loadLdtr, loadTaskRegister, swapGs } from '../../../core/x86/segments/segments.ts';
import { type Bench, CR0_PG, CR0_WP, CR4_PAE, done, EFER_LONG, gp, P, PS, U, W } from './sys-fixture.ts';
import { enterUser, FREE, OTHER_CODE, setDescriptor, system, TSS_SELECTOR } from './sys-fixture-tables.ts';

const ud = { kind: 'exception', vector: 6, errorCode: 0 } as const;
describe('the way into long mode', () => {
  it('is CR4.PAE, CR3, EFER.LME, CR0.PG, a far JMP', () => {
    const bench = system(32);
    bench.r[VCPU_CR3] = bench.newGuestTable();
    bench.mapGuest('4-level', 0n, 0n, P | W | U | PS, 3);
    setDescriptor(bench, FREE, 0x00af_9b00_0000_ffffn);
    writeControlRegister(bench.cpu, 4, CR4_PAE, 0);
    writeMsr(bench.cpu, 0xc000_0080 | 0, 0x100, 0);
    expect(bench.r[VCPU_EFER]).toBe(0x100);
    writeControlRegister(bench.cpu, 0, bench.r[VCPU_CR0] | CR0_PG | CR0_WP, 0);
    expect(bench.outcome()).toEqual(done);
    expect(bench.r[VCPU_EFER]).toBe(EFER_LONG);
    expect(bench.r[VCPU_CODE_BITS]).toBe(32);
    farJump(bench.cpu, FREE, 0x1000, 0, 4);
    expect(bench.outcome()).toEqual(done);
    expect(bench.r[VCPU_CODE_BITS]).toBe(64);
    writeControlRegister(bench.cpu, 0, bench.r[VCPU_CR0] & ~CR0_PG, 0);
    expect(bench.outcome()).toEqual(gp());
    farJump(bench.cpu, OTHER_CODE, 0x1000, 0, 4);
    writeControlRegister(bench.cpu, 0, bench.r[VCPU_CR0] & ~CR0_PG, 0);
    expect(bench.outcome()).toEqual(done);
    expect(bench.r[VCPU_EFER]).toBe(0x100);
  });
});

describe('MOV to control registers is #GP(0)', () => {
  const cases: readonly (readonly [string, (b: Bench) => void])[] = [
    ['CR0.PG without PE', (b) => writeControlRegister(b.cpu, 0, CR0_PG, 0)],
    ['CR0.NW without CD', (b) => writeControlRegister(b.cpu, 0, 0x2000_0031, 0)],
    ['a high half of CR0', (b) => writeControlRegister(b.cpu, 0, 0x31, 1)],
    [
      'CR0.PG with LME and no PAE',
      (b) => {
        b.r[VCPU_EFER] = 0x100;
        writeControlRegister(b.cpu, 0, CR0_PG | 0x31, 0);
      },
    ],
    ['a reserved bit of CR4', (b) => writeControlRegister(b.cpu, 4, 0x4000, 0)],
    ['CR4.VMXE, which is not offered', (b) => writeControlRegister(b.cpu, 4, 0x2000, 0)],
    ['CR4.LA57, which is not offered', (b) => writeControlRegister(b.cpu, 4, 0x1000, 0)],
    ['CR4.PKE, which is not offered', (b) => writeControlRegister(b.cpu, 4, 0x40_0000, 0)],
  ];
  it.each(cases)('for %s', (_what, act) => {
    const bench = system(32);
    const before = [bench.r[VCPU_CR0], bench.r[VCPU_CR4]];
    act(bench);
    expect(bench.outcome()).toEqual(gp());
    expect([bench.r[VCPU_CR0], bench.r[VCPU_CR4]]).toEqual(before);
  });

  it('in long mode for clearing CR4.PAE, and for CR3 beyond MAXPHYADDR', () => {
    const bench = system(64, { maxPhyAddr: 40 });
    writeControlRegister(bench.cpu, 4, 0, 0);
    expect(bench.outcome()).toEqual(gp());
    writeControlRegister(bench.cpu, 3, bench.r[VCPU_CR3], 0x100);
    expect(bench.outcome()).toEqual(gp());
    writeControlRegister(bench.cpu, 3, bench.r[VCPU_CR3], 0xff);
    expect(bench.outcome()).toEqual(done);
  });

  it('for CR8 above 15, which only 64-bit mode has', () => {
    const bench = system(64);
    writeControlRegister(bench.cpu, 8, 16, 0);
    expect(bench.outcome()).toEqual(gp());
    writeControlRegister(bench.cpu, 8, 15, 0);
    expect(readControlRegister(bench.cpu, 8)).toBe(15);
    const legacy = system(32);
    writeControlRegister(legacy.cpu, 8, 1, 0);
    expect(legacy.outcome()).toEqual(ud);
  });

  it('outside CPL 0, as for every privileged instruction here', () => {
    const acts: readonly ((b: Bench) => void)[] = [
      (b) => writeControlRegister(b.cpu, 0, 0x31, 0),
      (b) => void readControlRegister(b.cpu, 0),
      (b) => writeControlRegister(b.cpu, 3, 0, 0),
      (b) => void readDebugRegister(b.cpu, 7),
      (b) => writeDebugRegister(b.cpu, 7, 0x400, 0),
      (b) => loadMachineStatusWord(b.cpu, 1),
      (b) => clearTaskSwitched(b.cpu),
      (b) => invalidatePage(b.cpu, 0, 0),
      (b) => writeBackCaches(b.cpu),
      (b) => void readMsr(b.cpu, 0x10),
      (b) => writeMsr(b.cpu, 0x10, 0, 0),
      (b) => loadDescriptorTable(b.cpu, VCPU_GDTR_BASE, 0x9000, 0, 4),
      (b) => loadLdtr(b.cpu, 0),
      (b) => loadTaskRegister(b.cpu, TSS_SELECTOR),
      (b) => swapGs(b.cpu),
    ];
    for (const [i, act] of acts.entries()) {
      const bench = system(64);
      enterUser(bench, 64);
      act(bench);
      expect(bench.outcome(), `act ${i}`).toEqual(gp());
    }
  });
});

it('CR1 and CR5 are #UD', () => {
  const bench = system(32);
  for (const n of [1, 5, 6, 7, 9, 15]) {
    readControlRegister(bench.cpu, n);
    expect(bench.outcome()).toEqual(ud);
  }
});

it('LMSW sets PE and cannot clear it; CLTS clears TS', () => {
  const bench = system(32);
  loadMachineStatusWord(bench.cpu, 0xe);
  expect(bench.r[VCPU_CR0] & 0xf).toBe(0xf);
  clearTaskSwitched(bench.cpu);
  expect(bench.r[VCPU_CR0] & 0xf).toBe(0x7);
});

it('debug registers keep addresses and fix their ones', () => {
  const bench = system(64);
  writeDebugRegister(bench.cpu, 0, 0x1234, 5);
  expect([readDebugRegister(bench.cpu, 0), bench.cpu.hi]).toEqual([0x1234, 5]);
  writeDebugRegister(bench.cpu, 6, 0, 0);
  expect(readDebugRegister(bench.cpu, 4) >>> 0).toBe(0xffff_0ff0);
  writeDebugRegister(bench.cpu, 7, 0, 0);
  expect(readDebugRegister(bench.cpu, 7)).toBe(0x400);
  writeDebugRegister(bench.cpu, 7, 0, 1);
  expect(bench.outcome()).toEqual(gp());
});

it.each([
  ['L0', 0x1],
  ['G0', 0x2],
  ['L3', 0x40],
  ['G3', 0x80],
  ['GD', 0x2000],
])('DR7.%s, which would make breakpoints work, is refused by name, and DR7 keeps its value', (_bit, value) => {
  const bench = system(64);
  writeDebugRegister(bench.cpu, 7, 0x400 | value, 0);
  expect(bench.unimplemented()).toBe('hardware breakpoints of the guest (DR7)');
  expect(readDebugRegister(bench.cpu, 7) & value).toBe(0);
});

describe('MSRs', () => {
  it.each([
    ['one that does not exist', 0x1234, 0, 0],
    ['EFER with a reserved bit', 0xc000_0080, 0x1000, 0],
    ['LSTAR that is not canonical', 0xc000_0082, 0, 0x8000],
    ['PAT with type 2', 0x277, 0x0202_0202, 0x0606_0606],
    ['MTRR_CAP, which is read-only', 0xfe, 0, 0],
    ['a variable MTRR of type 2', 0x200, 2, 0],
  ] as const)('#GP(0) for writing %s', (_what, index, lo, hi) => {
    const bench = system(64);
    writeMsr(bench.cpu, index | 0, lo, hi);
    expect(bench.outcome()).toEqual(gp());
  });

  it('#GP(0) for reading one that does not exist', () => {
    const bench = system(64);
    readMsr(bench.cpu, 0x1234);
    expect(bench.outcome()).toEqual(gp());
  });

  it('keep what is written to each of them', () => {
    const bench = system(64);
    const indexes = [0x174, 0x175, 0x176, 0x200, 0x20f, 0x250, 0x26f, 0x2ff, 0x277];
    const all = [...indexes, 0xc000_0081, 0xc000_0082, 0xc000_0083, 0xc000_0084, 0xc000_0100, 0xc000_0101, 0xc000_0102];
    const valueOf = (index: number): readonly [number, number] => {
      if (index === 0x277 || index === 0x250 || index === 0x26f)
        return [0x0605_0400 & 0x0505_0505, 0x0600_0606 & 0x0404_0404];
      if (index === 0x20f) return [0x0f00_0800, 0x3f];
      if (index === 0x2ff) return [0xc06, 0];
      if (index === 0x200) return [0x1000_0006, 0];
      return [0x1000_0000 + (index & 0xff), 0x12];
    };
    for (const index of all) writeMsr(bench.cpu, index | 0, ...valueOf(index));
    expect(bench.outcome()).toEqual(done);
    for (const index of all) {
      expect([readMsr(bench.cpu, index | 0), bench.cpu.hi], index.toString(16)).toEqual([...valueOf(index)]);
    }
  });

  it('EFER.LME cannot change under paging, LMA is not software’s', () => {
    const bench = system(64);
    writeMsr(bench.cpu, 0xc000_0080 | 0, 0x400, 0);
    expect(bench.outcome()).toEqual(gp());
    writeMsr(bench.cpu, 0xc000_0080 | 0, 0x901, 0);
    expect(bench.outcome()).toEqual(done);
    expect(bench.r[VCPU_EFER]).toBe(0xd01);
  });

  it('the TSC counts retired instructions from where it was set', () => {
    const bench = system(64);
    bench.cpu.f[VCPU_F_INSNS] = 0x1_2345_6789;
    expect([readTimestampCounter(bench.cpu), bench.cpu.hi]).toEqual([0x2345_6789, 1]);
    writeMsr(bench.cpu, 0x10, -16, 7);
    bench.cpu.f[VCPU_F_INSNS] += 32;
    expect([readTimestampCounter(bench.cpu), bench.cpu.hi]).toEqual([16, 8]);
    enterUser(bench, 64);
    readTimestampCounter(bench.cpu);
    expect(bench.outcome()).toEqual(done);
    bench.r[VCPU_CR4] |= 4;
    readTimestampCounter(bench.cpu);
    expect(bench.outcome()).toEqual(gp());
  });
});

describe('CPUID', () => {
  const intel = { amd: false, maxPhyAddr: 46, vcpuId: 0 };
  const text = (...words: readonly number[]): string =>
    words.map((w) => String.fromCharCode(w & 0xff, (w >> 8) & 0xff, (w >> 16) & 0xff, (w >>> 24) & 0xff)).join('');

  it('names the vendor that the second level belongs to', () => {
    const [, b, c, d] = cpuidLeaf(0, 0, intel);
    expect(text(b, d, c)).toBe('GenuineIntel');
    const [, b2, c2, d2] = cpuidLeaf(0, 0, { ...intel, amd: true });
    expect(text(b2, d2, c2)).toBe('AuthenticAMD');
  });

  it('says that KVM is the hypervisor', () => {
    const [max, b, c, d] = cpuidLeaf(0x4000_0000, 0, intel);
    expect(text(b, c, d)).toBe('KVMKVMKVM\0\0\0');
    expect(max).toBe(0x4000_0001);
    expect(cpuidLeaf(1, 0, intel)[2] < 0).toBe(true);
  });

  it.each([36, 40, 46, 52])('reports MAXPHYADDR %i', (maxPhyAddr) => {
    expect(cpuidLeaf(0x8000_0008 | 0, 0, { ...intel, maxPhyAddr })[0]).toBe(maxPhyAddr | 0x3000);
  });

  it('answers zeros for leaves within its ranges that say nothing', () => {
    for (const leaf of [2, 6, 0x4000_0001, 0x8000_0006 | 0]) {
      expect(cpuidLeaf(leaf, 0, intel)).toEqual([0, 0, 0, 0]);
    }
  });

  it('writes four registers zero-extended', () => {
    const bench = system(64);
    for (const n of [0, 1, 2, 3]) bench.setGpr(n, 0xffff_ffff_0000_0000n);
    executeCpuid(bench.cpu);
    expect([bench.gpr(0), bench.gpr(3)]).toEqual([7n, 0x756e_6547n]);
    expect([bench.gpr(1) >> 32n, bench.gpr(2) >> 32n]).toEqual([0n, 0n]);
  });

  it('offers no feature whose enable bit in CR4 is refused', () => {
    // CPUID bit → CR4 bit: PSE, PAE, MCE, PGE; FSGSBASE, SMEP, SMAP; FXSR, VMX, XSAVE, PCID are not there.
    const [, , ecx, edx] = cpuidLeaf(1, 0, intel);
    const ebx = cpuidLeaf(7, 0, intel)[1];
    const pairs: readonly (readonly [number, number, number])[] = [
      [edx, 3, 4],
      [edx, 6, 5],
      [edx, 7, 6],
      [edx, 13, 7],
      [edx, 24, 9],
      [ecx, 5, 13],
      [ecx, 17, 17],
      [ecx, 26, 18],
      [ebx, 0, 16],
      [ebx, 7, 20],
      [ebx, 20, 21],
    ];
    for (const [features, feature, control] of pairs) {
      const bench = system(32);
      writeControlRegister(bench.cpu, 4, 1 << control, 0);
      const accepted = bench.outcome().kind === 'done';
      expect(accepted, `CR4 bit ${control}`).toBe(((features >>> feature) & 1) === 1);
    }
  });
});

describe('ports', () => {
  it('leave the guest with port, size and direction', () => {
    const bench = system(32);
    writePort(bench.cpu, 0x3f8, 1, 65, 0);
    expect(bench.outcome()).toMatchObject({ reason: EXIT_IO_INSTRUCTION, qualification: 0x3f8_0000n });
    expect([bench.r[VCPU_EXIT_PORT], bench.r[VCPU_EXIT_IO_OUT]]).toEqual([0x3f8, 1]);
    readPort(bench.cpu, 0x60, 4, IO_STRING);
    expect(bench.outcome()).toMatchObject({ qualification: 0x60_001bn });
  });

  it('at CPL 3 need IOPL or clear bits in the map of the TSS', () => {
    const bench = system(32);
    bench.segment(TR, TSS_SELECTOR, 0x8b, 0x68 + 0x80, 0x4000);
    bench.arena.view.setUint16(bench.ram(0x4066), 0x68, true);
    bench.arena.u8[bench.ram(0x4068 + (0x3f8 >> 3))] = 0b10;
    enterUser(bench, 32);
    const tryPort = (port: number, size: number): string => {
      readPort(bench.cpu, port, size, 0);
      return bench.outcome().kind;
    };
    expect(tryPort(0x3f8, 1)).toBe('exit');
    expect(tryPort(0x3f9, 1)).toBe('exception');
    expect(tryPort(0x3f8, 2)).toBe('exception');
    expect(tryPort(0x3fa, 4)).toBe('exit');
    expect(tryPort(0x8000, 1)).toBe('exception');
    bench.rflags = 0x3002;
    expect(tryPort(0x8000, 1)).toBe('exit');
  });
});
