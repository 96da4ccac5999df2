/** `umbra bench [NAME]`: how fast things are on this machine. */
import os from 'node:os';
import { Argument, type Command } from 'commander';
import { benchTable } from './bench/bench-table.ts';
import { faultCost } from './bench/fault-cost.ts';
import { guestSpeed } from './bench/guest-speed.ts';
import { reachesTarget, type Benchmark, type Measurement } from './bench/measurement.ts';
import { memoryUse } from './bench/memory-use.ts';
import { memslotCost } from './bench/memslot-cost.ts';
import { mmioRate } from './bench/mmio-rate.ts';
import { pauseLatency } from './bench/pause-latency.ts';
import { windowStart } from './bench/window-start.ts';
import type { CliIo } from './cli-io.ts';
import { STATUS_OK } from './exit-status.ts';
import { toJson } from './run-summary.ts';

const BENCHMARKS: readonly Benchmark[] = [
  guestSpeed,
  mmioRate,
  faultCost,
  memslotCost,
  pauseLatency(),
  memoryUse,
  windowStart,
];

export function registerBench(program: Command, io: CliIo, finish: (status: number) => void): void {
  const list = BENCHMARKS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n');
  program
    .command('bench')
    .summary('measure speed and memory on this machine')
    .description('Measures, and prints a table and the same as JSON. A missed target is shown, not an error.')
    .addArgument(new Argument('[name]', 'only this one').choices(BENCHMARKS.map(({ name }) => name)))
    .option('--json', 'only the JSON', false)
    .addHelpText('after', `\nBenchmarks:\n${list}`)
    .action(async (name: string | undefined, { json }: { readonly json: boolean }) => {
      const [load] = os.loadavg();
      if (load > os.availableParallelism() / 2) {
        io.complain(`bench: this machine is busy (load ${load.toFixed(1)}); the figures will be worse than it can do.`);
      }
      const measurements: Measurement[] = [];
      for (const benchmark of BENCHMARKS.filter((candidate) => name === undefined || candidate.name === name)) {
        measurements.push(await benchmark.run((line) => io.complain(`bench ${benchmark.name}: ${line}`)));
      }
      if (!json) await io.write(`${benchTable(measurements)}\n\n`);
      await io.write(`${reportJson(measurements)}\n`);
      finish(STATUS_OK);
    });
}

function reportJson(measurements: readonly Measurement[]): string {
  return toJson({
    cpu: os.cpus().at(0)?.model ?? 'unknown',
    cores: os.availableParallelism(),
    node: process.version,
    load: os.loadavg()[0],
    measurements: measurements.map(({ benchmark, skipped, figures }) => ({
      benchmark,
      skipped,
      figures: figures.map((figure) => ({ ...figure, reached: reachesTarget(figure) })),
    })),
  });
}
