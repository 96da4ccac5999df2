/** Instructions per second on a loop of arithmetic and memory accesses, in each of the guest's paging modes. */
import { benchMachine, runInsns } from './bench-machine.ts';
import { median, secondsOf, type Benchmark, type Figure } from './measurement.ts';

const WARM_UP = 5_000_000;
const ROUND = 10_000_000;
const ROUNDS = 3;
const LOADS = [
  { mmu: 'ept', mode: 'flat' },
  { mmu: 'ept', mode: '32' },
  { mmu: 'ept', mode: 'pae' },
  { mmu: 'ept', mode: 'long' },
  { mmu: 'npt', mode: 'long' },
  // The direct map, and shadow paging of two and of four levels.
  { mmu: 'shadow', mode: 'flat' },
  { mmu: 'shadow', mode: '32' },
  { mmu: 'shadow', mode: 'long' },
] as const;

export const guestSpeed: Benchmark = {
  name: 'guest',
  summary: 'instructions per second on an ALU-and-memory loop',
  run(say) {
    const figures = LOADS.map(({ mmu, mode }): Figure => {
      say(`spin, ${mmu}, mode ${mode}`);
      const machine = benchMachine({ guest: 'spin', append: `n=4000000000 mode=${mode}`, mmu });
      runInsns(machine, WARM_UP);
      const rates = Array.from({ length: ROUNDS }, () => ROUND / secondsOf(() => runInsns(machine, ROUND)));
      return {
        name: `ALU and memory, ${mmu}, ${mode}`,
        value: median(rates) / 1e6,
        unit: 'M instructions/s',
        target: { atLeast: 20 },
        how: `median of ${ROUNDS} × ${ROUND / 1e6} M instructions of the guest spin`,
      };
    });
    return Promise.resolve({ benchmark: 'guest', figures, skipped: undefined });
  },
};
