/** Every guest of ours says the same under EPT, NPT and the shadow MMU, in every paging mode that it has. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ERAS, MMU_MODES, type MmuMode } from '../../../core/base/machine-modes.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import type { MachineConfig } from '../../../core/machine/index.ts';
import { runToStop, smallMachine, type SmallMachine } from '../machine/small-machine.ts';

/** Image, arguments, and the `mode=` that it knows. */
const ALL = ['flat', '32', 'pae', 'long'];
const GUESTS: readonly (readonly [string, string, readonly string[]])[] = [
  ['hello', '', ALL],
  ['storm', 'pages=40 passes=2 op=both', ALL],
  ['poller', 'pause=10 limit=12', ALL],
  ['spin', 'n=3000', ALL],
  ['timer', 'ticks=4 hz=250', ALL],
  ['faults', '', ['32', 'pae', 'long']],
  ['smp', 'vcpus=2 rounds=20', ALL],
];
const CASES = GUESTS.flatMap(([name, append, modes]) =>
  modes.map((mode) => [name, `${append} mode=${mode}`.trim()] as const),
);

function run(
  name: string,
  append: string,
  mmu: MmuMode,
  config: Partial<MachineConfig> = {},
): SmallMachine & { stop: unknown } {
  const small = smallMachine({ ramBytes: 16 << 20, mmu, era: 'v3.11', vcpus: name === 'smp' ? 2 : 1, ...config });
  const bytes = readFileSync(new URL(`../../../electron/guests/${name}.elf`, import.meta.url));
  const loaded = small.machine.loadImage(new Uint8Array(bytes), name, append);
  if (!loaded.ok) throw new Error(loaded.error.message);
  return { ...small, stop: runToStop(small.machine) };
}

/** Under NPT the processor is AMD's. */
const vendorless = (text: string): string => text.replace('AuthenticAMD', 'GenuineIntel');

const violations = ({ machine }: SmallMachine): readonly string[] =>
  auditMmu(machine.vm.mmu).violations.map(({ text }) => text);

describe('a guest', () => {
  it.each(CASES)('%s %s says the same under every MMU', (name, append) => {
    const expected = run(name, append, 'ept');
    expect(expected.text()).not.toBe('');
    for (const mmu of MMU_MODES) {
      const other = run(name, append, mmu);
      expect(vendorless(other.text()), mmu).toBe(vendorless(expected.text()));
      expect(other.stop, mmu).toEqual(expected.stop);
      expect(other.machine.insns, `${mmu}: instructions`).toBe(expected.machine.insns);
      expect(violations(other), mmu).toEqual([]);
    }
  });
});

describe('under the shadow MMU', () => {
  it.each(ERAS)('storm says the same in %s', (era) => {
    const append = 'pages=40 passes=2 op=both mode=pae';
    expect(run('storm', append, 'shadow', { era }).text()).toBe(run('storm', append, 'ept').text());
  });

  it.each(['32', 'pae', 'long'])('faults finds nothing wrong on a host with huge pages in mode %s', (mode) => {
    const guest = run('faults', `mode=${mode}`, 'shadow', { hostPages: 'thp' });
    expect(guest.text()).toContain(' checks, 0 wrong');
    expect(violations(guest)).toEqual([]);
  });
});
