/** `slots SCRIPT`: replays memslot calls on an empty VM and says for each what came of it and why. */
import type { Command } from 'commander';
import { createArena, type Arena } from '../../core/arena/arena.ts';
import { VM_ERA } from '../../core/arena/mmu-layout.ts';
import { ERAS, type Era } from '../../core/base/machine-modes.ts';
import { err, ok, type Result } from '../../core/base/result.ts';
import { formatHex, parseSize } from '../../core/format/address-text.ts';
import { quoteText } from '../../core/format/integer-text.ts';
import { describeChange, generationsText, refusalText } from '../../core/format/memslot-text.ts';
import { MAX_SCRIPT_BYTES, parseSlotScript, type SlotAction, type SlotStep } from '../../core/format/slot-script.ts';
import { getDirtyLog, type DirtyLogMmu } from '../../core/kvm/memslots/dirty-log.ts';
import {
  changeWraps,
  eraHasMmioGeneration,
  eraIndex,
  eraOf,
  generationRefusal,
  mmioGenerationOf,
} from '../../core/kvm/eras.ts';
import { LIMITS_V3_11, LIMITS_V6_18, limitsOf, type MemslotLimits } from '../../core/kvm/memslots/limits.ts';
import { initMemslots, setMemslotsGeneration } from '../../core/kvm/memslots/memslot-table.ts';
import { setMemoryRegion, type MemslotChangeReport, type MemslotMmu } from '../../core/kvm/memslots/memslot-update.ts';
import { installsOf } from '../../core/kvm/memslots/memslot-preview.ts';
import { memslotsGeneration } from '../../core/kvm/memslots/memslots.ts';
import { readBoundedText } from './bounded-file.ts';
import { CliFailure } from './exit-status.ts';
import type { CommandOutput } from './spte.ts';

export interface SlotsOptions {
  readonly era?: string | undefined;
  readonly limits?: string | undefined;
  readonly mem?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Nobody runs, so there are no sptes that a change could concern. */
const noShadowPages: MemslotMmu & DirtyLogMmu = {
  synchronizeReaders() {},
  flushShadowMemslot() {},
  commitMemoryRegion() {},
  memslotsUpdated() {},
  writeProtectMasked() {},
  flushRemoteTlbs() {},
};

const LIMITS: Readonly<Record<string, MemslotLimits>> = {
  'v3.11': LIMITS_V3_11,
  'v6.8': limitsOf('v6.8', 'ept', 52),
  'v6.18': LIMITS_V6_18,
};
const DEFAULT_RAM = 128 * 1024 * 1024;

interface Setting {
  readonly era: Era;
  readonly limits: MemslotLimits;
  readonly ramBytes: number;
}

function parseSetting(options: SlotsOptions): Result<Setting, string> {
  const era = ERAS.find((name) => name === (options.era ?? 'patch'));
  if (era === undefined) return err(`era ${quoteText(options.era ?? '')} cannot run: name one of ${ERAS.join(', ')}`);
  const limitsName = options.limits ?? (era === 'v6.8' ? 'v6.8' : 'v3.11');
  if (!Object.hasOwn(LIMITS, limitsName)) {
    return err(`limits ${quoteText(limitsName)} are not known: name one of ${Object.keys(LIMITS).join(', ')}`);
  }
  const ram = options.mem === undefined ? BigInt(DEFAULT_RAM) : parseSize(options.mem);
  if (ram === undefined || ram < 1n << 20n || ram > 0x6000_0000n || ram % 4096n !== 0n) {
    return err(`mem ${quoteText(options.mem ?? '')} must be a size from 1M to 1536M, a multiple of 4096`);
  }
  return ok({ era, limits: LIMITS[limitsName], ramBytes: Number(ram) });
}

function emptyVm({ era, limits, ramBytes }: Setting): Arena {
  const config = { ramBytes, vcpus: 1, memslots: limits.memSlots, shadowPages: 64, traceRecords: 64 };
  const arena = createArena(config, (bytes) => new SharedArrayBuffer(bytes));
  arena.i32[(arena.layout.vm + VM_ERA) >> 2] = eraIndex(era);
  initMemslots(arena);
  return arena;
}

/** What came of one call. */
export interface SlotOutcome {
  readonly line: number;
  readonly call: string;
  /** `OK` or an errno name. */
  readonly result: string;
  readonly why: string;
  readonly generationBefore: bigint;
  readonly generationAfter: bigint;
  readonly mmioGenerationBefore: number;
  readonly mmioGenerationAfter: number;
}

function perform(arena: Arena, { era, limits }: Setting, action: SlotAction): Pick<SlotOutcome, 'result' | 'why'> {
  switch (action.kind) {
    case 'generation':
      if (!eraHasMmioGeneration(era)) return { result: 'EINVAL', why: `era ${era} has no MMIO generation to set` };
      {
        const refusal = generationRefusal(era, action.generation);
        if (refusal !== undefined) return { result: 'EINVAL', why: refusal };
      }
      setMemslotsGeneration(arena, action.generation);
      return { result: 'OK', why: 'as if that many changes had happened' };
    case 'dirty-log': {
      const log = getDirtyLog(arena, limits, noShadowPages, action.slot);
      if (!log.ok) return { result: log.error.errno, why: refusalText(log.error) };
      const pages = log.value.reduce((sum, byte) => sum + bitsIn(byte), 0);
      return { result: 'OK', why: `${pages} dirty pages in ${log.value.byteLength} bytes of bitmap` };
    }
    case 'set':
    case 'delete': {
      const region =
        action.kind === 'set'
          ? action.region
          : { slot: action.slot, flags: 0, guestPhysAddr: 0n, memorySize: 0n, userspaceAddr: 0n };
      const change = setMemoryRegion(arena, limits, noShadowPages, region);
      if (!change.ok) return { result: change.error.errno, why: refusalText(change.error) };
      return { result: 'OK', why: describeInstalled(eraOf(arena), change.value) };
    }
  }
}

function describeInstalled(era: Era, { change, generationBefore }: MemslotChangeReport): string {
  const what = `${change}: ${describeChange(change)}`;
  const wraps = changeWraps(era, generationBefore, installsOf(change));
  return wraps ? `${what}; the MMIO generation is at its end, so shadow pages are zapped` : what;
}

function bitsIn(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}

function outcomeOf(arena: Arena, setting: Setting, step: SlotStep): SlotOutcome {
  const before = memslotsGeneration(arena);
  const { result, why } = perform(arena, setting, step.action);
  const after = memslotsGeneration(arena);
  return {
    line: step.line,
    call: step.text,
    result,
    why,
    generationBefore: before,
    generationAfter: after,
    mmioGenerationBefore: mmioGenerationOf(setting.era, before),
    mmioGenerationAfter: mmioGenerationOf(setting.era, after),
  };
}

/** For programs: the generation as a hex string, because it has 64 bits; -1 where the era has no MMIO generation. */
const outcomeJson = (outcome: SlotOutcome): string =>
  JSON.stringify(outcome, (_key, value: unknown) => (typeof value === 'bigint' ? formatHex(value) : value));

/**
 * Replays a script's text.
 * @returns exit status: 0, or 2 with a sentence. A refused call is an answer, not a failure of the replay.
 */
export function replaySlots(script: string, name: string, options: SlotsOptions, output: CommandOutput): number {
  const setting = parseSetting(options);
  if (!setting.ok) {
    output.err(`umbra slots: ${setting.error}`);
    return 2;
  }
  const steps = parseSlotScript(script);
  if (!steps.ok) {
    const { line, column, message } = steps.error;
    output.err(`umbra slots: ${name}:${line}:${column}: ${message}`);
    return 2;
  }
  const arena = emptyVm(setting.value);
  for (const step of steps.value) {
    const outcome = outcomeOf(arena, setting.value, step);
    if (options.json === true) {
      output.out(outcomeJson(outcome));
      continue;
    }
    output.out(`${name}:${outcome.line}: ${outcome.call}`);
    output.out(`    ${outcome.result === 'OK' ? `OK  ${outcome.why}` : outcome.why}`);
    output.out(`    ${generationsText(outcome)}`);
  }
  return 0;
}

/** Replays a script from a file. */
export function slots(file: string, options: SlotsOptions, output: CommandOutput): number {
  let script: string;
  try {
    script = readBoundedText(file, MAX_SCRIPT_BYTES, 'a script');
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    output.err(`umbra slots: ${error.message}`);
    return error.status;
  }
  return replaySlots(script, file, options, output);
}

export function register(program: Command): void {
  program
    .command('slots')
    .description('replay memslot calls from a script on an empty VM; say what came of each and why')
    .argument('<script>', 'one call a line, see docs/FORMATS.md')
    .option('--era <era>', ERAS.join(', '), 'patch')
    .option('--limits <kernel>', `whose checks and limits: ${Object.keys(LIMITS).join(', ')}; the era's unless told`)
    .option('--mem <size>', 'user memory behind hva=ram', '128M')
    .option('--json', 'one JSON object a line')
    .action((script: string, options: SlotsOptions) => {
      process.exitCode = slots(script, options, {
        out: (line) => void process.stdout.write(`${line}\n`),
        err: (line) => void process.stderr.write(`${line}\n`),
      });
    });
}
