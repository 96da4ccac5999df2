import { describe, expect, test } from 'vitest';
import { VCPU_CPL, VCPU_CR0, VCPU_GPR, VCPU_RIP } from '../../../core/arena/vcpu-layout.ts';
import { createMachine, type MachineConfig } from '../../../core/machine/index.ts';
import { programmed, ram, runToStop, smallMachine } from './small-machine.ts';

const HLT = 0xf4;
const STI = 0xfb;
/** jmp . */
const FOREVER = [0xeb, 0xfe];
/** mov al, value; out port, al */
const out = (port: number, value: number): number[] => [0xb0, value, 0xe6, port];
/** mov dx, port; mov al, value; out dx, al */
const outWide = (port: number, value: number): number[] => [0x66, 0xba, port & 0xff, port >> 8, 0xb0, value, 0xee];

/** 8259s with their vectors at 0x20 and 0x28, one line of the first one open; an IDT whose gates all lead to `handler`. */
const withInterrupts = (openLine: number, rest: readonly number[]): number[] => [
  ...out(0x20, 0x11),
  ...out(0x21, 0x20),
  ...out(0x21, 0x04),
  ...out(0x21, 0x01),
  ...out(0x21, 0xff & ~(1 << openLine)),
  ...rest,
];

describe('making a machine', () => {
  const config: MachineConfig = { ramBytes: 4 << 20, mmu: 'ept', era: 'patch', maxPhyAddr: 40, mmuPages: 0 };
  const allocate = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes);
  test.each([
    { what: 'RAM of half a page', change: { ramBytes: 0x10_0800 }, says: /multiple of 4 KiB/ },
    { what: 'RAM below 1 MiB', change: { ramBytes: 0x8_0000 }, says: /1 MiB/ },
    { what: 'RAM beyond 1.5 GiB', change: { ramBytes: 0x6000_1000 }, says: /1536 MiB/ },
    { what: 'RAM that is no number', change: { ramBytes: Number.NaN }, says: /NaN/ },
    { what: 'MAXPHYADDR 31', change: { maxPhyAddr: 31 }, says: /MAXPHYADDR/ },
    { what: 'MAXPHYADDR 53', change: { maxPhyAddr: 53 }, says: /53/ },
  ])('$what is refused', ({ change, says }) => {
    const made = createMachine({ ...config, ...change }, allocate);
    expect(made.ok ? 'made' : made.error.message).toMatch(says);
  });

  test('a host without memory is a sentence', () => {
    const made = createMachine(config, () => {
      throw new RangeError('Array buffer allocation failed');
    });
    expect(made.ok ? 'made' : made.error.message).toMatch(/no memory.*4 MiB/);
  });

  test('has its RAM in two slots around the hole', () => {
    const { machine } = smallMachine();
    expect(machine.vm.memslotsGeneration()).toBeGreaterThan(0n);
    const overlapping = {
      slot: 5,
      flags: 0,
      guestPhysAddr: 0x10_0000n,
      memorySize: 4096n,
      userspaceAddr: 0x7f00_0000_0000n,
    };
    const set = machine.vm.setUserMemoryRegion(overlapping);
    expect(set.ok ? undefined : set.error.collidingSlot).toBe(1);
  });
});

describe('starting an image', () => {
  test('the processor stands at the entry in flat 32-bit protected mode with the Multiboot registers', () => {
    const { machine } = programmed([HLT]);
    const { r } = machine.vm.vcpus[0].cpu;
    expect(r[VCPU_RIP]).toBe(0x10_0000);
    expect(r[VCPU_GPR] >>> 0).toBe(0x2bad_b002);
    expect(r[VCPU_CR0] & 0x8000_0001).toBe(1);
    expect(r[VCPU_CPL]).toBe(0);
  });

  test('EBX points to the boot information: memory, command line, map, loader', () => {
    const { machine } = smallMachine();
    const loaded = machine.loadImage(Uint8Array.of(HLT), '/some/where/guest.bin', 'pages=3 mode=flat');
    expect(loaded.ok).toBe(true);
    const memory = ram(machine);
    const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
    const word = (at: number): number => view.getUint32(at, true);
    const text = (at: number): string => String.fromCharCode(...memory.subarray(at, memory.indexOf(0, at)));
    const information = machine.vm.vcpus[0].cpu.r[VCPU_GPR + 6];
    expect(word(information) & 0x245).toBe(0x245);
    expect([word(information + 4), word(information + 8)]).toEqual([640, 3072]);
    expect(text(word(information + 16))).toBe('guest.bin pages=3 mode=flat');
    expect(text(word(information + 64))).toBe('Umbra');
    const [length, at] = [word(information + 44), word(information + 48)];
    const map = Array.from({ length: length / 24 }, (_, i) => [4, 12, 20].map((field) => word(at + 24 * i + field)));
    expect(map).toEqual([
      [0, 0xa_0000, 1],
      [0xa_0000, 0x6_0000, 2],
      [0x10_0000, 0x30_0000, 1],
    ]);
  });

  test('a command line as long as conventional memory is refused', () => {
    const { machine } = smallMachine();
    const loaded = machine.loadImage(Uint8Array.of(HLT), 'a', 'x'.repeat(700_000));
    expect(loaded.ok ? '' : loaded.error.message).toMatch(/no room below 640 KiB/);
  });

  test('a refused image changes nothing', () => {
    const { machine } = programmed([0x40, 0x40, HLT]);
    machine.run(2);
    const before = machine.arena.u8.slice(0, machine.arena.layout.memslots);
    expect(machine.loadImage(new Uint8Array(0), 'empty', '').ok).toBe(false);
    expect(machine.arena.u8.slice(0, machine.arena.layout.memslots)).toEqual(before);
    expect(machine.image?.name).toBe('program.bin');
    expect(machine.run(10).kind).toBe('halted');
  });

  test('a reset puts everything back, slots and RAM included', () => {
    // mov dword [0x200000], 0x55
    const { machine } = programmed([0xc7, 0x05, 0x00, 0x00, 0x20, 0x00, 0x55, 0, 0, 0, ...out(0x80, 0x42), HLT]);
    const fresh = machine.arena.u8.slice(machine.arena.layout.devices, machine.arena.layout.devices + 131_072);
    expect(runToStop(machine).kind).toBe('halted');
    const slot = {
      slot: 7,
      flags: 0,
      guestPhysAddr: 0x4000_0000n,
      memorySize: 4096n,
      userspaceAddr: 0x7f00_0000_0000n,
    };
    expect(machine.vm.setUserMemoryRegion(slot).ok).toBe(true);
    expect(ram(machine)[0x20_0000]).toBe(0x55);
    expect(machine.reset().ok).toBe(true);
    expect(ram(machine)[0x20_0000]).toBe(0);
    expect(machine.insns).toBe(0);
    expect(machine.arena.u8.slice(machine.arena.layout.devices, machine.arena.layout.devices + 131_072)).toEqual(fresh);
    expect(machine.vm.setUserMemoryRegion(slot).ok).toBe(true);
    expect(runToStop(machine).kind).toBe('halted');
  });
});

describe('running', () => {
  test('a budget is exact', () => {
    const { machine } = programmed(FOREVER);
    for (const budget of [1, 2, 999, 1, 65_537]) {
      const before = machine.insns;
      expect(machine.run(budget)).toEqual({ kind: 'budget' });
      expect(machine.insns - before).toBe(budget);
    }
  });

  test('an exit gives its status, and gives it again when asked to go on', () => {
    const { machine } = programmed([...out(0xf4, 0x10), ...FOREVER]);
    expect(runToStop(machine)).toEqual({ kind: 'exit', status: 33 });
    expect(machine.insns).toBe(2);
    expect(machine.run(100)).toEqual({ kind: 'exit', status: 33 });
    expect(machine.insns).toBe(2);
  });

  test('serial output arrives in order', () => {
    const program = [...'Hi!\n'].flatMap((c) => outWide(0x3f8, c.charCodeAt(0)));
    const small = programmed([...program, HLT]);
    runToStop(small.machine);
    expect(small.text()).toBe('Hi!\n');
  });

  test('HLT without interrupts is for good', () => {
    expect(runToStop(programmed([HLT]).machine)).toMatchObject({ kind: 'halted', waitsForInput: false });
  });

  test('HLT with every line masked is for good, however many timers run', () => {
    const program = [...withInterrupts(0, out(0x21, 0xff)), STI, HLT, ...FOREVER];
    expect(runToStop(programmed(program).machine)).toMatchObject({ kind: 'halted', waitsForInput: false });
  });

  test('HLT that only a key can end says so', () => {
    const program = [...withInterrupts(4, []), ...outWide(0x3fc, 0x08), ...outWide(0x3f9, 0x01), STI, HLT, ...FOREVER];
    expect(runToStop(programmed(program).machine)).toMatchObject({ kind: 'halted', waitsForInput: true });
  });

  test('an interrupt that cannot be delivered ends in a triple fault', () => {
    // lidt of an empty table; int3
    const program = [0x0f, 0x01, 0x1d, 0x10, 0x00, 0x10, 0x00, 0xcc, ...Array.from({ length: 16 }, () => 0)];
    expect(runToStop(programmed(program).machine)).toMatchObject({ kind: 'shutdown' });
  });

  test('a pulled reset line shuts down and says who pulled it', () => {
    const stop = runToStop(programmed([...out(0x64, 0xfe), ...FOREVER]).machine);
    expect(stop).toMatchObject({ kind: 'shutdown', message: expect.stringContaining('0x64') });
  });

  test('a closed A20 gate is refused aloud', () => {
    const stop = runToStop(programmed([...out(0x92, 0x00), ...FOREVER]).machine);
    expect(stop).toMatchObject({ kind: 'error', message: expect.stringContaining('A20') });
  });
});
