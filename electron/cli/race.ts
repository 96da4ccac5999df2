/** `umbra race SCRIPT`: carries a race script out on a small VM, in one era or in all of them. */
import { Option, type Command } from 'commander';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../../core/base/machine-modes.ts';
import { findRaceLab, RACE_LABS } from '../../core/debug/race/race-labs.ts';
import { runRace, type RaceEvent, type RaceReport } from '../../core/debug/race/race-run.ts';
import { MAX_RACE_CHARACTERS, parseRaceScript, type RaceScript } from '../../core/debug/race/race-script.ts';
import { formatHex } from '../../core/format/address-text.ts';
import { KVM_BUGS } from '../../core/kvm/mmio/mmio-bugs.ts';
import { readBoundedText, UnreadableFile } from './bounded-file.ts';
import { offer, type CliIo } from './cli-io.ts';
import { CliFailure, STATUS_FAILED, STATUS_OK } from './exit-status.ts';
import { integerIn } from './options.ts';

export interface RaceOptions {
  readonly era: Era | undefined;
  readonly mmu: MmuMode;
  readonly maxphyaddr: number;
  readonly json: boolean;
}

const HELP = `
SCRIPT is a file (docs/FORMATS.md, "Race scripts"), or a laboratory that comes with the program; ./NAME for a file of
that name. Without --era the script is carried out in every era, and only what differs is told.

Laboratories:
${RACE_LABS.map(({ name, script }) => `  ${name.padEnd(22)} ${/^title (.*)$/m.exec(script)?.[1] ?? ''}`).join('\n')}

Exit status:
  0 when the bugs strike where the script says and every expectation holds, 1 when not, 2 for a script that is refused.`;

export function registerRace(program: Command, io: CliIo, finish: (status: number) => void): void {
  program
    .command('race')
    .summary('hold a memslot update between its steps and vCPUs inside their faults')
    .description(
      'Plays a race between vCPUs and a memslot update in a fixed order: the update stops between its steps, a vCPU inside\n' +
        'its fault. Known bugs of KVM are named when they strike.',
    )
    .argument('<script>', 'a file, or the name of a laboratory')
    .addOption(new Option('--era <era>', 'one kernel, told line by line; all of them unless given').choices(ERAS))
    .addOption(new Option('--mmu <mode>', 'second-level translation').choices(MMU_MODES).default('ept'))
    .option('--maxphyaddr <bits>', 'physical address bits of the host: 32 to 52', integerIn(32, 52), 40)
    .option('--json', 'one JSON object for each era', false)
    .addHelpText('after', HELP)
    .action((script: string, options: RaceOptions) => finish(race(script, options, io)));
}

export function race(word: string, options: RaceOptions, io: CliIo): number {
  const { name, script } = readScript(word);
  let status = STATUS_OK;
  for (const era of options.era === undefined ? ERAS : [options.era]) {
    const run = runRace(script, { era, mmu: options.mmu, maxPhyAddr: options.maxphyaddr });
    if (!run.ok) throw new CliFailure(`${name}:${run.error.line}: in ${era}: ${run.error.message}.`);
    const report = run.value;
    if (report.failures.length > 0) status = STATUS_FAILED;
    const text = options.json
      ? [reportJson(report, options)]
      : options.era === undefined
        ? brief(report)
        : whole(name, report);
    offer(io, text.map((line) => `${line}\n`).join(''));
  }
  return status;
}

/** A word that is the name of a laboratory means that one. */
function readScript(word: string): { readonly name: string; readonly script: RaceScript } {
  const text = findRaceLab(word)?.script ?? readFile(word);
  const parsed = parseRaceScript(text);
  if (!parsed.ok) throw new CliFailure(`${word}:${parsed.error.line}: ${parsed.error.message}.`);
  return { name: word, script: parsed.value };
}

function readFile(word: string): string {
  try {
    return readBoundedText(word, 4 * MAX_RACE_CHARACTERS, 'a race script');
  } catch (error) {
    if (!(error instanceof UnreadableFile) || error.code !== 'ENOENT') throw error;
    const names = RACE_LABS.map(({ name }) => name).join(', ');
    throw new CliFailure(`${word} cannot be read: there is no such file, and no such laboratory (there are ${names}).`);
  }
}

const struck = ({ strikes }: RaceReport): string => {
  const found = KVM_BUGS.filter(({ id }) => id !== 'largepages-drift' && strikes[id] > 0);
  if (found.length === 0) return 'no bug strikes';
  return found
    .map(({ id, commit }) => `${id} (${commit}) strikes${strikes[id] > 1 ? ` ${strikes[id]} times` : ''}`)
    .join(', ');
};

function whole(name: string, report: RaceReport): readonly string[] {
  const lines = report.events.flatMap((event) => eventLines(name, event));
  return [
    report.title,
    ...lines,
    `${report.era}: ${struck(report)}`,
    ...report.failures.map((failure) => `FAILED: ${failure}`),
  ];
}

const eventLines = (name: string, { line, command, what, log }: RaceEvent): readonly string[] => [
  `${name}:${line}: ${command}`,
  `    ${what}`,
  ...log.flatMap((entry) => entry.split('\n').map((part) => `    | ${part}`)),
];

function brief(report: RaceReport): readonly string[] {
  return [
    `${report.era.padEnd(6)} ${struck(report)}`,
    ...report.failures.map((failure) => `       FAILED: ${failure}`),
  ];
}

/** For programs: generations as hex strings, because they have 64 bits. */
const reportJson = (report: RaceReport, { mmu, maxphyaddr }: RaceOptions): string =>
  JSON.stringify({ mmu, maxPhyAddr: maxphyaddr, ...report }, (_key, value: unknown) =>
    typeof value === 'bigint' ? formatHex(value) : value,
  );
