/**
 * The numbers within a line of Umbra's own words that a reader can follow, found by what stands in front of them. Others are none
 * that lead anywhere: sizes, counts, hpas.
 */
import { parseHex } from './address-text.ts';
import { traceNumbers, type TraceNumber } from './ftrace-numbers.ts';

export type TextNumber =
  | TraceNumber
  /** Instructions retired: a moment. */
  | { readonly kind: 'insns'; readonly value: number }
  | { readonly kind: 'register'; readonly name: string; readonly value: bigint };

export interface TextSegment {
  readonly text: string;
  readonly number: TextNumber | undefined;
}

interface Found {
  readonly at: number;
  readonly end: number;
  readonly number: TextNumber;
}

/** Each group that matches is a number; a register's name stands in the group in front of it. */
interface Rule {
  readonly pattern: RegExp;
  number(digits: string, match: RegExpMatchArray): TextNumber | undefined;
}

const MAX_GFN = 2n ** 40n;
const MAX_GENERATION = 0xffff_ffffn;

function addressOf(space: string, digits: string): TextNumber | undefined {
  const value = parseHex(digits);
  if (value === undefined) return undefined;
  switch (space) {
    case 'gfn':
    case 'gfns':
      return value < MAX_GFN ? { kind: 'gfn', value: Number(value) } : undefined;
    case 'gpa':
    case 'hva':
      return { kind: space, value };
    case 'rip':
    case 'code':
      return { kind: 'code', value };
    default:
      return { kind: 'gva', value };
  }
}

const big =
  (kind: 'code' | 'gpa' | 'spte' | 'value') =>
  (digits: string): TextNumber | undefined => {
    const value = parseHex(digits);
    return value === undefined ? undefined : { kind, value };
  };

const generation = (digits: string): TextNumber | undefined => {
  const value = parseHex(digits);
  return value === undefined || value > MAX_GENERATION ? undefined : { kind: 'generation', value: Number(value) };
};

const insns = (digits: string): TextNumber | undefined => {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? { kind: 'insns', value } : undefined;
};

const register = (digits: string, match: RegExpMatchArray): TextNumber | undefined => {
  const value = parseHex(digits);
  return value === undefined ? undefined : { kind: 'register', name: match[1], value };
};

const RULES: readonly Rule[] = [
  // gpa 0xfee00000, gfn 0xfee00, rip 0x100034; a range of them: gpa 0xe0000000–0xe0000fff, gpa [0x0, 0xa0000).
  {
    pattern: /\b(?:gva|gpa|hva|gfns?|rip|rsp) (0x[0-9a-f]{1,16})\b(?:–(0x[0-9a-f]{1,16})\b)?/dgi,
    number: (digits, match) => addressOf(match[0].slice(0, match[0].indexOf(' ')).toLowerCase(), digits),
  },
  {
    pattern: /\b(?:gva|gpa|hva|gfn) \[(0x[0-9a-f]{1,16}), (0x[0-9a-f]{1,16})\)/dgi,
    number: (digits, match) => addressOf(match[0].slice(0, 3).toLowerCase(), digits),
  },
  // As disassembly begins its lines; and where breakpoints stand.
  { pattern: /^(?:=> | {3})(0x[0-9a-f]{1,16})(?=[: ])/dg, number: big('code') },
  {
    pattern:
      /\b(?:execution at(?: [\w.$]+)? \(?|reached |breakpoint \d+ at )(0x[0-9a-f]{1,16})\b(?:–(0x[0-9a-f]{1,16})\b)?/dg,
    number: big('code'),
  },
  { pattern: /\bMMIO (?:read|write|fetch) of (0x[0-9a-f]{1,16})\b/dg, number: big('gpa') },
  // sptep 0x…: VALUE, spte VALUE, last entry, level 1: VALUE; and VALUE at the beginning of what is said of it.
  { pattern: /\b(?:sptep 0x[0-9a-f]+:|spte|last entry, level \d:) (0x[0-9a-f]{1,16})\b/dg, number: big('spte') },
  { pattern: /^(0x[0-9a-f]{16}) {2}(?=MMIO|present|not present|special)/dg, number: big('spte') },
  // The memslots' own generation, which is a count in decimal, is another one.
  {
    pattern: /\b(?:generation(?: is)?|gen|current(?: one is)?) (0x[0-9a-f]{1,8})\b(?:–(0x[0-9a-f]{1,8})\b)?/dg,
    number: generation,
  },
  { pattern: /\b(?:after|at) (\d+)(?= instructions|:| vCPU)/dg, number: insns },
  { pattern: /(?<=^| )([a-z][a-z0-9_]+) ([0-9a-f]{16})(?= |$)/dg, number: register },
  { pattern: /^([a-z][a-z0-9_]+) = (0x[0-9a-f]{1,16})(?= |$)/dg, number: register },
  { pattern: /\bval (0x[0-9a-f]{1,16})\b/dg, number: big('value') },
];

/** `67718973 vcpu 0 kvm_mmio: …`, as the console shows what was traced. */
const TRACED = /^(\d+)( vcpu \d+ (\w+): )/d;

/**
 * @param addressSpace what the address of a traced page fault is: a gpa under EPT and NPT, a gva under the shadow MMU
 * @returns the line in segments, in order
 */
export function textNumbers(line: string, addressSpace: 'gva' | 'gpa' = 'gpa'): readonly TextSegment[] {
  const traced = TRACED.exec(line);
  if (traced === null)
    return segmentsOf(
      line,
      RULES.flatMap((rule) => foundBy(rule, line)),
    );
  const [head, count, between, event] = traced;
  return [
    { text: count, number: insns(count) },
    { text: between, number: undefined },
    ...traceNumbers(event, line.slice(head.length), addressSpace),
  ];
}

function foundBy({ pattern, number }: Rule, line: string): readonly Found[] {
  return [...line.matchAll(pattern)].flatMap((match) =>
    (match.indices ?? []).slice(1).flatMap((span, i) => {
      const text = match[i + 1];
      if (span === undefined || text === undefined || !/^(?:0x|[0-9a-f]{16}$|\d+$)/.test(text)) return [];
      const meant = number(text, match);
      return meant === undefined ? [] : [{ at: span[0], end: span[1], number: meant }];
    }),
  );
}

/** Of what two rules found at one place, the first in the text counts. */
function segmentsOf(line: string, found: readonly Found[]): readonly TextSegment[] {
  const segments: TextSegment[] = [];
  let done = 0;
  for (const { at, end, number } of found.toSorted((a, b) => a.at - b.at)) {
    if (at < done) continue;
    if (at > done) segments.push({ text: line.slice(done, at), number: undefined });
    segments.push({ text: line.slice(at, end), number });
    done = end;
  }
  if (done < line.length) segments.push({ text: line.slice(done), number: undefined });
  return segments;
}
