/** Breakpoints as requests, files and machine states hold them, checked before they are believed. */
import * as v from 'valibot';
import { MMIO_OUTCOMES } from '../base/mmio-outcomes.ts';

const U64_MAX = (1n << 64n) - 1n;
const u64 = v.pipe(v.bigint(), v.minValue(0n), v.maxValue(U64_MAX));
const integer = (low: number, high: number) => v.pipe(v.number(), v.integer(), v.minValue(low), v.maxValue(high));
const text = (max: number) => v.pipe(v.string(), v.maxLength(max));

/** Longer than the language allows, so that the language can say it. */
export const MAX_EXPRESSION_TEXT = 4096;

/** Up to the whole of a 64-bit space. */
const rangeLength = v.pipe(v.bigint(), v.minValue(1n), v.maxValue(U64_MAX + 1n));
const gvaOrGpa = v.picklist(['gva', 'gpa']);

export const breakpointSpecSchema = v.variant('kind', [
  v.strictObject({
    kind: v.literal('exec'),
    address: u64,
    symbol: v.optional(text(256)),
    space: v.optional(gvaOrGpa),
    length: v.optional(rangeLength),
  }),
  v.strictObject({
    kind: v.literal('data'),
    space: gvaOrGpa,
    start: u64,
    length: rangeLength,
    access: v.picklist(['any', 'read', 'write']),
    symbol: v.optional(text(256)),
  }),
  v.strictObject({ kind: v.literal('exception'), vectors: v.pipe(v.array(integer(0, 31)), v.maxLength(32)) }),
  v.strictObject({
    kind: v.literal('page-fault'),
    start: u64,
    length: rangeLength,
    access: v.picklist(['any', 'read', 'write', 'fetch']),
    cause: v.picklist(['any', 'not-present', 'protection', 'reserved']),
    privilege: v.picklist(['any', 'user', 'supervisor']),
  }),
  v.strictObject({
    kind: v.literal('port'),
    start: integer(0, 0xffff),
    length: integer(1, 0x1_0000),
    access: v.picklist(['any', 'in', 'out']),
  }),
  v.strictObject({
    kind: v.literal('spte'),
    start: u64,
    length: rangeLength,
    mask: v.pipe(u64, v.minValue(1n)),
    level: v.optional(integer(1, 5)),
  }),
  v.strictObject({ kind: v.literal('gpte'), start: u64, length: rangeLength, mask: v.pipe(u64, v.minValue(1n)) }),
  v.strictObject({
    kind: v.literal('memslot'),
    slot: v.optional(integer(0, 0xffff_ffff)),
    changes: v.pipe(v.array(v.picklist(['CREATE', 'DELETE', 'MOVE', 'FLAGS_ONLY'])), v.maxLength(4)),
  }),
  v.strictObject({ kind: v.literal('generation-wrap') }),
  v.strictObject({
    kind: v.literal('zap'),
    start: u64,
    length: rangeLength,
    level: v.optional(integer(1, 5)),
  }),
  v.strictObject({
    kind: v.literal('mmio'),
    start: u64,
    length: v.pipe(u64, v.minValue(1n)),
    access: v.picklist(['any', 'read', 'write']),
    outcomes: v.pipe(v.array(v.picklist(MMIO_OUTCOMES)), v.maxLength(6)),
    freshness: v.picklist(['any', 'fresh', 'stale']),
  }),
]);

const HIT_MODES = ['from', 'at', 'every'] as const;

/** A breakpoint as it is asked for; files of breakpoints hold these. */
export const breakpointAddSchema = v.strictObject({
  spec: breakpointSpecSchema,
  enabled: v.optional(v.boolean(), true),
  once: v.optional(v.boolean(), false),
  stopAtHit: v.optional(integer(1, 2 ** 31), 1),
  hitMode: v.optional(v.picklist(HIT_MODES), 'from'),
  condition: v.optional(text(MAX_EXPRESSION_TEXT), ''),
  log: v.optional(text(MAX_EXPRESSION_TEXT), ''),
  vcpu: v.optional(integer(0, 7)),
});
export type BreakpointWish = v.InferOutput<typeof breakpointAddSchema>;
export const MAX_BREAKPOINTS = 256;

export const breakpointUpdateSchema = v.strictObject({
  id: integer(1, 2 ** 31),
  spec: v.optional(breakpointSpecSchema),
  enabled: v.optional(v.boolean()),
  once: v.optional(v.boolean()),
  stopAtHit: v.optional(integer(1, 2 ** 31)),
  hitMode: v.optional(v.picklist(HIT_MODES)),
  condition: v.optional(text(MAX_EXPRESSION_TEXT)),
  log: v.optional(text(MAX_EXPRESSION_TEXT)),
  /** −1: any vCPU again. */
  vcpu: v.optional(integer(-1, 7)),
});
