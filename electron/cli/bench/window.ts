/** The window: how soon it is there, how fast it follows, what it weighs. Measured by a script of the checkout, which finds an Electron. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import type { Benchmark, Measurement } from './measurement.ts';

/** Beside the minutes that memory is watched for. */
const TIMEOUT_MS = 420_000;

const reportSchema = v.object({
  electron: v.string(),
  display: v.string(),
  figures: v.array(
    v.object({
      name: v.string(),
      // JSON has no Infinity; what never happened took for ever.
      value: v.nullable(v.number()),
      unit: v.string(),
      target: v.optional(v.union([v.object({ atLeast: v.number() }), v.object({ atMost: v.number() })])),
      how: v.string(),
    }),
  ),
});

const skip = (skipped: string): Measurement => ({ benchmark: 'window', figures: [], skipped });

export const windowBench = (minutes: number): Benchmark => ({
  name: 'window',
  summary: 'starting, stepping, scrolling a million sptes, cost to the guest, memory',
  async run(say) {
    const script = process.env['UMBRA_MEASURE_WINDOW'];
    if (script === undefined) return skip('only a checkout can start its window for measuring (npm run bench)');
    const outcome = await runScript([script, '--minutes', String(minutes)], TIMEOUT_MS + minutes * 60_000, say);
    if (outcome.status !== 0) return skip(outcome.lastWords);
    const { electron, display, figures } = v.parse(reportSchema, JSON.parse(outcome.stdout));
    say(`Electron ${electron} on ${display}`);
    return {
      benchmark: 'window',
      skipped: undefined,
      figures: figures.map((figure) => ({ ...figure, value: figure.value ?? Infinity, target: figure.target })),
    };
  },
});

/**
 * Chromium gives its drawing threads a priority above the guest's where it may, which is for root alone. Measured is what users
 * have. setpriv: util-linux.
 */
const asUser = (command: CommandLine): CommandLine =>
  process.platform === 'linux' && process.getuid?.() === 0
    ? ['setpriv', '--bounding-set=-sys_nice', '--inh-caps=-sys_nice', ...command]
    : command;

type CommandLine = readonly [command: string, ...args: string[]];

interface ScriptOutcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly lastWords: string;
}

function runScript(args: readonly string[], timeout: number, say: (line: string) => void): Promise<ScriptOutcome> {
  const [command, ...rest] = asUser([process.execPath, ...args]);
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], timeout });
  let stdout = '';
  let lastWords = 'it was stopped for taking too long';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  createInterface({ input: child.stderr }).on('line', (line) => {
    lastWords = line;
    say(line);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, lastWords }));
  });
}
