import { describe, expect, it } from 'vitest';
import {
  VCPU_ACTIVITY,
  VCPU_INTERRUPT_SHADOW,
  VCPU_INTERRUPT_WINDOW,
  VCPU_DR,
} from '../../../core/arena/vcpu-layout.ts';
import {
  EXIT_BUDGET,
  EXIT_CPUID,
  EXIT_DEBUG,
  EXIT_HLT,
  EXIT_INTERRUPT_WINDOW,
  EXIT_IO_INSTRUCTION,
} from '../../../core/x86/index.ts';
import { CODE, ExecGuest } from './exec-guest.ts';

const IF = 0x200;
const TF = 0x100;
const DB = 1;

/** The bare processor: its exits go to the test and not to KVM. */
function loaded(code: readonly number[], bits: 32 | 64 = 32) {
  const guest = new ExecGuest(bits);
  guest.load(code);
  // Memory is reached through EPT tables that KVM fills on the first touch.
  guest.run();
  guest.load(code);
  return { guest, cpu: guest.vm.vcpus[0].cpu };
}

describe('the run loop', () => {
  it('stops after exactly the budget, wherever that is in a loop', () => {
    // loop: INC EAX / JMP loop
    const guest = new ExecGuest(32);
    const cpu = guest.vm.vcpus[0].cpu;
    guest.load([0x40, 0xeb, 0xfd]);
    for (const budget of [1, 2, 7, 1000, 1]) {
      const before = cpu.instructions();
      guest.run(budget);
      expect(cpu.instructions() - before).toBe(budget);
    }
    expect(guest.reg('rax')).toBe(506n);
  });

  it('gives the same state in single steps as in one run', () => {
    // Fibonacci: XADD EAX, ECX in a loop of LOOP's making.
    const code = [0xb8, 1, 0, 0, 0, 0xba, 12, 0, 0, 0, 0x0f, 0xc1, 0xc1, 0x4a, 0x75, 0xfa];
    const once = new ExecGuest(32).execute(code);
    const stepped = new ExecGuest(32).load(code);
    for (let n = 0; n < 200; n++) stepped.run(1);
    expect(stepped.reg('rcx')).toBe(once.reg('rcx'));
    expect(stepped.flags).toBe(once.flags);
    expect(stepped.rip).toBe(once.rip);
  });

  it('stops in front of a breakpoint, also one set inside a loop that has run before', () => {
    const { guest, cpu } = loaded([0x31, 0xc0, 0x40, 0x83, 0xf8, 0x0a, 0x75, 0xfa]);
    const at = CODE + 3;
    cpu.setExecBreakpoints([BigInt(at)]);
    expect(cpu.run(1000, true)).toBe(EXIT_DEBUG);
    expect([guest.rip, guest.reg('rax')]).toEqual([at, 1n]);
    expect(cpu.run(1000, true)).toBe(EXIT_DEBUG);
    expect(guest.reg('rax')).toBe(1n);
    expect(cpu.run(1000, false)).toBe(EXIT_DEBUG);
    expect(guest.reg('rax')).toBe(2n);
    cpu.setExecBreakpoints([]);
    expect(cpu.run(1000, false)).toBe(EXIT_HLT);
    expect(guest.reg('rax')).toBe(10n);
  });

  it('does not take a breakpoint at the same place of another page for this one', () => {
    const { cpu } = loaded([0x40, 0x40]);
    cpu.setExecBreakpoints([BigInt(CODE + 0x1001)]);
    expect(cpu.run(1000, true)).toBe(EXIT_HLT);
  });

  it('leaves for the interrupt window one instruction after STI, not before', () => {
    const { guest, cpu } = loaded([0xfb, 0x40, 0x40]);
    cpu.r[VCPU_INTERRUPT_WINDOW] = 1;
    expect(cpu.run(1000, true)).toBe(EXIT_INTERRUPT_WINDOW);
    expect([guest.rip, guest.reg('rax')]).toEqual([CODE + 2, 1n]);
  });

  it('keeps the shadow of STI over an exit of the instruction under it', () => {
    const { cpu } = loaded([0xfb, 0xf4]);
    expect(cpu.run(1000, true)).toBe(EXIT_HLT);
    expect(cpu.r[VCPU_INTERRUPT_SHADOW]).toBe(1);
  });

  it('does not start a shadow when IF was set already', () => {
    const { guest, cpu } = loaded([0xfb, 0x40]);
    cpu.setRflags(IF);
    cpu.r[VCPU_INTERRUPT_WINDOW] = 0;
    expect(cpu.run(1, true)).toBe(EXIT_BUDGET);
    expect([guest.rip, cpu.r[VCPU_INTERRUPT_SHADOW]]).toEqual([CODE + 1, 0]);
  });

  it('traps after every instruction with TF set, with DR6.BS', () => {
    const guest = new ExecGuest(32);
    guest.load([0x40, 0x40], { flags: TF }).run();
    expect(guest.vector).toBe(DB);
    expect([guest.stack(0), guest.reg('rax')]).toEqual([BigInt(CODE + 1), 1n]);
    expect(guest.r[VCPU_DR + 8] & 0x4000).toBe(0x4000);
  });

  it('executes nothing while halted', () => {
    const { guest, cpu } = loaded([0x40]);
    cpu.r[VCPU_ACTIVITY] = 1;
    expect(cpu.run(10, true)).toBe(EXIT_HLT);
    expect(guest.reg('rax')).toBe(0n);
  });

  it('comes out of an exit with the instruction not executed', () => {
    const { guest, cpu } = loaded([0x40, 0x0f, 0xa2]);
    const before = cpu.instructions();
    expect(cpu.run(1000, true)).toBe(EXIT_CPUID);
    expect([guest.rip, cpu.instructions() - before]).toEqual([CODE + 1, 1]);
    const port = loaded([0xe4, 0x60]);
    expect(port.cpu.run(1000, true)).toBe(EXIT_IO_INSTRUCTION);
    expect(port.guest.rip).toBe(CODE);
  });

  it('counts retired instructions for RDTSC inside a run', () => {
    const guest = new ExecGuest(32);
    // NOP NOP RDTSC, MOV ECX EAX, NOP, RDTSC: three instructions between the readings.
    guest.execute([0x90, 0x90, 0x0f, 0x31, 0x89, 0xc1, 0x90, 0x0f, 0x31]);
    expect(guest.reg('rax') - guest.reg('rcx')).toBe(3n);
  });

  it('is not held up by a guest whose fault handlers fault at once', () => {
    const guest = new ExecGuest(32);
    guest.load([0x0f, 0x0b]);
    // The handler of #UD is itself an undefined opcode.
    guest.write(0x1_2000 + 6 * 8, [0x0f, 0x0b]);
    guest.run(500);
    expect(guest.stop).toBe(0);
  });
});
