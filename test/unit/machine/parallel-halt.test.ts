/** HLT on one vCPU while the other one's thread is parked: stepped alone, it must not be taken for the end of the machine. */
import { afterEach, expect, it } from 'vitest';
import { ACTIVE, VCPU_ACTIVITY } from '../../../core/arena/vcpu-layout.ts';
import { enterImage } from '../../../core/machine/boot-state.ts';
import type { Machine } from '../../../core/machine/index.ts';
import { bundledThreads } from '../host/bundled-worker.ts';
import { smallMachine } from './small-machine.ts';

const threads = await bundledThreads();
const CLI_HLT = [0xfa, 0xf4];
const LOOP = [0xeb, 0xfe];
const BUDGET = { kind: 'budget' };

const open: Machine[] = [];
afterEach(() => {
  for (const machine of open.splice(0)) machine.close();
});

/** The boot vCPU halts for good; the other one executes this. */
function machineWith(second: readonly number[]): Machine {
  const { machine } = smallMachine({ ramBytes: 4 << 20, vcpus: 2, threads });
  open.push(machine);
  const loaded = machine.loadImage(Uint8Array.of(...CLI_HLT, ...second), 'halt.bin', '');
  if (!loaded.ok) throw new Error(loaded.error.message);
  const [, other] = machine.vm.vcpus;
  enterImage(other, Number(loaded.value.entry) + CLI_HLT.length, 0);
  other.cpu.r[VCPU_ACTIVITY] = ACTIVE;
  return machine;
}

const retired = ({ vm }: Machine): readonly number[] => vm.vcpus.map(({ cpu }) => cpu.instructions());

/** Steps a vCPU, the other parked. */
function step(machine: Machine, vcpu: number, looks: number): void {
  const insns = retired(machine)[vcpu] + 1;
  for (let look = 0; look < looks && retired(machine)[vcpu] < insns; look++) {
    expect(machine.run(1, 0, { vcpu, insns })).toEqual(BUDGET);
  }
  machine.park();
}

it('is stepped over, and the other vCPU can still be stepped', () => {
  const machine = machineWith(LOOP);
  step(machine, 0, Infinity);
  step(machine, 0, Infinity);
  expect(retired(machine)).toEqual([2, 0]);
  // It waits now, and nothing will wake it; but the other could go on.
  step(machine, 0, 50);
  expect(retired(machine)).toEqual([2, 0]);
  step(machine, 1, Infinity);
  expect(retired(machine)).toEqual([2, 1]);
});

it('is the end when the other one has halted, too', () => {
  const machine = machineWith(CLI_HLT);
  for (;;) {
    const stop = machine.run(1);
    if (stop.kind === 'budget') continue;
    expect(stop).toEqual({
      kind: 'halted',
      waitsForInput: false,
      message: expect.stringContaining('interrupts disabled'),
    });
    break;
  }
  expect(retired(machine)).toEqual([2, 2]);
});
