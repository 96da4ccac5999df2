/** `umbra bench [NAME]`: how fast things are on this machine. */
import os from 'node:os';
import { Argument, InvalidArgumentError, Option, type Command } from 'commander';
import { benchTable } from './bench/bench-table.ts';
import { faultCost } from './bench/fault-cost.ts';
import { guestSpeed } from './bench/guest-speed.ts';
import { reachesTarget, type Benchmark, type Measurement } from './bench/measurement.ts';
import { memoryUse } from './bench/memory-use.ts';
import { memslotCost } from './bench/memslot-cost.ts';
import { mmioRate } from './bench/mmio-rate.ts';
import { parallelSpeed } from './bench/parallel-speed.ts';
import { pauseLatency } from './bench/pause-latency.ts';
import { windowBench } from './bench/window.ts';
import type { CliIo } from './cli-io.ts';
import { STATUS_OK } from './exit-status.ts';
import { toJson } from './run-summary.ts';

/** How long the page's memory is watched unless said. */
const WINDOW_MINUTES = 1;

const benchmarks = (minutes: number): readonly Benchmark[] => [
  guestSpeed,
  mmioRate,
  faultCost,
  memslotCost,
  pauseLatency(),
  parallelSpeed,
  memoryUse,
  windowBench(minutes),
];

export function registerBench(program: Command, io: CliIo, finish: (status: number) => void): void {
  const known = benchmarks(WINDOW_MINUTES);
  const list = known.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n');
  program
    .command('bench')
    .summary('measure speed and memory on this machine')
    .description('Measures, and prints a table and the same as JSON. A missed target is shown, not an error.')
    .addArgument(new Argument('[name]', 'only this one').choices(known.map(({ name }) => name)))
    .option('--json', 'only the JSON', false)
    .addOption(
      new Option('--minutes <minutes>', "window: how long the page's memory is watched")
        .argParser(minutesOf)
        .default(WINDOW_MINUTES),
    )
    .addHelpText('after', `\nBenchmarks:\n${list}`)
    .action(async (name: string | undefined, { json, minutes }: BenchOptions) => {
      const [load] = os.loadavg();
      if (load > os.availableParallelism() / 2) {
        io.complain(`bench: this machine is busy (load ${load.toFixed(1)}); the figures will be worse than it can do.`);
      }
      const measurements: Measurement[] = [];
      for (const benchmark of benchmarks(minutes).filter(
        (candidate) => name === undefined || candidate.name === name,
      )) {
        measurements.push(await benchmark.run((line) => io.complain(`bench ${benchmark.name}: ${line}`)));
      }
      if (!json) await io.write(`${benchTable(measurements)}\n\n`);
      await io.write(`${reportJson(measurements)}\n`);
      finish(STATUS_OK);
    });
}

interface BenchOptions {
  readonly json: boolean;
  readonly minutes: number;
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new InvalidArgumentError('a number of minutes, at most 1440.');
  return minutes;
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
