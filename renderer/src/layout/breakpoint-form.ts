/** A breakpoint as it stands in its form, and what it parses to. */
import {
  BREAKPOINT_KIND_NAMES,
  EXCEPTION_NAMES,
  type BreakpointKind,
  type BreakpointSnapshot,
  type BreakpointSpec,
  type HitMode,
  type SymbolMatch,
} from '@core/protocol/index.ts';
import { formatAddress, formatHex, parseHex, parseSize } from '@core/format/address-text.ts';
import type { MmioOutcome } from '../api/contract-words.ts';

type MmioSpec = Extract<BreakpointSpec, { kind: 'mmio' }>;
type FaultSpec = Extract<BreakpointSpec, { kind: 'page-fault' }>;
type MemslotChange = Extract<BreakpointSpec, { kind: 'memslot' }>['changes'][number];

/** A breakpoint that somebody proposes: the form opens with it. */
export interface BreakpointDraft {
  readonly spec: BreakpointSpec;
  readonly condition?: string;
  readonly vcpu?: number;
}

export interface BreakpointForm {
  kind: BreakpointKind;
  /** Address or symbol of an instruction or of data. */
  place: string;
  space: 'gva' | 'gpa';
  start: string;
  length: string;
  /** A word that the kind has for it. */
  access: string;
  outcomes: MmioOutcome[];
  freshness: MmioSpec['freshness'];
  cause: FaultSpec['cause'];
  privilege: FaultSpec['privilege'];
  vectors: string;
  mask: string;
  level: string;
  slot: string;
  changes: MemslotChange[];
  once: boolean;
  stopAtHit: number;
  hitMode: HitMode;
  condition: string;
  log: string;
  vcpu: string;
}

export type FormField = 'place' | 'space' | 'start' | 'length' | 'access' | 'vectors' | 'mask' | 'level' | 'slot';

/** What each kind is asked beside what all share. MMIO, page faults and memslots have choices of their own as well. */
export const FIELDS_OF_KIND: Readonly<Record<BreakpointKind, readonly FormField[]>> = {
  exec: ['place', 'space', 'length'],
  data: ['place', 'space', 'length', 'access'],
  mmio: ['start', 'length'],
  exception: ['vectors'],
  'page-fault': ['start', 'length'],
  port: ['start', 'length', 'access'],
  spte: ['start', 'length', 'mask', 'level'],
  gpte: ['start', 'length', 'mask'],
  memslot: ['slot'],
  'generation-wrap': [],
  zap: ['start', 'length', 'level'],
};

const DEFAULT_LENGTHS: Partial<Record<BreakpointKind, string>> = { exec: '1', data: '8', port: '1', gpte: '8' };
export const defaultLength = (kind: BreakpointKind): string => DEFAULT_LENGTHS[kind] ?? '0x1000';

export const ACCESSES_OF_KIND: Partial<Record<BreakpointKind, readonly string[]>> = {
  data: ['any', 'read', 'write'],
  mmio: ['any', 'read', 'write'],
  'page-fault': ['any', 'read', 'write', 'fetch'],
  port: ['any', 'in', 'out'],
};

const U64_MAX = (1n << 64n) - 1n;
const GPA_END = 1n << 52n;
const PORTS = 0x1_0000;
/** What an empty field for an address means. */
const WHOLE = { 'page-fault': U64_MAX + 1n, port: BigInt(PORTS) } as const;

export function formOf(breakpoint: BreakpointSnapshot | undefined, draft: BreakpointDraft | undefined): BreakpointForm {
  const spec = breakpoint?.spec ?? draft?.spec;
  const vcpu = breakpoint?.vcpu ?? draft?.vcpu;
  const kind = spec?.kind ?? 'mmio';
  return {
    kind,
    place: '',
    space: 'gva',
    start: '',
    length: defaultLength(kind),
    access: 'any',
    outcomes: [],
    freshness: 'any',
    cause: 'any',
    privilege: 'any',
    vectors: '',
    mask: '',
    level: '',
    slot: '',
    changes: [],
    ...(spec === undefined ? {} : fieldsOf(spec)),
    once: breakpoint?.once ?? false,
    stopAtHit: breakpoint?.stopAtHit ?? 1,
    hitMode: breakpoint?.hitMode ?? 'from',
    condition: breakpoint?.condition ?? draft?.condition ?? '',
    log: breakpoint?.log ?? '',
    vcpu: vcpu === undefined ? '' : String(vcpu),
  };
}

function fieldsOf(spec: BreakpointSpec): Partial<BreakpointForm> {
  switch (spec.kind) {
    case 'exec': {
      const { symbol, address, space = 'gva', length = 1n } = spec;
      return { place: symbol ?? formatAddress(address), space, length: String(length) };
    }
    case 'data':
      return {
        place: spec.symbol ?? formatAddress(spec.start),
        space: spec.space,
        length: String(spec.length),
        access: spec.access,
      };
    case 'mmio': {
      const all = spec.start === 0n && spec.length >= GPA_END;
      return {
        start: all ? '' : formatHex(spec.start),
        length: all ? defaultLength('mmio') : formatHex(spec.length),
        access: spec.access,
        outcomes: [...spec.outcomes],
        freshness: spec.freshness,
      };
    }
    case 'exception':
      return { vectors: spec.vectors.map((vector) => EXCEPTION_NAMES[vector]).join(', ') };
    case 'page-fault': {
      const { access, cause, privilege } = spec;
      const all = spec.start === 0n && spec.length > U64_MAX;
      const length = all ? defaultLength('page-fault') : formatHex(spec.length);
      return { start: all ? '' : formatHex(spec.start), length, access, cause, privilege };
    }
    case 'port': {
      const all = spec.start === 0 && spec.length >= PORTS;
      const length = all ? defaultLength('port') : String(spec.length);
      return { start: all ? '' : formatHex(spec.start), length, access: spec.access };
    }
    case 'spte':
    case 'gpte':
    case 'zap': {
      const all = spec.start === 0n && spec.length >= GPA_END;
      const mask = spec.kind === 'zap' || spec.mask === U64_MAX ? '' : formatHex(spec.mask);
      const level = spec.kind === 'gpte' || spec.level === undefined ? '' : String(spec.level);
      const length = all ? defaultLength(spec.kind) : formatHex(spec.length);
      return { start: all ? '' : formatHex(spec.start), length, mask, level };
    }
    case 'memslot':
      return { slot: spec.slot === undefined ? '' : String(spec.slot), changes: [...spec.changes] };
    case 'generation-wrap':
      return {};
  }
}

export type ParsedBreakpoint =
  | { readonly ok: true; readonly spec: BreakpointSpec }
  | { readonly ok: false; readonly field: FormField; readonly message: string };

const mistake = (field: FormField, message: string): ParsedBreakpoint => ({ ok: false, field, message });

interface Range {
  readonly start: bigint;
  readonly length: bigint;
}

/** Empty means everything. */
function rangeOf(form: BreakpointForm, whole: bigint): Range | ParsedBreakpoint {
  if (form.start.trim() === '') return { start: 0n, length: whole };
  const start = parseHex(form.start);
  if (start === undefined) {
    const what =
      form.kind === 'port'
        ? 'A port is a hexadecimal number: 0x3f8; leave it empty for any.'
        : 'An address is hexadecimal: 0xe0000000; leave it empty for anywhere.';
    return mistake('start', what);
  }
  const length = parseSize(form.length);
  if (length === undefined || length === 0n) return mistake('length', 'A length is a size such as 4K or 0x1000.');
  return { start, length };
}

/** @param symbols what a lookup of `place` has found */
export function parseBreakpoint(form: BreakpointForm, symbols: readonly SymbolMatch[]): ParsedBreakpoint {
  switch (form.kind) {
    case 'exec':
    case 'data':
      return parsePlaced(form, symbols);
    case 'exception':
      return parseVectors(form.vectors);
    case 'memslot': {
      const slot = form.slot.trim();
      if (slot !== '' && !/^[0-9]{1,9}$/.test(slot))
        return mistake('slot', 'A slot is a number; leave it empty for any.');
      const changes = [...form.changes];
      return { ok: true, spec: { kind: 'memslot', changes, ...(slot === '' ? {} : { slot: Number(slot) }) } };
    }
    case 'generation-wrap':
      return { ok: true, spec: { kind: 'generation-wrap' } };
    default:
      return parseRanged(form, form.kind);
  }
}

function parsePlaced(form: BreakpointForm, symbols: readonly SymbolMatch[]): ParsedBreakpoint {
  const place = form.place.trim();
  const symbol = form.space === 'gva' ? symbols.find(({ name }) => name === place) : undefined;
  const address = symbol?.address ?? parseHex(place);
  if (address === undefined) {
    return mistake(
      'place',
      place === ''
        ? 'Say where: an address or a symbol of the image.'
        : `${place} is neither an address nor a symbol of the image.`,
    );
  }
  const length = parseSize(form.length);
  if (length === undefined || length === 0n) return mistake('length', 'A length is a size in bytes such as 8 or 0x10.');
  const named = symbol === undefined ? {} : { symbol: symbol.name };
  const { space } = form;
  if (form.kind === 'data') {
    const access = form.access === 'read' || form.access === 'write' ? form.access : 'any';
    return { ok: true, spec: { kind: 'data', space, start: address, length, access, ...named } };
  }
  const where = space === 'gva' ? {} : { space };
  return { ok: true, spec: { kind: 'exec', address, ...named, ...where, ...(length === 1n ? {} : { length }) } };
}

function parseVectors(text: string): ParsedBreakpoint {
  const vectors: number[] = [];
  for (const word of text.split(/[\s,]+/).filter(Boolean)) {
    const wanted = word.replace(/^#/, '').toLowerCase();
    const named = EXCEPTION_NAMES.findIndex((name) => name.replace('#', '').toLowerCase() === wanted);
    if (named < 0) return mistake('vectors', `${word} is no exception: 0 to 31, or a name such as #UD.`);
    vectors.push(named);
  }
  return { ok: true, spec: { kind: 'exception', vectors } };
}

function parseRanged(
  form: BreakpointForm,
  kind: 'mmio' | 'page-fault' | 'port' | 'spte' | 'gpte' | 'zap',
): ParsedBreakpoint {
  const range = rangeOf(form, kind === 'page-fault' || kind === 'port' ? WHOLE[kind] : GPA_END);
  if ('ok' in range) return range;
  switch (kind) {
    case 'mmio': {
      const { outcomes, freshness } = form;
      const access = form.access === 'read' || form.access === 'write' ? form.access : 'any';
      return { ok: true, spec: { kind, ...range, access, outcomes: [...outcomes], freshness } };
    }
    case 'page-fault': {
      const { cause, privilege } = form;
      const access = (['read', 'write', 'fetch'] as const).find((word) => word === form.access) ?? 'any';
      return { ok: true, spec: { kind, ...range, access, cause, privilege } };
    }
    case 'port': {
      if (range.start + range.length > WHOLE.port) return mistake('start', 'There are 65536 ports.');
      const access = form.access === 'in' || form.access === 'out' ? form.access : 'any';
      return { ok: true, spec: { kind, start: Number(range.start), length: Number(range.length), access } };
    }
    default: {
      const mask = form.mask.trim() === '' ? U64_MAX : parseHex(form.mask);
      if (mask === undefined || mask === 0n)
        return mistake('mask', 'A mask of bits is hexadecimal; leave it empty for all.');
      const level = form.level.trim() === '' ? {} : { level: Number(form.level) };
      if (level.level !== undefined && !(Number.isInteger(level.level) && level.level >= 1 && level.level <= 5)) {
        return mistake('level', 'A level is from 1 to 5; leave it empty for any.');
      }
      if (kind === 'gpte') return { ok: true, spec: { kind, ...range, mask } };
      return { ok: true, spec: kind === 'spte' ? { kind, ...range, mask, ...level } : { kind, ...range, ...level } };
    }
  }
}

export const KINDS_IN_FORM = BREAKPOINT_KIND_NAMES;
