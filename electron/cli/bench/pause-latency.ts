/** From asking for a pause to the answer that the guest stands still, through the worker thread. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MmuMode } from '../../../core/base/machine-modes.ts';
import { EngineHost, type EngineHostOptions } from '../../host/engine-host.ts';
import { CliFailure, STATUS_MACHINE } from '../exit-status.ts';
import { readImage } from '../image-file.ts';
import { median, type Benchmark, type Figure } from './measurement.ts';

const PAUSES = 60;
const GUESTS = (['ept', 'npt', 'shadow'] as const).flatMap((mmu) => [
  { guest: 'spin', append: 'n=4000000000 mode=long', mmu } as const,
  { guest: 'storm', append: 'pages=1000 passes=4000000000 mode=flat', mmu } as const,
]);

/** @param hostOptions how to start the worker when it is not the bundled one */
export const pauseLatency = (hostOptions: EngineHostOptions = {}): Benchmark => ({
  name: 'pause',
  summary: 'latency of a pause through the worker',
  async run(say) {
    const figures: Figure[] = [];
    for (const { guest, append, mmu } of GUESTS) {
      say(`pausing ${guest}, ${mmu}`);
      const latencies = await pausesOf(hostOptions, guest, append, mmu);
      figures.push(
        {
          name: `pause, ${guest}, ${mmu}, median`,
          value: median(latencies),
          unit: 'ms',
          target: { atMost: 5 },
          how: `${PAUSES} pauses of a running guest`,
        },
        {
          name: `pause, ${guest}, ${mmu}, 95 % below`,
          value: latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.95)],
          unit: 'ms',
          target: { atMost: 5 },
          how: `${PAUSES} pauses of a running guest`,
        },
      );
    }
    return { benchmark: 'pause', figures, skipped: undefined };
  },
});

async function pausesOf(
  hostOptions: EngineHostOptions,
  guest: string,
  append: string,
  mmu: MmuMode,
): Promise<readonly number[]> {
  const host = await EngineHost.start(hostOptions);
  try {
    const created = await host.request('machine.create', {
      image: readImage(guest).bytes,
      name: guest,
      options: { append, mmu },
    });
    if (!created.ok) throw new CliFailure(created.error.message, STATUS_MACHINE);
    const latencies: number[] = [];
    for (let i = 0; i < PAUSES; i++) {
      await host.request('run.continue', {});
      // Anywhere in a slice.
      await sleep(10 + (i % 7));
      const began = performance.now();
      const paused = await host.request('run.pause', {});
      latencies.push(performance.now() - began);
      if (!paused.ok || paused.value.state !== 'paused') {
        throw new CliFailure(`the guest ${guest} did not pause`, STATUS_MACHINE);
      }
    }
    return latencies;
  } finally {
    await host.close();
  }
}
