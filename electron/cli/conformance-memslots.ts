/**
 * `conformance memslots FILE…`: replays recordings of a real kernel's memslot ioctls. One line of a file is one fresh VM: a
 * JSON array of calls with the results that the kernel gave.
 */
import * as v from 'valibot';
import { createArena, type Arena } from '../../core/arena/arena.ts';
import { getDirtyLog, type DirtyLogMmu } from '../../core/kvm/memslots/dirty-log.ts';
import { LIMITS_V6_18 } from '../../core/kvm/memslots/limits.ts';
import { setMemoryRegion, type MemslotMmu } from '../../core/kvm/memslots/memslot-update.ts';
import { recordedLines } from './conformance-recording.ts';

const hexU64 = v.pipe(
  v.string(),
  v.regex(/^0x[0-9a-f]{1,16}$/i),
  v.transform((text) => BigInt(text)),
);
const u32 = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff));
const callSchema = v.variant('op', [
  v.object({
    op: v.literal('setUserMemoryRegion'),
    slot: u32,
    flags: u32,
    gpa: hexU64,
    size: hexU64,
    hva: hexU64,
    result: v.string(),
  }),
  v.object({ op: v.literal('getDirtyLog'), slot: u32, result: v.string() }),
]);
const recordingSchema = v.array(callSchema);
type Call = v.InferOutput<typeof callSchema>;

/** No vCPU runs and no spte exists in these recordings, so a memslot change finds nothing to do in the MMU. */
const noShadowPages: MemslotMmu & DirtyLogMmu = {
  synchronizeReaders() {},
  flushShadowMemslot() {},
  commitMemoryRegion() {},
  memslotsUpdated() {},
  writeProtectMasked() {},
  flushRemoteTlbs() {},
};

/** Fresh VMs one after the other, in one buffer that is wiped between them. */
function freshArenas(): () => Arena {
  let buffer: SharedArrayBuffer | undefined;
  const config = { ramBytes: 4096, vcpus: 1, memslots: LIMITS_V6_18.memSlots, shadowPages: 64, traceRecords: 64 };
  return () =>
    createArena(config, (bytes) => {
      if (buffer === undefined) buffer = new SharedArrayBuffer(bytes);
      else new Uint8Array(buffer).fill(0);
      return buffer;
    });
}

interface Answer {
  readonly result: string;
  readonly why: string;
}

function answerOf(arena: Arena, call: Call): Answer {
  const answer =
    call.op === 'getDirtyLog'
      ? getDirtyLog(arena, LIMITS_V6_18, noShadowPages, call.slot)
      : setMemoryRegion(arena, LIMITS_V6_18, noShadowPages, {
          slot: call.slot,
          flags: call.flags,
          guestPhysAddr: call.gpa,
          memorySize: call.size,
          userspaceAddr: call.hva,
        });
  if (!answer.ok) return { result: answer.error.errno, why: `${answer.error.check}: ${answer.error.message}` };
  return { result: 'OK', why: 'every check passed' };
}

function callText(call: Call): string {
  if (call.op === 'getDirtyLog') return `getDirtyLog slot=${call.slot}`;
  const hex = (value: bigint): string => `0x${value.toString(16)}`;
  const where = `gpa=${hex(call.gpa)} size=${hex(call.size)} hva=${hex(call.hva)}`;
  return `setUserMemoryRegion slot=${call.slot} flags=0x${call.flags.toString(16)} ${where}`;
}

function parseRecording(json: unknown): readonly Call[] | string {
  const parsed = v.safeParse(recordingSchema, json);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  return `is not a recording: ${v.getDotPath(issue) ?? 'the line'}: ${issue.message}`;
}

/**
 * Replays the files, one output line per call that went otherwise than recorded, and a summary.
 * @param complain for what is wrong with a file
 * @returns 0 when all went as recorded, 1 when not, 2 when a file cannot be read or is no recording
 */
export function conformanceMemslots(files: readonly string[], write: (line: string) => void, complain = write): number {
  const nextArena = freshArenas();
  let passed = 0;
  let failed = 0;
  let machines = 0;
  for (const file of files) {
    const lines = recordedLines(file);
    if (!lines.ok) {
      complain(lines.error);
      return 2;
    }
    for (const { number: line, json } of lines.value) {
      const place = `${file}:${line}`;
      const calls = parseRecording(json);
      if (typeof calls === 'string') {
        complain(`${place} ${calls}`);
        return 2;
      }
      machines++;
      const arena = nextArena();
      for (const [number, call] of calls.entries()) {
        const { result, why } = answerOf(arena, call);
        if (result === call.result) {
          passed++;
          continue;
        }
        failed++;
        write(`${place} call ${number + 1}: ${callText(call)}: recorded ${call.result}, got ${result} (${why})`);
      }
    }
  }
  write(`memslots: ${machines} VMs, ${passed} calls passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
