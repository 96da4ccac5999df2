/**
 * Locked instructions over the border of two cache lines or pages, from several vCPUs on threads of their own: nothing is lost, in
 * any MMU mode. The guest checks every round itself. UMBRA_SPLIT_ROUNDS asks for more rounds than the suite has time for.
 */
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { MMU_MODES } from '../../core/base/machine-modes.ts';
import { createMachine, type Machine, type MachineConfig } from '../../core/machine/index.ts';
import { bundledThreads } from '../unit/host/bundled-worker.ts';

const ROUNDS = Number(process.env['UMBRA_SPLIT_ROUNDS'] ?? 200);
const threads = await bundledThreads();
const image = new Uint8Array(readFileSync(new URL('../../electron/guests/smp.elf', import.meta.url)));

const open: Machine[] = [];
afterEach(() => {
  for (const machine of open.splice(0)) machine.close();
});

function said(append: string, config: Pick<MachineConfig, 'mmu' | 'vcpus' | 'threads'>): readonly unknown[] {
  let text = '';
  const made = createMachine(
    {
      ramBytes: 4 << 20,
      era: 'v6.8',
      maxPhyAddr: 40,
      mmuPages: 0,
      onSerial: (bytes) => (text += new TextDecoder().decode(bytes)),
      ...config,
    },
    (bytes) => new SharedArrayBuffer(bytes),
  );
  if (!made.ok) throw new Error(made.error.message);
  open.push(made.value);
  const loaded = made.value.loadImage(image, 'smp.elf', append);
  if (!loaded.ok) throw new Error(loaded.error.message);
  for (;;) {
    const stop = made.value.run(1_000_000);
    if (stop.kind !== 'budget') return [stop, text];
  }
}

const COMBINATIONS = MMU_MODES.flatMap((mmu) =>
  (['32', 'long'] as const).map((mode) => ({ mmu, mode, vcpus: 2 + (mode === '32' ? 1 : 0) })),
);

test.each(COMBINATIONS)(
  `${ROUNDS} rounds under $mmu, $mode, $vcpus vCPUs: threads end as turns do`,
  ({ mmu, mode, vcpus }) => {
    const append = `vcpus=${vcpus} op=split rounds=${ROUNDS} mode=${mode} patience=2g`;
    expect(said(append, { mmu, vcpus, threads })).toEqual(said(append, { mmu, vcpus }));
  },
  60_000 + ROUNDS * 50,
);
