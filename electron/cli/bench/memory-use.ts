/** Memory: what a machine reserves, and what the host really gives for it. */
import { benchMachine, runToExit } from './bench-machine.ts';
import type { Benchmark } from './measurement.ts';

const MIB = 1024 * 1024;

export const memoryUse: Benchmark = {
  name: 'memory',
  summary: 'memory of a machine with 128 MiB of RAM and 100 000 MMIO sptes',
  run(say) {
    say('storm, 100000 pages');
    const before = process.memoryUsage().rss;
    const machine = benchMachine({ guest: 'storm', append: 'pages=100000 passes=1 mode=long', mmuPages: 8192 });
    runToExit(machine);
    const grown = process.memoryUsage().rss - before;
    const figures = [
      {
        name: 'arena, reserved',
        value: machine.arena.layout.totalBytes / MIB,
        unit: 'MiB',
        target: undefined,
        how: 'guest RAM, shadow page pool, rings and the rest; untouched pages cost nothing',
      },
      {
        name: 'process growth',
        value: grown / MIB,
        unit: 'MiB',
        target: undefined,
        how: 'resident size after the run less before',
      },
      {
        name: 'process',
        value: process.memoryUsage().rss / MIB,
        unit: 'MiB',
        target: undefined,
        how: 'resident size after the run',
      },
    ];
    return Promise.resolve({ benchmark: 'memory', figures, skipped: undefined });
  },
};
