import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { MachineConfig } from '../../../core/machine/index.ts';
import { runToStop, type SmallMachine, smallMachine } from '../machine/small-machine.ts';

const IMAGE = new Uint8Array(readFileSync(new URL('../../../electron/guests/smp.elf', import.meta.url)));

function smp(append: string, config: Partial<MachineConfig>): SmallMachine {
  const small = smallMachine({ ramBytes: 4 << 20, ...config });
  const loaded = small.machine.loadImage(IMAGE, 'smp.elf', append);
  if (!loaded.ok) throw new Error(loaded.error.message);
  return small;
}

const expected = (vcpus: number, rounds: number, mode: string): string =>
  [
    `smp: ${vcpus} processors, ${rounds} rounds each, mode ${mode}`,
    `smp: LOCK XADD counted ${vcpus * rounds}`,
    `smp: CMPXCHG counted ${vcpus * rounds}`,
    `smp: CMPXCHG8B counted ${BigInt(vcpus * rounds) * 0x1_0000_0001n}`,
    `smp: the lock counted ${vcpus * rounds}`,
    'smp: every access found what it should',
    '',
  ].join('\r\n');

describe('the processors of smp', () => {
  test.each([
    { vcpus: 1, mode: 'flat', mmu: 'ept' },
    { vcpus: 2, mode: 'flat', mmu: 'shadow' },
    { vcpus: 2, mode: '32', mmu: 'ept' },
    { vcpus: 3, mode: 'pae', mmu: 'npt' },
    { vcpus: 4, mode: 'long', mmu: 'ept' },
    { vcpus: 8, mode: 'long', mmu: 'npt' },
  ] as const)('count together: $vcpus of them in mode $mode under $mmu', ({ vcpus, mode, mmu }) => {
    const { machine, text } = smp(`vcpus=${vcpus} rounds=40 mode=${mode}`, { vcpus, mmu });
    expect(runToStop(machine)).toEqual({ kind: 'exit', status: 1 });
    expect(text()).toBe(expected(vcpus, 40, mode));
    expect(machine.vm.vcpus.map(({ cpu }) => cpu.instructions() > 1000)).toEqual(Array(vcpus).fill(true));
  });

  test('say which of them is missing', () => {
    const { machine, text } = smp('vcpus=3 rounds=1 patience=100000', { vcpus: 2 });
    expect(runToStop(machine)).toEqual({ kind: 'exit', status: 5 });
    expect(text()).toContain('processor 2 did not start');
  });

  test('beyond those it was asked for halt', () => {
    const { machine, text } = smp('vcpus=2 rounds=5', { vcpus: 4 });
    expect(runToStop(machine)).toEqual({ kind: 'exit', status: 1 });
    expect(text()).toBe(expected(2, 5, 'flat'));
  });
});
