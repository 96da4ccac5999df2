/**
 * Memslot scripts: one call a line, as docs/FORMATS.md describes them. Pure; what a script does to a machine is its
 * reader's business (`slots SCRIPT`, `run --slots SCRIPT`).
 */
import { HVA_BASE } from '../base/address.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { UserMemoryRegion } from '../protocol/snapshots.ts';
import { parseInteger, quoteText } from './integer-text.ts';
import { parseMemslotFlags } from './memslot-text.ts';

/** UTF-8 spends four bytes a character at most: a file that is longer cannot be a script and is not read. */
export const MAX_SCRIPT_BYTES = 16 * 1024 * 1024;
export const MAX_SCRIPT_CHARACTERS = MAX_SCRIPT_BYTES / 4;
export const MAX_SCRIPT_STEPS = 100_000;

export type SlotAction =
  | { readonly kind: 'set'; readonly region: UserMemoryRegion }
  | { readonly kind: 'delete'; readonly slot: number }
  | { readonly kind: 'dirty-log'; readonly slot: number }
  /** The debugging aid: as if that many changes had happened. */
  | { readonly kind: 'generation'; readonly generation: bigint };

export interface SlotStep {
  /** Counted from 1. */
  readonly line: number;
  /** The call as written, without `at`, comment and surrounding blanks, for reports. */
  readonly text: string;
  /** Instructions retired when it is due; 0 where the line says nothing. */
  readonly at: number;
  readonly action: SlotAction;
}

/** Where a script is wrong: line and column count from 1. */
export interface SlotScriptError {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

interface Word {
  readonly text: string;
  readonly column: number;
}

type Parsed<T> = Result<T, Omit<SlotScriptError, 'line'>>;

const fault = (
  column: number,
  message: string,
): { readonly ok: false; readonly error: { column: number; message: string } } => err({ column, message });

const FIELDS: Readonly<Record<SlotAction['kind'], readonly string[]>> = {
  set: ['slot', 'gpa', 'size', 'hva', 'flags'],
  delete: ['slot'],
  'dirty-log': ['slot'],
  generation: [],
};
const OPTIONAL = new Set(['flags']);
const isCommand = (text: string): text is SlotAction['kind'] => Object.hasOwn(FIELDS, text);
const COMMANDS = Object.keys(FIELDS).join(', ');

const UNITS: Readonly<Record<string, bigint>> = { k: 1n << 10n, m: 1n << 20n, g: 1n << 30n };

/** @returns the steps in the order of the script; `at` never goes back */
export function parseSlotScript(script: string): Result<readonly SlotStep[], SlotScriptError> {
  if (script.length > MAX_SCRIPT_CHARACTERS) {
    return err({ line: 1, column: 1, message: `the script is longer than ${MAX_SCRIPT_CHARACTERS} characters` });
  }
  const steps: SlotStep[] = [];
  let latest = 0;
  for (const [index, whole] of script.split('\n').entries()) {
    const line = index + 1;
    const text = whole.replace(/#.*$/s, '').trimEnd();
    const words = wordsOf(text);
    if (words.length === 0) continue;
    if (steps.length === MAX_SCRIPT_STEPS) {
      return err({ line, column: 1, message: `the script has more than ${MAX_SCRIPT_STEPS} calls` });
    }
    const parsed = parseStep(text, words, latest);
    if (!parsed.ok) return err({ line, ...parsed.error });
    latest = parsed.value.at;
    steps.push({ line, ...parsed.value });
  }
  return ok(steps);
}

const wordsOf = (text: string): readonly Word[] =>
  Array.from(text.matchAll(/[^\s]+/g), (match) => ({ text: match[0], column: match.index + 1 }));

function parseStep(text: string, words: readonly Word[], latest: number): Parsed<Omit<SlotStep, 'line'>> {
  let at = latest;
  let rest = words;
  if (words[0].text === 'at') {
    const count = words.length < 2 ? undefined : words[1];
    const insns = count === undefined ? undefined : parseInteger(count.text);
    if (count === undefined || insns === undefined || insns > BigInt(Number.MAX_SAFE_INTEGER)) {
      const column = count?.column ?? words[0].column + 2;
      return fault(column, `'at' wants a number of retired instructions behind it, like: at 100000 delete slot=3`);
    }
    if (Number(insns) < latest) {
      return fault(
        count.column,
        `${insns} lies before the line above, which is due at ${latest}: sort the script by time`,
      );
    }
    at = Number(insns);
    rest = words.slice(2);
  }
  if (rest.length === 0) return fault(words[1].column + words[1].text.length, `a command must follow: ${COMMANDS}`);
  const action = parseAction(rest[0], rest.slice(1));
  return action.ok ? ok({ text: text.slice(rest[0].column - 1), at, action: action.value }) : action;
}

function parseAction(command: Word, operands: readonly Word[]): Parsed<SlotAction> {
  if (!isCommand(command.text)) {
    return fault(command.column, `${quoteText(command.text)} is not a command: use ${COMMANDS}`);
  }
  if (command.text === 'generation') return parseGeneration(command, operands);
  const fields = parseFields(command.text, command, operands);
  if (!fields.ok) return fields;
  const slot = parseSlot(fields.value);
  if (!slot.ok) return slot;
  if (command.text !== 'set') return ok({ kind: command.text, slot: slot.value });
  const gpa = parseValue(fields.value, 'gpa');
  if (!gpa.ok) return gpa;
  const size = parseSizeValue(fields.value);
  if (!size.ok) return size;
  const hva = parseHva(fields.value);
  if (!hva.ok) return hva;
  const flags = parseFlags(fields.value);
  if (!flags.ok) return flags;
  const region = {
    slot: slot.value,
    flags: flags.value,
    guestPhysAddr: gpa.value,
    memorySize: size.value,
    userspaceAddr: hva.value,
  };
  return ok({ kind: 'set', region });
}

function parseGeneration(command: Word, operands: readonly Word[]): Parsed<SlotAction> {
  const [operand, extra] = operands;
  const generation = operand === undefined ? undefined : parseInteger(operand.text);
  if (operand === undefined || generation === undefined) {
    const column = operand?.column ?? command.column + command.text.length;
    return fault(column, `'generation' wants a number of up to 64 bits behind it, like: generation 0x7fff0`);
  }
  if (extra !== undefined)
    return fault(extra.column, `nothing may follow the number, but here is ${quoteText(extra.text)}`);
  return ok({ kind: 'generation', generation });
}

type Fields = ReadonlyMap<string, Word>;

/** `name=value` words by name. The value's column is that of its first character. */
function parseFields(kind: SlotAction['kind'], command: Word, operands: readonly Word[]): Parsed<Fields> {
  const wanted = FIELDS[kind];
  const fields = new Map<string, Word>();
  for (const { text, column } of operands) {
    const equals = text.indexOf('=');
    if (equals <= 0) return fault(column, `${quoteText(text)} is not of the form name=value, like slot=3`);
    const name = text.slice(0, equals);
    if (!wanted.includes(name)) {
      return fault(column, `'${kind}' has no field ${quoteText(name)}: it takes ${wanted.join(', ')}`);
    }
    if (fields.has(name)) return fault(column, `${name} is given twice`);
    fields.set(name, { text: text.slice(equals + 1), column: column + equals + 1 });
  }
  const missing = wanted.find((name) => !fields.has(name) && !OPTIONAL.has(name));
  if (missing === undefined) return ok(fields);
  const last = operands.at(-1) ?? command;
  return fault(last.column + last.text.length, `'${kind}' needs ${missing}=…`);
}

const fieldOf = (fields: Fields, name: string): Word => fields.get(name) ?? { text: '', column: 1 };

function parseValue(fields: Fields, name: string): Parsed<bigint> {
  const { text, column } = fieldOf(fields, name);
  const value = parseInteger(text);
  return value === undefined
    ? fault(column, `${name}=${quoteText(text)} is not a number of up to 64 bits: write it like 0xfee00000 or 4096`)
    : ok(value);
}

function parseSlot(fields: Fields): Parsed<number> {
  const value = parseValue(fields, 'slot');
  if (!value.ok) return value;
  if (value.value > 0xffff_ffffn) return fault(fieldOf(fields, 'slot').column, 'a slot number has at most 32 bits');
  return ok(Number(value.value));
}

/** A number, with K, M or G behind it if wanted. */
function parseSizeValue(fields: Fields): Parsed<bigint> {
  const { text, column } = fieldOf(fields, 'size');
  const unit = /^[0-9]+[kmg]$/i.test(text) ? UNITS[text.slice(-1).toLowerCase()] : undefined;
  const value = parseInteger(unit === undefined ? text : text.slice(0, -1));
  const bytes = value === undefined ? undefined : value * (unit ?? 1n);
  return bytes === undefined || bytes >= 1n << 64n
    ? fault(column, `size=${quoteText(text)} is not a size of up to 64 bits: write it like 0x1000, 4096 or 4K`)
    : ok(bytes);
}

/** A user address, or `ram` or `ram+OFFSET` for where the VMM's own mapping of guest memory begins. */
function parseHva(fields: Fields): Parsed<bigint> {
  const { text, column } = fieldOf(fields, 'hva');
  if (text === 'ram') return ok(HVA_BASE);
  if (!text.startsWith('ram+')) return parseValue(fields, 'hva');
  const offset = parseInteger(text.slice(4));
  return offset === undefined || offset + HVA_BASE >= 1n << 64n
    ? fault(column + 4, `${quoteText(text.slice(4))} is not an offset into guest memory: write it like ram+0x100000`)
    : ok(HVA_BASE + offset);
}

function parseFlags(fields: Fields): Parsed<number> {
  const word = fields.get('flags');
  if (word === undefined) return ok(0);
  const flags = parseMemslotFlags(word.text);
  return flags.ok ? flags : fault(word.column, flags.error);
}
