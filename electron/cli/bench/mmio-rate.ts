/** MMIO exits per second: every access misses the TLB, exits, is looked up, checked against the generation and emulated. */
import type { MmuMode } from '../../../core/base/machine-modes.ts';
import { mmioFaultCount } from '../../../core/debug/logs/mmio-records.ts';
import { benchMachine, runInsns } from './bench-machine.ts';
import { median, secondsOf, type Benchmark, type Figure } from './measurement.ts';

const WARM_UP = 2_000_000;
const ROUND = 3_000_000;
const ROUNDS = 3;
const MODES: readonly MmuMode[] = ['ept', 'npt', 'shadow'];
/** Without paging, and with the guest's own four levels: two-dimensional walks, or shadow paging. */
const LOADS = (['flat', 'long'] as const).flatMap((mode) => MODES.map((mmu) => ({ mmu, mode })));

export const mmioRate: Benchmark = {
  name: 'mmio',
  summary: 'MMIO exits per second over 1000 pages',
  run(say) {
    const figures = LOADS.map(({ mmu, mode }): Figure => {
      say(`storm, ${mmu}, mode ${mode}`);
      const machine = benchMachine({ guest: 'storm', append: `pages=1000 passes=4000000000 mode=${mode}`, mmu });
      runInsns(machine, WARM_UP);
      const rates = Array.from({ length: ROUNDS }, () => {
        const before = mmioFaultCount(machine.arena);
        const seconds = secondsOf(() => runInsns(machine, ROUND));
        return (mmioFaultCount(machine.arena) - before) / seconds;
      });
      return {
        name: `MMIO exits, ${mmu}, ${mode}`,
        value: median(rates) / 1e6,
        unit: 'M exits/s',
        target: mode === 'flat' ? { atLeast: 1.5 } : undefined,
        how: 'guest storm, pages=1000: walk, generation check and emulation each time',
      };
    });
    return Promise.resolve({ benchmark: 'mmio', figures, skipped: undefined });
  },
};
