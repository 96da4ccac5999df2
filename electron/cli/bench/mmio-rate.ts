/** MMIO exits per second: every access misses the TLB, exits, is looked up, checked against the generation and emulated. */
import type { MmuMode } from '../../../core/base/machine-modes.ts';
import { mmioFaultCount } from '../../../core/debug/mmio-records.ts';
import { benchMachine, runInsns } from './bench-machine.ts';
import { median, secondsOf, type Benchmark, type Figure } from './measurement.ts';

const WARM_UP = 2_000_000;
const ROUND = 3_000_000;
const ROUNDS = 3;
const MODES: readonly MmuMode[] = ['ept', 'npt', 'shadow'];

export const mmioRate: Benchmark = {
  name: 'mmio',
  summary: 'MMIO exits per second over 1000 pages',
  run(say) {
    const figures = MODES.map((mmu): Figure => {
      say(`storm, ${mmu}`);
      const machine = benchMachine({ guest: 'storm', append: 'pages=1000 passes=4000000000 mode=flat', mmu });
      runInsns(machine, WARM_UP);
      const rates = Array.from({ length: ROUNDS }, () => {
        const before = mmioFaultCount(machine.arena);
        const seconds = secondsOf(() => runInsns(machine, ROUND));
        return (mmioFaultCount(machine.arena) - before) / seconds;
      });
      return {
        name: `MMIO exits, ${mmu}`,
        value: median(rates) / 1e6,
        unit: 'M exits/s',
        target: { atLeast: 1.5 },
        how: 'guest storm, pages=1000: walk, generation check and emulation each time',
      };
    });
    return Promise.resolve({ benchmark: 'mmio', figures, skipped: undefined });
  },
};
