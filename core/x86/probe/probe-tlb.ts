/** What the TLB holds for an address, without using it. */
import type { Arena } from '../../arena/arena.ts';
import { highHalf, lowHalf } from '../../base/address.ts';
import type { AccessKind } from '../../base/machine-modes.ts';
import { vcpuWords } from './probe-second-level.ts';
import { notedTag, T_EXEC, T_HIGH, T_PAGE, T_READ, T_WRITE, tlbEntryOf } from '../tlb/tlb.ts';

/** Arena offset of the byte when an access of that kind would hit the TLB, else undefined. */
export function probeTlb(
  arena: Arena,
  vcpuId: number,
  gva: bigint,
  access: AccessKind,
  user: boolean,
): number | undefined {
  const r = vcpuWords(arena, vcpuId);
  const lo = lowHalf(gva);
  const entry = tlbEntryOf(user, lo);
  const tag = lo | 0xfff;
  if (r[entry + T_HIGH] !== highHalf(gva)) return undefined;
  const hit =
    access === 'read'
      ? notedTag(r[entry + T_READ]) === notedTag(tag)
      : access === 'fetch'
        ? r[entry + T_EXEC] === tag
        : notedTag(r[entry + T_WRITE]) === notedTag(tag);
  return hit ? r[entry + T_PAGE] + (lo & 0xfff) : undefined;
}
