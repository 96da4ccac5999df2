import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VCPU_BYTES } from '../../core/arena/vcpu-layout.ts';
import type { Machine, MachineStop } from '../../core/machine/index.ts';
import { type SmallMachine, smallMachine } from '../unit/machine/small-machine.ts';

const IMAGE = new Uint8Array(readFileSync(new URL('../../electron/guests/smp.elf', import.meta.url)));
const VCPUS = 3;

function loaded(): SmallMachine {
  const small = smallMachine({ ramBytes: 2 << 20, vcpus: VCPUS });
  const result = small.machine.loadImage(IMAGE, 'smp.elf', `vcpus=${VCPUS} rounds=6 mode=pae`);
  if (!result.ok) throw new Error(result.error.message);
  return small;
}

function runInSlices(machine: Machine, slices: readonly number[]): MachineStop {
  for (let i = 0; ; i += 1) {
    const stop = machine.run(slices[i % slices.length]);
    if (stop.kind !== 'budget') return stop;
  }
}

/** Registers of every vCPU, devices (the turn is among them) and RAM. */
const state = ({ arena: { layout, u8 } }: Machine): Buffer =>
  Buffer.concat([
    ...Array.from({ length: VCPUS }, (_, id) => {
      const block = layout.vcpus + id * VCPU_BYTES;
      return u8.slice(block, block + 904);
    }),
    u8.slice(layout.devices, layout.devices + 65_536),
    u8.slice(layout.ram, layout.ram + layout.config.ramBytes),
  ]);

const sliceLists = fc.array(fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 5_000 })), {
  minLength: 1,
  maxLength: 8,
});

test('several vCPUs take the same turns whatever slices the machine runs in', () => {
  const whole = loaded();
  const end = runInSlices(whole.machine, [10_000_000]);
  expect(end).toEqual({ kind: 'exit', status: 1 });
  const expected = state(whole.machine);
  fc.assert(
    fc.property(sliceLists, (slices) => {
      const cut = loaded();
      expect(runInSlices(cut.machine, slices)).toEqual(end);
      expect(cut.machine.insns).toBe(whole.machine.insns);
      expect(cut.text()).toBe(whole.text());
      expect(Buffer.compare(state(cut.machine), expected)).toBe(0);
    }),
    { numRuns: 8 },
  );
});
