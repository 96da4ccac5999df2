/** `spte encode` prints the value of an MMIO spte, `spte decode` explains values, of any kernel era. */
import type { Command } from 'commander';
import { latin1Text } from '../../core/base/latin1.ts';
import { MMU_MODES, type MmuMode } from '../../core/base/machine-modes.ts';
import { err, ok, type Result } from '../../core/base/result.ts';
import { readSpteLog } from '../../core/debug/sptes/spte-log.ts';
import { formatU64, parseHex } from '../../core/format/address-text.ts';
import { MAX_LOG_LINES } from '../../core/format/kernel-log.ts';
import { parseInteger, parseIntegerIn, quoteText } from '../../core/format/integer-text.ts';
import { spteJson, spteLines } from '../../core/format/spte-text.ts';
import { erasThatReadMmio, explainSpte } from '../../core/kvm/spte/spte-decode.ts';
import { encodeMmioSpte } from '../../core/kvm/spte/spte-encode.ts';
import { findSpteEra, unknownEra, type SpteEra } from '../../core/kvm/spte/spte-eras.ts';
import type { SpteHost } from '../../core/kvm/spte/spte-magic.ts';
import { MAX_SPTE_LOG } from '../../core/protocol/requests.ts';
import type { SpteLogLine } from '../../core/protocol/snapshots.ts';
import { readBounded, UnreadableFile } from './bounded-file.ts';
import { ACC_EXEC_MASK, ACC_USER_MASK, ACC_WRITE_MASK } from '../../core/kvm/spte/spte-mmio.ts';

/** Options as typed. */
export interface SpteHostOptions {
  readonly era?: string | undefined;
  readonly mmu?: string | undefined;
  readonly maxphyaddr?: string | undefined;
  readonly l1tfBits?: string | undefined;
  readonly smeBit?: string | undefined;
}
export interface SpteEncodeOptions extends SpteHostOptions {
  readonly gfn: string;
  readonly gen: string;
  readonly access?: string | undefined;
}
export interface SpteDecodeOptions extends SpteHostOptions {
  readonly json?: boolean | undefined;
}

/** Where the lines go. */
export interface CommandOutput {
  out(line: string): void;
  err(line: string): void;
}

const MMU_NAMES: readonly string[] = MMU_MODES;
const isMmuMode = (text: string): text is MmuMode => MMU_NAMES.includes(text);

interface Setting {
  readonly era: SpteEra;
  readonly host: SpteHost;
}

function parseSetting(options: SpteHostOptions): Result<Setting, string> {
  const eraName = options.era ?? 'patch';
  const era = findSpteEra(eraName);
  if (era === undefined) return err(unknownEra(eraName));
  const mmu = options.mmu ?? 'ept';
  if (!isMmuMode(mmu)) return err(`mmu ${quoteText(mmu)} is not known: name one of ${MMU_MODES.join(', ')}`);
  const maxPhyAddr = parseIntegerIn(options.maxphyaddr ?? '40', 32, 52);
  if (maxPhyAddr === undefined)
    return err(`maxphyaddr ${quoteText(options.maxphyaddr ?? '')} must be a number from 32 to 52`);
  const l1tfCacheBits = options.l1tfBits === undefined ? undefined : parseIntegerIn(options.l1tfBits, 32, 52);
  if (options.l1tfBits !== undefined && l1tfCacheBits === undefined) {
    return err(`l1tf-bits ${quoteText(options.l1tfBits)} must be a number from 32 to 52`);
  }
  const smeBit = options.smeBit === undefined ? undefined : parseIntegerIn(options.smeBit, 32, 51);
  if (options.smeBit !== undefined && smeBit === undefined) {
    return err(`sme-bit ${quoteText(options.smeBit)} must be a number from 32 to 51`);
  }
  return ok({ era, host: { mmu, maxPhyAddr, l1tfCacheBits, smeBit } });
}

const ACCESS_BITS: Readonly<Record<string, number>> = {
  w: ACC_WRITE_MASK,
  u: ACC_USER_MASK,
  x: ACC_EXEC_MASK,
  '-': 0,
};

/** `wu`, `w`, `-u-`, `wux`; `none` for nothing. */
function parseAccess(text: string): number | undefined {
  if (text === 'none') return 0;
  const letters = [...text.toLowerCase()];
  const repeated = letters.some((letter, i) => letter !== '-' && letters.indexOf(letter) !== i);
  if (letters.length > 3 || repeated || letters.some((letter) => ACCESS_BITS[letter] === undefined)) return undefined;
  return letters.reduce((bits, letter) => bits | ACCESS_BITS[letter], 0);
}

/** @returns exit status: 0, or 2 with a sentence */
export function spteEncode(options: SpteEncodeOptions, output: CommandOutput): number {
  const refuse = (message: string): number => {
    output.err(`umbra spte encode: ${message}`);
    return 2;
  };
  const setting = parseSetting(options);
  if (!setting.ok) return refuse(setting.error);
  const gfn = parseInteger(options.gfn);
  if (gfn === undefined)
    return refuse(`gfn ${quoteText(options.gfn)} is not a number of up to 64 bits: write it like 0xfee00 or 1043968`);
  const gen = parseIntegerIn(options.gen, 0, 0xffff_ffff);
  if (gen === undefined) return refuse(`generation ${quoteText(options.gen)} is not a number from 0 to 0xffffffff`);
  const access = parseAccess(options.access ?? 'none');
  if (access === undefined) {
    return refuse(`access ${quoteText(options.access ?? '')} is not known: letters of 'wux' like wu, or none`);
  }
  const { era, host } = setting.value;
  const spte = encodeMmioSpte(era, host, { gfn, access, gen });
  if (!spte.ok) return refuse(spte.error);
  output.out(formatU64(spte.value));
  return 0;
}

/** @returns exit status: 0, or 2 with a sentence and nothing decoded */
export function spteDecode(values: readonly string[], options: SpteDecodeOptions, output: CommandOutput): number {
  const refuse = (message: string): number => {
    output.err(`umbra spte decode: ${message}`);
    return 2;
  };
  const setting = parseSetting(options);
  if (!setting.ok) return refuse(setting.error);
  if (values.length === 0) return refuse('name at least one value, like 0xfff00000fee00b56');
  const parsed: bigint[] = [];
  for (const text of values) {
    const value = parseHex(text);
    if (value === undefined) return refuse(`value ${quoteText(text)} is not a hexadecimal number of up to 64 bits`);
    parsed.push(value);
  }
  const { era, host } = setting.value;
  for (const [index, value] of parsed.entries()) {
    const spte = explainSpte(era, host, value);
    if (options.json === true) {
      output.out(JSON.stringify(spteJson(spte)));
      continue;
    }
    if (index > 0) output.out('');
    for (const line of spteLines(spte)) output.out(line);
    // A value alone does not tell its era, so whoever named none is told what else it could be.
    const others = options.era === undefined ? erasThatReadMmio(host, value).filter(({ id }) => id !== era.id) : [];
    if (others.length > 0)
      output.out(`  note: An MMIO spte to ${others.map(({ id }) => id).join(', ')} as well (--era).`);
  }
  return 0;
}

/**
 * `spte --log FILE`: every line of a kernel log or ftrace text that says something of an spte, decoded for an era.
 * @returns exit status: 0; 1 when lines do not fit the era; 2 with a sentence and nothing decoded
 */
export function spteLog(file: string, options: SpteDecodeOptions, output: CommandOutput): number {
  const refuse = (message: string): number => {
    output.err(`umbra spte --log: ${message}`);
    return 2;
  };
  const setting = parseSetting(options);
  if (!setting.ok) return refuse(setting.error);
  let text: string;
  try {
    text = latin1Text(readBounded(file, MAX_SPTE_LOG, 'a log'));
  } catch (error) {
    if (error instanceof UnreadableFile) return refuse(error.message);
    throw error;
  }
  const { era, host } = setting.value;
  const { mmu, maxPhyAddr, l1tfCacheBits } = host;
  const log = readSpteLog(text, { era: era.id, mmu, maxPhyAddr, l1tfCacheBits }, MAX_LOG_LINES);
  if (!log.ok) return refuse(log.error);
  const { lines, recognised, unknown, blank, firstUnknown, isCut } = log.value;
  for (const line of lines) {
    if (options.json === true) output.out(JSON.stringify(logLineJson(line)));
    else for (const row of logLineText(line)) output.out(row);
  }
  for (const { line, text: raw } of firstUnknown) output.err(`line ${line}, unknown: ${raw}`);
  output.err(`${recognised} recognised, ${unknown} unknown, ${blank} blank, read as ${era.id}, ${mmu}`);
  if (isCut) output.err(`The log goes on: its first ${MAX_LOG_LINES} lines were read.`);
  return lines.some(({ findings }) => findings.length > 0) ? 1 : 0;
}

function logLineText({ line, print, says, sptes, findings }: SpteLogLine): readonly string[] {
  return [
    `${line}: ${print}: ${says}`,
    ...sptes.flatMap(({ decoded, level, part }) => [
      ...(part === undefined && level === undefined
        ? []
        : [`  ${[part, level === undefined ? undefined : `level ${level}`].filter(Boolean).join(', ')}:`]),
      ...spteLines(decoded).map((row) => `  ${row}`),
    ]),
    ...findings.map((finding) => `  ! ${finding}`),
  ];
}

const logLineJson = ({ line, print, says, sptes, findings }: SpteLogLine): object => ({
  line,
  print,
  says,
  sptes: sptes.map(({ decoded, level, part }) => ({ part, level, ...spteJson(decoded) })),
  findings,
});

const terminal: CommandOutput = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
};

const withHost = (command: Command): Command =>
  command
    .option('--era <era>', 'patch, or a kernel version like v3.11, 4.19, 6.8', undefined)
    .option('--mmu <mmu>', MMU_MODES.join(', '), 'ept')
    .option('--maxphyaddr <bits>', 'physical address bits of the host, 32 to 52', '40')
    .option('--l1tf-bits <bits>', 'cache bits of a CPU with the L1TF bug (kernels from 5.1)')
    .option('--sme-bit <bit>', 'encryption bit of an AMD host with SME on (kernels from 5.6)');

export function register(program: Command): void {
  const spte = withHost(program.command('spte'))
    .description('encode and explain MMIO sptes of every kernel era')
    .usage('--log FILE | encode … | decode …')
    .option('--log <file>', 'explain every line of a kernel log or ftrace text that says something of an spte')
    .option('--json', 'with --log: one JSON object a line')
    // So that `spte decode --era v3.11` is the option of decode.
    .enablePositionalOptions()
    .action((options: SpteDecodeOptions & { readonly log?: string | undefined }) => {
      if (options.log !== undefined) process.exitCode = spteLog(options.log, options, terminal);
      else spte.help({ error: true });
    });
  withHost(spte.command('encode'))
    .description('print the value of an MMIO spte')
    .requiredOption('--gfn <gfn>', 'guest frame number')
    .requiredOption('--gen <generation>', 'MMIO generation')
    .option('--access <letters>', "what the guest's mapping allows: letters of wu, or none", 'none')
    .action((options: SpteEncodeOptions) => {
      process.exitCode = spteEncode(options, terminal);
    });
  withHost(spte.command('decode'))
    .description('explain every field of spte values')
    .argument('<value...>', 'hexadecimal, with or without 0x')
    .option('--json', 'one JSON object a line')
    .action((values: readonly string[], options: SpteDecodeOptions) => {
      process.exitCode = spteDecode(values, options, terminal);
    });
}
