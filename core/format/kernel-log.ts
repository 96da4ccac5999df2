/**
 * What lines of a kernel log or an ftrace file say of sptes. The formats are those of KVM's own prints: the tracepoints of
 * arch/x86/kvm/mmutrace.h from v3.1 to v6.8, the reserved-bit reports of handle_mmio_page_fault (v4.3 to v5.11 in other words
 * than since v5.12), and the EPT misconfiguration report of v3.x. A line that is none of them is left over, never dropped.
 *
 * The text is hostile: every pattern is linear, a line longer than any print of KVM's is not looked at.
 */
import { parseHex } from './address-text.ts';

/** An spte that a line carries. */
export interface LoggedSpte {
  readonly value: bigint;
  /** Of the table it was in, where the line says it. */
  readonly level: number | undefined;
  /** What it is to the line: 'old', 'new'. */
  readonly part: string | undefined;
}

export interface KernelLogLine {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** The print that it is. */
  readonly print: KernelPrint;
  readonly sptes: readonly LoggedSpte[];
  /** The line's other numbers by their names in the kernel. */
  readonly numbers: Readonly<Record<string, bigint>>;
}

export interface KernelLog {
  readonly lines: readonly KernelLogLine[];
  /** Lines that say nothing of an spte that we know of; the first few for people to see. */
  readonly unknown: number;
  readonly firstUnknown: readonly { readonly line: number; readonly text: string }[];
  readonly blank: number;
  /** Whether the text went on behind what was read. */
  readonly isCut: boolean;
}

export const MAX_LOG_CHARACTERS = 1024 * 1024;
export const MAX_LOG_LINES = 20_000;
const MAX_LINE = 600;
const SHOWN_UNKNOWN = 5;

export type KernelPrint =
  | 'value'
  | 'mark_mmio_spte'
  | 'handle_mmio_page_fault'
  | 'check_mmio_spte'
  | 'fast_page_fault'
  | 'kvm_mmu_set_spte'
  | 'kvm_tdp_mmu_spte_changed'
  | 'kvm_mmu_split_huge_page'
  | 'reserved bits'
  | 'hierarchy'
  | 'ept_misconfig'
  | 'wrap-around';

interface Pattern {
  readonly print: KernelPrint;
  readonly form: RegExp;
  /** Names of groups that are decimal in the kernel's format. */
  readonly decimal?: readonly string[];
}

const HEX = '(?:0x)?([0-9a-f]{1,16})';
const named = (name: string): string => `(?:0x)?(?<${name}>[0-9a-f]{1,16})`;

/** Groups named `spte…` are sptes; all others are numbers. */
const PATTERNS: readonly Pattern[] = [
  // "sptep:%p gfn %llx access %x" until v3.10, " gen %x" since v3.11.
  {
    print: 'mark_mmio_spte',
    form: new RegExp(
      `mark_mmio_spte: *sptep: ?\\S{1,20} gfn ${named('gfn')} access ${named('access')}(?: gen ${named('gen')})?`,
      'i',
    ),
  },
  {
    print: 'handle_mmio_page_fault',
    form: new RegExp(
      `handle_mmio_page_fault: *addr: ?${named('addr')} gfn ${named('gfn')} access ${named('access')}`,
      'i',
    ),
  },
  {
    print: 'check_mmio_spte',
    form: new RegExp(
      `check_mmio_spte: *spte ${named('spte')} kvm_gen ${named('kvm_gen')} spte-gen ${named('spte_gen')} valid (?<valid>[01])`,
      'i',
    ),
  },
  {
    print: 'fast_page_fault',
    form: new RegExp(`fast_page_fault: .{0,120}?\\bold ${named('spte_old')} new ${named('spte_new')}`, 'i'),
  },
  {
    print: 'kvm_mmu_set_spte',
    form: new RegExp(
      `kvm_mmu_set_spte: *gfn ${named('gfn')} spte ${named('spte')} \\([-rwxXu]{0,5}\\) level (?<level>\\d) at ${named('sptep')}`,
    ),
    decimal: ['level'],
  },
  {
    print: 'kvm_tdp_mmu_spte_changed',
    form: new RegExp(
      `kvm_tdp_mmu_spte_changed: *as id (?<as_id>\\d) gfn ${named('gfn')} level (?<level>\\d) old_spte ${named('spte_old')} new_spte ${named('spte_new')}`,
      'i',
    ),
    decimal: ['as_id', 'level'],
  },
  {
    print: 'kvm_mmu_split_huge_page',
    form: new RegExp(`kvm_mmu_split_huge_page: *gfn ${named('gfn')} spte ${named('spte')} level (?<level>\\d)`, 'i'),
    decimal: ['level'],
  },
  // v4.3 to v5.11, then v5.12 and later.
  { print: 'reserved bits', form: new RegExp(`detect reserved bits on spte, addr ${named('addr')}`, 'i') },
  { print: 'reserved bits', form: new RegExp(`reserved bits set on MMU-present spte, addr ${named('addr')}`, 'i') },
  {
    print: 'hierarchy',
    form: new RegExp(
      `-{4,6} spte (?:= )?${named('spte')} level (?:= )?(?<level>\\d)(?:, rsvd bits = ${named('rsvd')})?`,
      'i',
    ),
    decimal: ['level'],
  },
  // v3.x: ept_misconfig_inspect_spte.
  {
    print: 'ept_misconfig',
    form: new RegExp(`ept_misconfig_inspect_spte: spte ${named('spte')} level (?<level>\\d)`, 'i'),
    decimal: ['level'],
  },
  { print: 'ept_misconfig', form: new RegExp(`ept_misconfig_inspect_spte: rsvd_bits = ${named('rsvd')}`, 'i') },
  { print: 'ept_misconfig', form: new RegExp(`\\bEPT: GPA: ${named('addr')}`) },
  { print: 'wrap-around', form: /zapping shadow pages for mmio generation wraparound/ },
];

/** A bare value, or several: what somebody copied out of a dump. */
const VALUES = new RegExp(`^[\\s,;]*${HEX}(?:[\\s,;]+${HEX}){0,15}[\\s,;]*$`, 'i');
/** Under this many digits without 0x a word is more likely a word than an spte. */
const BARE_DIGITS = 9;

export function parseKernelLog(text: string): KernelLog {
  const isCut = text.length > MAX_LOG_CHARACTERS;
  const all = text.slice(0, MAX_LOG_CHARACTERS).split(/\r\n|\n|\r/, MAX_LOG_LINES + 1);
  const lines: KernelLogLine[] = [];
  const firstUnknown: { line: number; text: string }[] = [];
  let unknown = 0;
  let blank = 0;
  for (const [index, raw] of all.slice(0, MAX_LOG_LINES).entries()) {
    const line = index + 1;
    if (raw.trim() === '') {
      blank += 1;
      continue;
    }
    const parsed = raw.length > MAX_LINE ? undefined : parseLine(line, raw);
    if (parsed !== undefined) lines.push(parsed);
    else {
      unknown += 1;
      if (firstUnknown.length < SHOWN_UNKNOWN) firstUnknown.push({ line, text: printable(raw).slice(0, MAX_LINE) });
    }
  }
  return { lines, unknown, firstUnknown, blank, isCut: isCut || all.length > MAX_LOG_LINES };
}

function parseLine(line: number, raw: string): KernelLogLine | undefined {
  const text = printable(raw);
  for (const { print, form, decimal = [] } of PATTERNS) {
    const groups = form.exec(text)?.groups;
    if (groups === undefined && !form.test(text)) continue;
    return { line, text, print, ...numbersOf(groups ?? {}, decimal) };
  }
  const values = bareValues(text);
  if (values === undefined) return undefined;
  const sptes = values.map((value) => ({ value, level: undefined, part: undefined }));
  return { line, text, print: 'value', sptes, numbers: {} };
}

function numbersOf(
  groups: Readonly<Record<string, string | undefined>>,
  decimal: readonly string[],
): Pick<KernelLogLine, 'sptes' | 'numbers'> {
  const numbers: Record<string, bigint> = {};
  const values: [string, bigint][] = [];
  for (const [name, digits] of Object.entries(groups)) {
    if (digits === undefined) continue;
    const value = decimal.includes(name) ? BigInt(digits) : parseHex(digits);
    if (value === undefined) continue;
    if (name === 'spte' || name === 'spte_old' || name === 'spte_new') values.push([name, value]);
    else numbers[name] = value;
  }
  const level = numbers['level'] === undefined ? undefined : Number(numbers['level']);
  const sptes = values.map(([name, value]) => ({
    value,
    level,
    part: name === 'spte' ? undefined : name.slice('spte_'.length),
  }));
  return { sptes, numbers };
}

function bareValues(text: string): readonly bigint[] | undefined {
  if (!VALUES.test(text)) return undefined;
  const words = text.split(/[\s,;]+/).filter(Boolean);
  if (words.some((word) => !/^0x/i.test(word) && word.length < BARE_DIGITS)) return undefined;
  const values = words.map(parseHex);
  return values.every((value) => value !== undefined) ? values : undefined;
}

const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, ' ').trim();
