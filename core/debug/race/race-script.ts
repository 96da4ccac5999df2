/**
 * The language of the race laboratory: one command a line (docs/FORMATS.md, "Race scripts"). Pure; race-run.ts carries a
 * script out. Whatever can be seen to be wrong without running is refused here, with its line.
 */
import { err, ok, type Result } from '../../base/result.ts';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../../base/machine-modes.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from '../../kvm/memslots/limits.ts';
import type { MemslotStep } from '../../kvm/memslots/memslot-update.ts';
import { KVM_BUGS, type KvmBugId } from '../../kvm/mmio/mmio-bugs.ts';

export const MAX_RACE_CHARACTERS = 65_536;
export const MAX_RACE_LINES = 1000;
export const MAX_RACE_VCPUS = 4;
/** RAM that slots can map, and the part of it that slot 0 always maps at gpa 0: the vCPUs' code. */
export const RACE_RAM_BYTES = 0x10_0000;
export const RACE_CODE_BYTES = 0x1_0000;
const MAX_RUN = 10_000;

/** How the guest's addresses are translated. Linear addresses are physical ones either way (race-paging.ts). */
export const RACE_PAGINGS = ['none', '32-bit', 'pae', '4-level'] as const;
export type RacePaging = (typeof RACE_PAGINGS)[number];
/** First linear address with pages of 4 KiB, and where the guest's table of them lies. */
export const RACE_TABLE_LINEAR = 0x8000_0000;
export const RACE_PAGE_TABLE = 0xe000;

/** Where a vCPU can be held: after the exit and before KVM looks at anything, or between the look at the slots and mmu_lock. */
export const HOLD_POINTS = ['exit', 'lookup'] as const;
export type HoldPoint = (typeof HOLD_POINTS)[number];

export type RaceAccess =
  | { readonly kind: 'read'; readonly gpa: number }
  | { readonly kind: 'write'; readonly gpa: number; readonly value: number };

/** What a guest does to have its own tables read anew: INVLPG of an address, or CR3 loaded again. */
export type RaceFlush = { readonly kind: 'invlpg'; readonly gpa: number } | { readonly kind: 'flush' };

/** What an access came to. */
export const RACE_OUTCOMES = ['ram', 'mmio', 'again', 'stopped'] as const;
export type RaceOutcome = (typeof RACE_OUTCOMES)[number];

export interface RaceRegion {
  readonly slot: number;
  readonly gpa: number;
  /** 0 deletes. */
  readonly size: number;
  /** Offset in the laboratory's RAM. */
  readonly ram: number;
  readonly flags: number;
}

export type RaceAction =
  | {
      readonly kind: 'access';
      readonly vcpu: number;
      readonly access: RaceAccess;
      readonly hold: HoldPoint | undefined;
    }
  | { readonly kind: 'flush'; readonly vcpu: number; readonly flush: RaceFlush }
  | { readonly kind: 'program'; readonly vcpu: number; readonly accesses: readonly RaceAccess[] }
  | { readonly kind: 'run'; readonly vcpu: number; readonly insns: number; readonly hold: HoldPoint | undefined }
  | { readonly kind: 'release'; readonly vcpu: number }
  | { readonly kind: 'slot'; readonly region: RaceRegion }
  | { readonly kind: 'begin'; readonly region: RaceRegion }
  | { readonly kind: 'step'; readonly step: MemslotStep }
  | { readonly kind: 'finish' }
  | { readonly kind: 'generation'; readonly value: bigint | 'before-wrap' }
  | { readonly kind: 'expect'; readonly vcpu: number; readonly outcome: RaceOutcome; readonly eras: readonly Era[] };

export interface RaceLine {
  /** Counted from 1. */
  readonly line: number;
  readonly text: string;
  readonly action: RaceAction;
}

export interface RaceScript {
  readonly title: string;
  readonly vcpus: number;
  readonly paging: RacePaging;
  /** The MMU that the script is about; undefined when it may be any. */
  readonly mmu: MmuMode | undefined;
  /** The eras in which a bug must strike; in all others, and every bug not named, must not. */
  readonly strikes: ReadonlyMap<KvmBugId, readonly Era[]>;
  readonly lines: readonly RaceLine[];
}

export interface RaceScriptError {
  readonly line: number;
  readonly message: string;
}

const STEPS: readonly MemslotStep[] = [
  'invalid-installed',
  'invalid-settled',
  'invalid-drained',
  'invalid-wrap-checked',
  'flushed',
  'installed',
  'settled',
  'drained',
  'wrap-checked',
  'committed',
  'freed',
];
const COMMANDS =
  'title, vcpus, paging, mmu, strikes, vcpu, release, slot, delete, begin, step, finish, generation, expect';

/** A refusal, thrown and caught inside this module only. */
class Refused extends Error {}
function refuse(message: string): never {
  throw new Refused(message);
}

const quote = (text: string): string => `'${text.slice(0, 40)}'`;

function integer(text: string | undefined, what: string, min: number, max: number): number {
  if (text === undefined) refuse(`${what} is missing`);
  const digits = /^(0x[0-9a-f]{1,16}|\d{1,20})([kmg]?)$/i.exec(text);
  if (digits === null) refuse(`${what} ${quote(text)} is no number`);
  const unit = { '': 1n, k: 1n << 10n, m: 1n << 20n, g: 1n << 30n }[digits[2].toLowerCase()] ?? 1n;
  const value = BigInt(digits[1].toLowerCase()) * unit;
  if (value < BigInt(min) || value > BigInt(max))
    refuse(`${what} ${quote(text)} must be from ${min} to 0x${max.toString(16)}`);
  return Number(value);
}

function oneOf<T extends string>(text: string | undefined, what: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  return found ?? refuse(`${what} ${quote(text ?? '')} must be one of ${choices.join(', ')}`);
}

const erasIn = (words: readonly string[]): readonly Era[] => {
  if (words.length === 0) refuse(`no era after 'in'; there are ${ERAS.join(', ')}`);
  return words.map((word) => oneOf(word, 'era', ERAS));
};

function noMore(words: readonly string[]): void {
  if (words.length > 0) refuse(`${quote(words[0])} is too much here`);
}

/** Four bytes inside a page. */
const gpaOf = (text: string | undefined): number => {
  const gpa = integer(text, 'gpa', 0, 0xffff_fffc);
  return gpa % 4 === 0 ? gpa : refuse(`gpa ${quote(text ?? '')} is no multiple of 4`);
};

function accessOf(words: readonly string[]): { readonly access: RaceAccess; readonly rest: readonly string[] } {
  const [kind, gpa, ...rest] = words;
  if (kind === 'read') return { access: { kind, gpa: gpaOf(gpa) }, rest };
  const [value, ...others] = rest;
  return {
    access: { kind: 'write', gpa: gpaOf(gpa), value: integer(value, 'value', 0, 0xffff_ffff) },
    rest: others,
  };
}

function holdOf(words: readonly string[]): HoldPoint | undefined {
  const [word, point, ...rest] = words;
  if (word === undefined) return undefined;
  if (word !== 'hold') refuse(`${quote(word)} is too much here: only 'hold exit' or 'hold lookup' may follow`);
  noMore(rest);
  return oneOf(point, 'hold point', HOLD_POINTS);
}

const FLAGS: Readonly<Record<string, number>> = { log: KVM_MEM_LOG_DIRTY_PAGES, ro: KVM_MEM_READONLY };

function regionOf(words: readonly string[]): RaceRegion {
  const [id, ...fields] = words;
  const slot = integer(id, 'slot', 1, 124);
  const values = new Map<string, string>();
  for (const field of fields) {
    const [name, value, more] = field.split('=');
    if (value === undefined || more !== undefined) refuse(`${quote(field)} must be NAME=VALUE`);
    if (!['gpa', 'size', 'ram', 'flags'].includes(name))
      refuse(`${quote(name)} is no field of a slot: gpa, size, ram, flags`);
    if (values.has(name)) refuse(`${name} is given twice`);
    values.set(name, value);
  }
  const page = (name: string, min: number, max: number): number => {
    const value = integer(values.get(name), name, min, max);
    return value % 4096 === 0 ? value : refuse(`${name} is no multiple of 4096`);
  };
  const flags = (values.get('flags') ?? '').split(',').filter((flag) => flag !== '');
  for (const flag of flags) oneOf(flag, 'flag', Object.keys(FLAGS));
  return {
    slot,
    gpa: page('gpa', 0, 0xffff_f000),
    size: page('size', 4096, RACE_RAM_BYTES),
    ram: page('ram', 0, RACE_RAM_BYTES - 4096),
    flags: flags.reduce((bits, flag) => bits | FLAGS[flag], 0),
  };
}

const deletionOf = (words: readonly string[]): RaceRegion => {
  noMore(words.slice(1));
  return { slot: integer(words[0], 'slot', 1, 124), gpa: 0, size: 0, ram: 0, flags: 0 };
};

/** What a script has said so far, as far as later lines depend on it. */
class Draft {
  title = '';
  vcpus = 1;
  paging: RacePaging = 'none';
  mmu: MmuMode | undefined;
  readonly strikes = new Map<KvmBugId, readonly Era[]>();
  readonly lines: RaceLine[] = [];
  /** vCPUs that are (or may be) held, the innermost last. */
  readonly held: number[] = [];
  readonly programmed = new Set<number>();
  updating = false;

  head(command: string, words: readonly string[]): boolean {
    if (command === 'title') {
      this.title = words.join(' ').slice(0, 200);
      return true;
    }
    if (command === 'vcpus') {
      if (this.lines.length > 0) refuse("'vcpus' must come before the first command");
      noMore(words.slice(1));
      this.vcpus = integer(words[0], 'vcpus', 1, MAX_RACE_VCPUS);
      return true;
    }
    if (command === 'paging' || command === 'mmu') {
      if (this.lines.length > 0) refuse(`'${command}' must come before the first command`);
      noMore(words.slice(1));
      if (command === 'paging') this.paging = oneOf(words[0], 'paging', RACE_PAGINGS);
      else this.mmu = oneOf(words[0], 'mmu', MMU_MODES);
      return true;
    }
    if (command !== 'strikes') return false;
    const [bug, word, ...eras] = words;
    const id = oneOf(
      bug,
      'bug',
      KVM_BUGS.map((known) => known.id),
    );
    if (word !== 'in') refuse("'strikes BUG in ERA …' names the eras");
    if (this.strikes.has(id)) refuse(`${id} is named twice`);
    this.strikes.set(id, erasIn(eras));
    return true;
  }

  action(command: string, words: readonly string[]): RaceAction {
    switch (command) {
      case 'vcpu':
        return this.vcpu(words);
      case 'release': {
        noMore(words.slice(1));
        const vcpu = this.id(words[0]);
        if (this.held.at(-1) !== vcpu) {
          const why = this.held.includes(vcpu)
            ? `vCPU ${this.held.at(-1)} was held after it and comes first`
            : 'it is not held';
          refuse(`vCPU ${vcpu} cannot be released: ${why}`);
        }
        this.held.pop();
        return { kind: 'release', vcpu };
      }
      case 'slot':
        this.free();
        return { kind: 'slot', region: regionOf(words) };
      case 'delete':
        this.free();
        return { kind: 'slot', region: deletionOf(words) };
      case 'begin': {
        this.free();
        this.updating = true;
        const [what, ...rest] = words;
        return {
          kind: 'begin',
          region: oneOf(what, 'call', ['slot', 'delete']) === 'slot' ? regionOf(rest) : deletionOf(rest),
        };
      }
      case 'step':
        noMore(words.slice(1));
        if (!this.updating) refuse('no update has begun');
        return { kind: 'step', step: oneOf(words[0], 'step', STEPS) };
      case 'finish':
        noMore(words);
        if (!this.updating) refuse('no update has begun');
        this.updating = false;
        return { kind: 'finish' };
      case 'generation':
        this.free();
        noMore(words.slice(1));
        if (words[0] === 'before-wrap') return { kind: 'generation', value: 'before-wrap' };
        return { kind: 'generation', value: BigInt(integer(words[0], 'generation', 0, Number.MAX_SAFE_INTEGER)) };
      case 'expect': {
        const [word, id, outcome, ...rest] = words;
        if (word !== 'vcpu') refuse("'expect vcpu N OUTCOME [in ERA …]' says what an access came to");
        if (rest.length > 0 && rest[0] !== 'in') refuse(`${quote(rest[0])} must be 'in'`);
        const eras = rest.length === 0 ? ERAS : erasIn(rest.slice(1));
        return { kind: 'expect', vcpu: this.id(id), outcome: oneOf(outcome, 'outcome', RACE_OUTCOMES), eras };
      }
      default:
        return refuse(`${quote(command)} is no command: there are ${COMMANDS}`);
    }
  }

  /** slots_lock: one change at a time. */
  free(): void {
    if (this.updating) refuse('an update is in progress, and slots_lock is held: finish it first');
  }

  id(text: string | undefined): number {
    return integer(text, 'vcpu', 0, this.vcpus - 1);
  }

  vcpu(words: readonly string[]): RaceAction {
    const [number, command, ...rest] = words;
    const vcpu = this.id(number);
    if (this.held.includes(vcpu)) refuse(`vCPU ${vcpu} is held: release it first`);
    switch (oneOf(command, 'command', ['read', 'write', 'invlpg', 'flush', 'program', 'run'])) {
      case 'invlpg':
        this.needsPaging('invlpg');
        noMore(rest.slice(1));
        return { kind: 'flush', vcpu, flush: { kind: 'invlpg', gpa: gpaOf(rest[0]) } };
      case 'flush':
        this.needsPaging('flush');
        noMore(rest);
        return { kind: 'flush', vcpu, flush: { kind: 'flush' } };
      case 'read':
      case 'write': {
        const { access, rest: tail } = accessOf([command, ...rest]);
        return this.holding({ kind: 'access', vcpu, access, hold: holdOf(tail) });
      }
      case 'run': {
        if (!this.programmed.has(vcpu)) refuse(`vCPU ${vcpu} has no program to run`);
        const insns = integer(rest[0], 'instructions', 1, MAX_RUN);
        return this.holding({ kind: 'run', vcpu, insns, hold: holdOf(rest.slice(1)) });
      }
      case 'program': {
        const accesses: RaceAccess[] = [];
        let left: readonly string[] = rest
          .join(' ')
          .replaceAll(',', ' , ')
          .split(/\s+/)
          .filter((word) => word !== '');
        while (left.length > 0) {
          oneOf(left[0], 'access', ['read', 'write']);
          const { access, rest: tail } = accessOf(left);
          accesses.push(access);
          if (tail.length > 0 && tail[0] !== ',') refuse(`${quote(tail[0])} must be a comma`);
          left = tail.slice(1);
        }
        if (accesses.length === 0 || accesses.length > 64) refuse('a program has 1 to 64 accesses');
        this.programmed.add(vcpu);
        return { kind: 'program', vcpu, accesses };
      }
    }
  }

  needsPaging(command: string): void {
    if (this.paging === 'none') refuse(`'${command}' is for a guest with paging: say which in front ('paging 32-bit')`);
  }

  holding(action: Extract<RaceAction, { kind: 'access' | 'run' }>): RaceAction {
    if (action.hold !== undefined) this.held.push(action.vcpu);
    return action;
  }
}

export function parseRaceScript(text: string): Result<RaceScript, RaceScriptError> {
  if (text.length > MAX_RACE_CHARACTERS) {
    return err({ line: 1, message: `the script is longer than ${MAX_RACE_CHARACTERS} characters` });
  }
  const rows = text.split('\n');
  if (rows.length > MAX_RACE_LINES)
    return err({ line: MAX_RACE_LINES + 1, message: `the script has more than ${MAX_RACE_LINES} lines` });
  const draft = new Draft();
  let line = 0;
  try {
    for (const row of rows) {
      line += 1;
      const code = row.replace(/#.*$/s, '').trim();
      const [command, ...words] = code.split(/\s+/);
      if (code === '' || draft.head(command, words)) continue;
      draft.lines.push({ line, text: code, action: draft.action(command, words) });
    }
    if (draft.updating) refuse('the script ends inside an update: finish it');
    if (draft.held.length > 0) refuse(`the script ends with vCPU ${draft.held.at(-1)} held: release it`);
    if (draft.lines.length === 0) refuse('the script has no command');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return err({ line, message: error.message });
  }
  const { title, vcpus, paging, mmu, strikes, lines } = draft;
  return ok({ title, vcpus, paging, mmu, strikes, lines });
}
