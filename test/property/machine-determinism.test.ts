import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Machine, MachineStop } from '../../core/machine/index.ts';
import { type SmallMachine, smallMachine } from '../unit/machine/small-machine.ts';

const image = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../electron/guests/${name}.elf`, import.meta.url)));
const TIMER = image('timer');
const POLLER = image('poller');

function loaded(bytes: Uint8Array, append: string): SmallMachine {
  const small = smallMachine({ ramBytes: 2 << 20 });
  const result = small.machine.loadImage(bytes, 'guest.elf', append);
  if (!result.ok) throw new Error(result.error.message);
  return small;
}

/** Everything that the guest and its devices are: RAM, device state, the vCPU's registers. */
function state({ arena }: Machine): Record<string, Uint8Array> {
  const { layout, u8 } = arena;
  return {
    registers: u8.slice(layout.vcpus, layout.vcpus + 904),
    devices: u8.slice(layout.devices, layout.devices + 65_536),
    ram: u8.slice(layout.ram, layout.ram + layout.config.ramBytes),
  };
}

/** Names of the parts that differ, with the first byte that does. */
function differences(machine: Machine, expected: Record<string, Uint8Array>): string[] {
  return Object.entries(state(machine)).flatMap(([part, bytes]) => {
    if (Buffer.compare(bytes, expected[part]) === 0) return [];
    return [`${part} from byte ${bytes.findIndex((byte, i) => byte !== expected[part][i])}`];
  });
}

function runInSlices(machine: Machine, slices: readonly number[]): MachineStop {
  for (let i = 0; ; i += 1) {
    const stop = machine.run(slices[i % slices.length]);
    if (stop.kind !== 'budget') return stop;
  }
}

/** Runs to an exact instruction in slices. */
function runTo(machine: Machine, insns: number, slices: readonly number[]): void {
  for (let i = 0; machine.insns < insns; i += 1) {
    machine.run(Math.min(slices[i % slices.length], insns - machine.insns));
  }
}

const sliceLists = fc.array(fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 40_000 })), {
  minLength: 1,
  maxLength: 12,
});

describe('a machine', () => {
  test('comes to the same end whatever slices it runs in', () => {
    const whole = loaded(TIMER, 'ticks=8 hz=500 mode=32');
    const end = runInSlices(whole.machine, [10_000_000]);
    expect(end).toEqual({ kind: 'exit', status: 1 });
    const expected = state(whole.machine);
    fc.assert(
      fc.property(sliceLists, (slices) => {
        const cut = loaded(TIMER, 'ticks=8 hz=500 mode=32');
        expect(runInSlices(cut.machine, slices)).toEqual(end);
        expect(cut.machine.insns).toBe(whole.machine.insns);
        expect(cut.machine.devices.clock.now()).toBe(whole.machine.devices.clock.now());
        expect(cut.text()).toBe(whole.text());
        expect(differences(cut.machine, expected)).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  test('takes slot edits and keys at the same instruction the same way', () => {
    const script = (machine: Machine, slices: readonly number[]): void => {
      const slot = (memorySize: bigint) => ({
        slot: 2,
        flags: 0,
        guestPhysAddr: 0xe000_0000n,
        memorySize,
        userspaceAddr: 0x7f00_0010_0000n,
      });
      runTo(machine, 60_000, slices);
      machine.serialInput(Uint8Array.of(0x78));
      machine.vm.setUserMemoryRegion(slot(0x1000n));
      runTo(machine, 90_000, slices);
      machine.vm.setUserMemoryRegion(slot(0n));
      runTo(machine, 120_000, slices);
    };
    const whole = loaded(POLLER, 'pause=50');
    script(whole.machine, [10_000_000]);
    expect(whole.text()).toContain('into RAM');
    expect(whole.text()).toContain('into MMIO');
    const expected = state(whole.machine);
    fc.assert(
      fc.property(sliceLists, (slices) => {
        const cut = loaded(POLLER, 'pause=50');
        script(cut.machine, slices);
        expect(cut.text()).toBe(whole.text());
        expect(differences(cut.machine, expected)).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });

  test('does after a reset what it did at first', () => {
    const { machine, text } = loaded(TIMER, 'ticks=4 hz=1000');
    const first = runInSlices(machine, [10_000_000]);
    const [insns, printed] = [machine.insns, text()];
    expect(machine.reset().ok).toBe(true);
    expect(runInSlices(machine, [777])).toEqual(first);
    expect(machine.insns).toBe(insns);
    expect(text()).toBe(printed + printed);
  });
});
