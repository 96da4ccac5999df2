/** What a machine state says of itself beside the arena and the image: the META chunk of docs/FORMATS.md, "Machine states". */
import * as v from 'valibot';
import { MMIO_OUTCOMES } from '../base/mmio-outcomes.ts';
import { BREAKPOINT_KIND_NAMES } from './breakpoint-kinds.ts';
import { breakpointAddSchema, machineOptionsSchema } from './requests.ts';
import type { BreakpointSnapshot } from './snapshots.ts';

const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
const integer = (low: number, high: number) => v.pipe(v.number(), v.integer(), v.minValue(low), v.maxValue(high));
const count = integer(0, Number.MAX_SAFE_INTEGER);
const u64 = v.pipe(v.bigint(), v.minValue(0n), v.maxValue((1n << 64n) - 1n));
const vcpu = integer(0, 7);

export const MAX_SAVED_BREAKPOINTS = 1000;
export const MAX_SAVED_EVENTS = 4096;
export const MAX_SAVED_SERIAL = 262_144;

/** Why a condition had no value. */
const problem = v.optional(text(1000));

const eventFieldSchema = v.pipe(
  v.strictObject({ name: text(40), value: u64, word: v.optional(text(80)) }),
  v.transform(({ word, ...field }) => ({ ...field, word })),
);

/** Why the machine stands, as far as that means anything to whoever opens the state. */
export const savedReasonSchema = v.variant('kind', [
  v.strictObject({ kind: v.picklist(['none', 'loaded', 'paused', 'step', 'halted']) }),
  v.strictObject({ kind: v.literal('run-to'), address: u64 }),
  v.strictObject({ kind: v.literal('breakpoint'), id: count, vcpu, address: u64, problem }),
  v.strictObject({
    kind: v.literal('mmio-breakpoint'),
    id: count,
    vcpu,
    fault: v.strictObject({
      gva: u64,
      gpa: u64,
      access: v.picklist(['read', 'write', 'fetch']),
      outcome: v.picklist(MMIO_OUTCOMES),
      spteGen: integer(-1, 2 ** 31),
      kvmGen: integer(-1, 2 ** 31),
    }),
    problem,
  }),
  v.strictObject({
    kind: v.literal('event-breakpoint'),
    id: count,
    /** −1: user space did it. */
    vcpu: integer(-1, 7),
    event: v.strictObject({
      kind: v.picklist(BREAKPOINT_KIND_NAMES),
      text: text(1000),
      fields: v.pipe(v.array(eventFieldSchema), v.maxLength(16)),
    }),
    problem,
  }),
  v.strictObject({ kind: v.literal('exited'), status: integer(0, 255) }),
  v.strictObject({ kind: v.literal('shutdown'), detail: text(1000), vcpu: v.exactOptional(vcpu) }),
  v.strictObject({ kind: v.literal('error'), message: text(1000), vcpu: v.exactOptional(vcpu) }),
]);
export type SavedReason = v.InferOutput<typeof savedReasonSchema>;

/** An instruction in front of which the machine has stopped already. */
export const stopPlaceSchema = v.strictObject({
  vcpu,
  kind: v.picklist(['exec', 'mmio']),
  insns: count,
  ripLo: integer(-(2 ** 31), 2 ** 31 - 1),
  ripHi: integer(-(2 ** 31), 2 ** 31 - 1),
});
export type SavedStopPlace = v.InferOutput<typeof stopPlaceSchema>;

/** What a vCPU stands in front of and has been told of: it is not met again. */
export const savedMeetingSchema = v.strictObject({
  vcpu,
  kind: v.picklist(['port', 'exception', 'page-fault']),
  vector: integer(0, 255),
  insns: count,
  rip: u64,
});

/** What a vCPU has done on its way to its stop for another's sake, and nobody has been told of: told when it goes on. */
export const savedEventSchema = v.strictObject({
  vcpu,
  kind: v.picklist(BREAKPOINT_KIND_NAMES),
  /** The breakpoint that it is for; 0: whichever matches. */
  target: count,
  values: v.pipe(v.array(u64), v.maxLength(8)),
});

export const MAX_SAVED_MEETINGS = 64;
export const MAX_SAVED_UNTOLD = 8 * 1024;

export const savedBreakpointSchema = v.strictObject({
  id: count,
  hits: count,
  breakpoint: breakpointAddSchema,
});

const generationEventSchema = v.strictObject({
  insns: count,
  kind: v.picklist(['create', 'delete', 'move', 'flags', 'set', 'zap']),
  slot: integer(-1, 0xffff_ffff),
  before: integer(-1, Number.MAX_SAFE_INTEGER),
  after: integer(-1, Number.MAX_SAFE_INTEGER),
  text: text(1000),
});

export const machineStateSchema = v.strictObject({
  /** Path of the image, or the name of a guest that comes with the program. The image itself is in the state. */
  image: text(4096),
  options: machineOptionsSchema,
  state: v.picklist(['paused', 'halted', 'exited', 'shutdown', 'error']),
  reason: savedReasonSchema,
  stops: v.pipe(v.array(stopPlaceSchema), v.maxLength(8)),
  /** Undefined in format 1, where `reason` alone says what is stood in front of. */
  met: v.optional(v.pipe(v.array(savedMeetingSchema), v.maxLength(MAX_SAVED_MEETINGS))),
  untold: v.optional(v.pipe(v.array(savedEventSchema), v.maxLength(MAX_SAVED_UNTOLD)), []),
  breakpoints: v.pipe(v.array(savedBreakpointSchema), v.maxLength(MAX_SAVED_BREAKPOINTS)),
  history: v.pipe(v.array(generationEventSchema), v.maxLength(MAX_SAVED_EVENTS)),
  /** What the guest sent on its serial line, a character a byte. */
  serial: v.pipe(v.string(), v.maxLength(MAX_SAVED_SERIAL)),
});
export type MachineStateMeta = v.InferOutput<typeof machineStateSchema>;

/** What `breakpoints.add` would be asked to set a breakpoint again. */
export function breakpointAsked(breakpoint: BreakpointSnapshot): v.InferOutput<typeof breakpointAddSchema> {
  const fields = Object.keys(breakpointAddSchema.entries);
  return v.parse(
    breakpointAddSchema,
    Object.fromEntries(Object.entries(breakpoint).filter(([name]) => fields.includes(name))),
  );
}
