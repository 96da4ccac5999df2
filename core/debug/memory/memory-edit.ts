/** Editing memory: all of the bytes or none of them. */
import type { Arena } from '../../arena/arena.ts';
import { PAGE_SIZE } from '../../base/address.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { AddressSpace } from '../../protocol/snapshots.ts';
import { resolveAddress } from './memory-target.ts';

/** A run of bytes that was written; the processors must hear of it. */
export interface WrittenRun {
  readonly offset: number;
  readonly length: number;
}

/** The error says which address cannot be written and why. */
export function writeMemory(
  arena: Arena,
  vcpuId: number,
  space: AddressSpace,
  address: bigint,
  bytes: Uint8Array,
): Result<readonly WrittenRun[], string> {
  const runs: WrittenRun[] = [];
  for (let done = 0; done < bytes.length;) {
    const at = address + BigInt(done);
    const target = resolveAddress(arena, vcpuId, space, at);
    if (target.kind === 'unreadable') return err(`${space} 0x${at.toString(16)} cannot be written: ${target.reason}.`);
    if (target.kind === 'mmio') {
      return err(
        `${space} 0x${at.toString(16)} is not memory but MMIO (gpa 0x${target.gpa.toString(16)} is in no slot); ` +
          'only the guest writes to devices.',
      );
    }
    const length = Math.min(bytes.length - done, PAGE_SIZE - Number(at & 0xfffn));
    runs.push({ offset: target.offset, length });
    done += length;
  }
  let from = 0;
  for (const { offset, length } of runs) {
    arena.u8.set(bytes.subarray(from, from + length), offset);
    from += length;
  }
  return ok(runs);
}
