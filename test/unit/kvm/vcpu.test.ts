import { describe, expect, it } from 'vitest';
import { createArena } from '../../../core/arena/arena.ts';
import {
  VCPU_ACTIVITY,
  VCPU_F_INSNS,
  VCPU_GDTR_BASE,
  VCPU_GDTR_LIMIT,
  VCPU_GPR,
  VCPU_MODE,
  VCPU_REQUESTS,
  VCPU_RFLAGS,
  VCPU_RIP,
  VCPU_SKIP_MMIO_STOP,
} from '../../../core/arena/vcpu-layout.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { MMIO_OUTCOMES } from '../../../core/base/mmio-outcomes.ts';
import { ERAS, type Era, type MmuMode } from '../../../core/base/machine-modes.ts';
import {
  noHooks,
  RUN_BUDGET,
  RUN_DEBUG_EXEC,
  RUN_DEBUG_MMIO,
  RUN_HLT,
  RUN_INTERNAL_ERROR,
  RUN_SHUTDOWN,
  RUN_VMM_STOP,
  Vm,
  type KvmHooks,
  type Vcpu,
} from '../../../core/kvm/index.ts';
import { KVM_REQ_TRIPLE_FAULT } from '../../../core/kvm/vcpu/requests.ts';
import { memslotsOf } from '../../../core/kvm/memslots/limits.ts';
import { readVcpuCounters } from '../../../core/kvm/trace/stats.ts';
import { setTraceEnabled } from '../../../core/kvm/trace/trace.ts';
import { TP_KVM_ENTRY, TP_KVM_EXIT, TP_KVM_MSR } from '../../../core/base/tracepoints.ts';
import { readTrace } from '../../../core/debug/logs/trace-lines.ts';
import { enterImage } from '../../../core/machine/boot-state.ts';
import { RecordingBus } from './kvm-fixture.ts';

const CODE = 0x1000;
const MIB = 0x10_0000n;

class TestBus extends RecordingBus {
  stop = false;
  override pioWrite(): void {
    this.stop = true;
  }
  override stopRequested(): boolean {
    return this.stop;
  }
}

interface Guest {
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly bus: TestBus;
  readonly r: Int32Array;
  insns(): number;
}

/** A 32-bit flat guest with these bytes at 0x1000, 1 MiB of RAM and nothing else. */
function guest(
  code: readonly number[],
  options: { mmu?: MmuMode; era?: Era; hooks?: KvmHooks; maxPhyAddr?: number } = {},
): Guest {
  const { mmu = 'ept', era = 'patch', hooks = noHooks(), maxPhyAddr = 40 } = options;
  const config = { ramBytes: 4 * 1024 * 1024, vcpus: 1, memslots: memslotsOf(era), shadowPages: 128, traceRecords: 64 };
  const arena = createArena(config, (bytes) => new SharedArrayBuffer(bytes));
  const bus = new TestBus();
  const vm = new Vm(arena, { mmu, era, maxPhyAddr, vcpus: 1 }, bus, hooks);
  slot(vm, 0, 0n, MIB, HVA_BASE);
  arena.u8.set(code, arena.layout.ram + CODE);
  const vcpu = vm.vcpus[0];
  enterImage(vcpu, CODE, 0);
  return { vm, vcpu, bus, r: vcpu.cpu.r, insns: () => vcpu.cpu.f[VCPU_F_INSNS] };
}

function slot(vm: Vm, id: number, gpa: bigint, size: bigint, hva: bigint, flags = 0): void {
  const region = { slot: id, flags, guestPhysAddr: gpa, memorySize: size, userspaceAddr: hva };
  const done = vm.setUserMemoryRegion(region);
  if (!done.ok) throw new Error(done.error.message);
}

const EAX = VCPU_GPR;
const HOLE = 0xfeb0_0000n;
const HLT = 0xf4;
/** mov eax, [0xfeb00000] */
const READ_HOLE = [0xa1, 0x00, 0x00, 0xb0, 0xfe];
/** mov [0xfeb00000], eax */
const WRITE_HOLE = [0xa3, 0x00, 0x00, 0xb0, 0xfe];
/** mov eax, [0xfeb01000] */
const READ_NEXT = [0xa1, 0x00, 0x10, 0xb0, 0xfe];
const JUMP_TO_SELF = [0xeb, 0xfe];
/** mov al, 1; out 0xf4, al */
const DEBUG_EXIT = [0xb0, 0x01, 0xe6, 0xf4];

const MODES = ['ept', 'npt', 'shadow'] as const;

describe.each(MODES)('a vCPU under %s', (mmu) => {
  it('reads a device and halts', () => {
    const { vcpu, bus, r, insns } = guest([...READ_HOLE, HLT], { mmu });
    bus.value = 0x1234_5678n;
    expect(vcpu.run(100, false)).toBe(RUN_HLT);
    expect(r[EAX]).toBe(0x1234_5678);
    expect(insns()).toBe(2);
    expect(r[VCPU_RIP], 'behind the HLT').toBe(CODE + 6);
    expect(r[VCPU_ACTIVITY]).toBe(1);
    expect(r[VCPU_MODE], 'outside guest mode').toBe(0);
    expect(readVcpuCounters(vcpu.cpu.arena, 0)).toMatchObject({ halt_exits: 1, mmio_exits: 1, insn_emulation: 1 });
  });

  it('sees RAM where a slot was created over a hole it had read, once the cache holds another page', () => {
    const program = [...READ_HOLE, ...READ_NEXT, ...DEBUG_EXIT, ...READ_HOLE, HLT];
    const { vm, vcpu, bus, r } = guest(program, { mmu });
    bus.value = 0x55n;
    expect(vcpu.run(100, false)).toBe(RUN_VMM_STOP);
    bus.stop = false;
    const accesses = bus.accesses.length;
    slot(vm, 1, HOLE, 0x1000n, HVA_BASE + MIB);
    vm.arena.i32[(vm.arena.layout.ram + 0x10_0000) >> 2] = 0x600d;
    expect(vcpu.run(100, false)).toBe(RUN_HLT);
    expect(r[EAX]).toBe(0x600d);
    expect(bus.accesses.length, 'no device was asked').toBe(accesses);
  });

  it('is still answered by the device when the stale cache matches', () => {
    const { vm, vcpu, bus, r } = guest([...READ_HOLE, ...DEBUG_EXIT, ...READ_HOLE, HLT], { mmu });
    bus.value = 0x55n;
    vcpu.run(100, false);
    bus.stop = false;
    slot(vm, 1, HOLE, 0x1000n, HVA_BASE + MIB);
    bus.value = 0x77n;
    expect(vcpu.run(100, false)).toBe(RUN_HLT);
    expect(r[EAX], 'until 3.17').toBe(0x77);
  });

  it('tells KVM of INVLPG where KVM keeps shadow tables, and nowhere else', () => {
    const { vcpu, insns } = guest([0x0f, 0x01, 0x3d, 0, 0, 0x40, 0, HLT], { mmu });
    expect(vcpu.run(100, false)).toBe(RUN_HLT);
    expect(insns()).toBe(2);
    const told = mmu === 'shadow' ? 1 : 0;
    expect(readVcpuCounters(vcpu.cpu.arena, 0)).toMatchObject({ invlpg: told, tlb_flush: told });
  });

  it('stops when its budget is used up, at an instruction boundary', () => {
    const { vcpu, insns, r } = guest(JUMP_TO_SELF, { mmu });
    expect(vcpu.run(1000, false)).toBe(RUN_BUDGET);
    expect(insns()).toBe(1000);
    expect(vcpu.run(1, false)).toBe(RUN_BUDGET);
    expect(insns()).toBe(1001);
    expect(r[VCPU_RIP]).toBe(CODE);
  });
});

describe('kvm_exit', () => {
  /** rdmsr needs ecx: IA32_TSC. */
  const program = [0xb9, 0x10, 0, 0, 0, 0xe6, 0x80, 0x0f, 0xa2, 0xe4, 0x80, 0xb9, 0x10, 0, 0, 0, 0x0f, 0x32];
  const exits = (mmu: MmuMode): readonly string[] => {
    const { vm, vcpu, bus } = guest([...program, 0x0f, 0x30, ...READ_HOLE, HLT], { mmu });
    setTraceEnabled(vm.arena, TP_KVM_EXIT, true);
    while (vcpu.run(100, false) === RUN_VMM_STOP) bus.stop = false;
    return readTrace(vm.arena, 0, 100)
      .lines.map(({ text }) => text)
      .slice(mmu === 'shadow' ? 0 : 1);
  };

  it('on VMX has the qualification where the exit has one, and zero elsewhere', () => {
    expect(exits('ept')).toEqual([
      'reason IO_INSTRUCTION rip 0x1005 info 800040 0',
      'reason CPUID rip 0x1007 info 0 0',
      'reason IO_INSTRUCTION rip 0x1009 info 800048 0',
      'reason MSR_READ rip 0x1010 info 0 0',
      'reason MSR_WRITE rip 0x1012 info 0 0',
      'reason EPT_VIOLATION rip 0x1014 info 181 0',
      'reason HLT rip 0x1019 info 0 0',
    ]);
  });

  it('of a #PF under the shadow MMU has the address and the interruption information', () => {
    expect(exits('shadow')).toEqual([
      'reason EXCEPTION_NMI rip 0x1000 info 1000 80000b0e',
      'reason IO_INSTRUCTION rip 0x1005 info 800040 0',
      'reason CPUID rip 0x1007 info 0 0',
      'reason IO_INSTRUCTION rip 0x1009 info 800048 0',
      'reason MSR_READ rip 0x1010 info 0 0',
      'reason MSR_WRITE rip 0x1012 info 0 0',
      'reason EXCEPTION_NMI rip 0x1014 info feb00000 80000b0e',
      'reason HLT rip 0x1019 info 0 0',
    ]);
  });

  it.each([
    { mmu: 'ept', what: 'out dx, al', code: [0xee], info: '3f80000 0' },
    { mmu: 'ept', what: 'out 0x80, eax', code: [0xe7, 0x80], info: '800043 0' },
    { mmu: 'ept', what: 'insb', code: [0x6c], info: '3f80018 0' },
    { mmu: 'ept', what: 'rep outsw', code: [0xf3, 0x66, 0x6f], info: '3f80031 0' },
    { mmu: 'npt', what: 'insb', code: [0x6c], info: '3f80115 1006' },
    { mmu: 'npt', what: 'rep outsw', code: [0xf3, 0x66, 0x6f], info: '3f8012c 1008' },
  ] as const)('of $what under $mmu says how the instruction is written', ({ mmu, code, info }) => {
    // mov edx, 0x3f8; esi and edi are 0, ecx is not
    const { vm, vcpu, bus, r } = guest([0xba, 0xf8, 0x03, 0, 0, ...code, HLT], { mmu });
    r[VCPU_GPR + 2] = 1;
    setTraceEnabled(vm.arena, TP_KVM_EXIT, true);
    while (vcpu.run(100, false) === RUN_VMM_STOP) bus.stop = false;
    const lines = readTrace(vm.arena, 0, 100).lines.filter(({ text }) => /IO_INSTRUCTION|reason io/.test(text));
    expect(lines[0].text.split(' info ')[1]).toBe(info);
  });

  it("on SVM has SVM's own reasons and words", () => {
    expect(exits('npt')).toEqual([
      'reason io rip 0x1005 info 800110 1007',
      'reason cpuid rip 0x1007 info 0 0',
      'reason io rip 0x1009 info 800111 100b',
      'reason msr rip 0x1010 info 0 0',
      'reason msr rip 0x1012 info 1 0',
      'reason npf rip 0x1014 info 100000004 feb00000',
      'reason hlt rip 0x1019 info 0 0',
    ]);
  });
});

it('traces what an MSR held or got, and one that is not there as #GP', () => {
  // mov ecx, 0xc0000080; rdmsr; or eax, 1; wrmsr; rdmsr; mov ecx, 0x12345; rdmsr
  const { vcpu } = guest([
    ...[0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x83, 0xc8, 0x01, 0x0f, 0x30, 0x0f, 0x32],
    ...[0xb9, 0x45, 0x23, 0x01, 0x00, 0x0f, 0x32],
  ]);
  const { arena } = vcpu.cpu;
  setTraceEnabled(arena, TP_KVM_MSR, true);
  vcpu.run(100, false);
  expect(readTrace(arena, 0, 64).lines.map(({ text }) => text)).toEqual([
    'msr_read c0000080 = 0x0',
    'msr_write c0000080 = 0x1',
    'msr_read c0000080 = 0x1',
    'msr_read 12345 = 0x0 (#GP)',
  ]);
});

it('enters the guest once between two exits, whatever slices it runs in', () => {
  const entries = (slice: number): number => {
    const { vcpu } = guest([...READ_HOLE, 0x90, 0x90, 0x90, ...WRITE_HOLE, 0x90, 0x90, HLT]);
    const { arena } = vcpu.cpu;
    setTraceEnabled(arena, TP_KVM_ENTRY, true);
    while (vcpu.run(slice, false) === RUN_BUDGET);
    return readTrace(arena, 0, 64).lines.length;
  };
  expect([1, 2, 3].map(entries)).toEqual([entries(100), entries(100), entries(100)]);
});

describe.each(MODES)('a guest that runs off into a hole under %s', (mmu) => {
  it('stops with the gfn that it wanted instructions from', () => {
    // mov eax, 0xfeb00000; jmp eax
    const { vcpu } = guest([0xb8, 0x00, 0x00, 0xb0, 0xfe, 0xff, 0xe0], { mmu });
    expect(vcpu.run(100, false)).toBe(RUN_INTERNAL_ERROR);
    expect(vcpu.internalError).toBe(
      'emulation failed at rip 0xfeb00000: its gfn 0xfeb00 is in no memslot, and instructions cannot be fetched from MMIO',
    );
  });
});

describe.each(MODES)('code in a slot over what was MMIO, under %s', (mmu) => {
  // cpuid; mov eax, 0x1234567; hlt
  const CALLED = [0x0f, 0xa2, 0xb8, 0x67, 0x45, 0x23, 0x01, HLT];

  it.each(ERAS)('%s executes it, although the MMIO cache may still match', (era) => {
    // mov eax, [0xfeb00010]; hlt; mov eax, 0xfeb00ffc; jmp eax
    const read = [0xa1, 0x10, 0x00, 0xb0, 0xfe, HLT];
    const { vm, vcpu, r } = guest([...read, 0xb8, 0xfc, 0x0f, 0xb0, 0xfe, 0xff, 0xe0], { mmu, era });
    expect(vcpu.run(100, false)).toBe(RUN_HLT);
    slot(vm, 1, HOLE, 0x2000n, HVA_BASE + 0x8_0000n);
    // Over the page's end, whose next page no translation knows yet.
    vcpu.cpu.arena.u8.set(CALLED, vcpu.cpu.arena.layout.ram + 0x8_0ffc);
    r[VCPU_ACTIVITY] = 0;
    expect(vcpu.run(100, false), vcpu.internalError).toBe(RUN_HLT);
    expect(r[VCPU_GPR]).toBe(0x0123_4567);
    expect(r[VCPU_RIP] >>> 0).toBe(0xfeb0_1004);
  });
});

describe.each(MODES)('stopping in front of MMIO faults under %s', (mmu) => {
  const stopping = (): KvmHooks & { seen: string[] } => {
    const seen: string[] = [];
    return {
      seen,
      mmioStopArmed: true,
      onMmioFault: ({ outcome, access, gpaLo, spteGen, kvmGen }) => {
        seen.push(`${MMIO_OUTCOMES[outcome]} ${access} ${(gpaLo >>> 0).toString(16)} ${spteGen}/${kvmGen}`);
        return true;
      },
    };
  };

  it('shows what the fault will come to and changes nothing', () => {
    const hooks = stopping();
    const { vm, vcpu, bus, r, insns } = guest([...READ_HOLE, ...WRITE_HOLE, ...READ_NEXT, ...READ_HOLE, HLT], {
      mmu,
      hooks,
    });
    const go = (): number => {
      r[VCPU_SKIP_MMIO_STOP] = 1;
      return vcpu.run(100, false);
    };
    expect(vcpu.run(100, false)).toBe(RUN_DEBUG_MMIO);
    expect(insns()).toBe(0);
    expect(r[VCPU_RIP]).toBe(CODE);
    expect(bus.accesses).toEqual([]);
    expect(vm.mmioSpteCounts().live).toBe(0);
    expect(vcpu.run(100, false), 'asked again, it stops again').toBe(RUN_DEBUG_MMIO);

    expect(go()).toBe(RUN_DEBUG_MMIO);
    expect(insns()).toBe(1);
    expect(r[VCPU_SKIP_MMIO_STOP], 'spent').toBe(0);
    expect(go()).toBe(RUN_DEBUG_MMIO);
    slot(vm, 1, 0x8000_0000n, MIB, HVA_BASE);
    expect(go()).toBe(RUN_DEBUG_MMIO);
    expect(go()).toBe(RUN_HLT);
    expect(hooks.seen).toEqual([
      'FIRST 0 feb00000 -1/1',
      'FIRST 0 feb00000 -1/1',
      'CACHED 1 feb00000 1/1',
      'FIRST 0 feb01000 -1/1',
      'INVALID 0 feb00000 1/2',
    ]);
  });

  it('counts and traces an exit once, however often it stopped there', () => {
    const exitsOf = (hooks: KvmHooks): unknown => {
      const { vcpu, r } = guest([...READ_HOLE, ...WRITE_HOLE, ...READ_NEXT, HLT], { mmu, hooks });
      while (vcpu.run(100, false) === RUN_DEBUG_MMIO) {
        expect(vcpu.run(100, false), 'asked again').toBe(RUN_DEBUG_MMIO);
        r[VCPU_SKIP_MMIO_STOP] = 1;
      }
      return readVcpuCounters(vcpu.cpu.arena, 0);
    };
    expect(exitsOf(stopping())).toEqual(exitsOf(noHooks()));
  });

  it('does not stop for accesses to RAM that is not mapped yet', () => {
    const hooks = stopping();
    // mov eax, [0x5000]
    const { vcpu } = guest([0xa1, 0x00, 0x50, 0x00, 0x00, HLT], { mmu, hooks });
    expect(vcpu.run(100, false)).toBe(RUN_HLT);
    expect(hooks.seen).toEqual([]);
  });
});

describe('ends of a run', () => {
  it('is a device that asks for it, after its instruction has retired', () => {
    const { vcpu, r, insns } = guest([...DEBUG_EXIT, HLT]);
    expect(vcpu.run(100, false)).toBe(RUN_VMM_STOP);
    expect(r[VCPU_RIP]).toBe(CODE + 4);
    expect(insns()).toBe(2);
    expect(readVcpuCounters(vcpu.cpu.arena, 0).io_exits).toBe(1);
  });

  it('is an execution breakpoint, in front of it; the first instruction may be let go', () => {
    const { vcpu, r } = guest([0x90, 0x90, ...JUMP_TO_SELF]);
    vcpu.cpu.setExecBreakpoints([BigInt(CODE), BigInt(CODE + 1)]);
    expect(vcpu.run(100, false)).toBe(RUN_DEBUG_EXEC);
    expect(r[VCPU_RIP]).toBe(CODE);
    expect(vcpu.run(100, true)).toBe(RUN_DEBUG_EXEC);
    expect(r[VCPU_RIP]).toBe(CODE + 1);
  });

  it('does not stop twice at a breakpoint whose instruction takes several faults', () => {
    const { vcpu, r } = guest([...READ_HOLE, ...JUMP_TO_SELF]);
    vcpu.cpu.setExecBreakpoints([BigInt(CODE)]);
    expect(vcpu.run(100, false)).toBe(RUN_DEBUG_EXEC);
    expect(vcpu.run(100, true)).toBe(RUN_BUDGET);
    expect(r[VCPU_RIP]).toBe(CODE + 5);
  });

  it('is a triple fault: without an IDT the first exception shuts the guest down', () => {
    // lidt with a null limit comes with power-up; ud2
    const { vcpu, r } = guest([0x0f, 0x0b]);
    expect(vcpu.run(100, false)).toBe(RUN_SHUTDOWN);
    expect(r[VCPU_ACTIVITY]).toBe(2);
    expect(vcpu.run(100, false), 'for good').toBe(RUN_SHUTDOWN);
  });

  it('is a request for a triple fault, served before entry', () => {
    const { vcpu, r, insns } = guest(JUMP_TO_SELF);
    r[VCPU_REQUESTS] |= 1 << KVM_REQ_TRIPLE_FAULT;
    expect(vcpu.run(100, false)).toBe(RUN_SHUTDOWN);
    expect(insns()).toBe(0);
  });

  it('comes of a root in no memory: mmu_check_root asks for a triple fault', () => {
    // mov eax, 0x40000000; mov cr3, eax; mov eax, cr0; or eax, 0x80000000; mov cr0, eax — paging under the shadow MMU.
    const root = [0xb8, 0x00, 0x00, 0x00, 0x40, 0x0f, 0x22, 0xd8];
    const program = [...root, 0x0f, 0x20, 0xc0, 0x0d, 0x00, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, ...JUMP_TO_SELF];
    const { vcpu } = guest(program, { mmu: 'shadow' });
    expect(vcpu.run(100, false)).toBe(RUN_SHUTDOWN);
  });
});

describe('HLT', () => {
  it('lasts until an interrupt is pending that may be delivered', () => {
    // sti; hlt; jmp $ — with an IDT entry for vector 0x20 at 0x2000 + 0x100.
    const { vm, vcpu, bus, r } = guest([0x0f, 0x01, 0x1d, 0x20, 0x10, 0x00, 0x00, 0xfb, HLT, ...JUMP_TO_SELF]);
    const { ram } = vm.arena.layout;
    // lidt [0x1020]: limit 0x7ff, base 0x2000.
    vm.arena.u8.set([0xff, 0x07, 0x00, 0x20, 0x00, 0x00], ram + 0x1020);
    const handler = 0x1800;
    const cs = r[48 + 6];
    vm.arena.u8.set([handler & 0xff, handler >> 8, cs & 0xff, cs >> 8, 0, 0x8e, 0, 0], ram + 0x2000 + 0x20 * 8);
    vm.arena.u8.set(JUMP_TO_SELF, ram + handler);
    // The gate's selector is looked up: a GDT whose entry 1 is flat 32-bit code.
    vm.arena.u8.set([0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0], ram + 0x3008);
    r[VCPU_GDTR_BASE] = 0x3000;
    r[VCPU_GDTR_LIMIT] = 0xf;
    r[VCPU_GPR + 8] = 0x9000;
    expect(vcpu.run(100, false)).toBe(RUN_HLT);
    expect(vcpu.run(100, false)).toBe(RUN_HLT);
    bus.pending = true;
    r[VCPU_RFLAGS] &= ~0x200;
    expect(vcpu.run(100, false), 'interrupts are off').toBe(RUN_HLT);
    r[VCPU_RFLAGS] |= 0x200;
    expect(vcpu.run(10, false)).toBe(RUN_BUDGET);
    expect(r[VCPU_RIP]).toBe(handler);
    expect(r[VCPU_ACTIVITY]).toBe(0);
    // vmx_inject_irq counts every entry that is to deliver it: the table, the descriptors and the stack had yet to be mapped.
    // HLT has left KVM (kernel_irqchip=off), and so nobody was woken inside it.
    expect(readVcpuCounters(vcpu.cpu.arena, 0)).toMatchObject({ irq_injections: 4, halt_wakeup: 0, halt_exits: 1 });
  });
});
