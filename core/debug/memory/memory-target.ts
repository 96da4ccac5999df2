/**
 * What lies behind an address of any space, found by probes only: no accessed bit is set, no TLB filled, nothing faults.
 * One answer holds for the rest of the page.
 */
import type { Arena } from '../../arena/arena.ts';
import { PAGE_OFFSET_MASK } from '../../base/address.ts';
import { KVM_MEMSLOT_INVALID } from '../../kvm/memslots/limits.ts';
import { gfnToMemslot, hvaToRamOffset, memslotFlags, slotGfnToHva } from '../../kvm/memslots/memslots.ts';
import type { AddressSpace } from '../../protocol/snapshots.ts';
import { translateGva } from './guest-translation.ts';

export type MemoryTarget =
  /** Arena offset of the byte. */
  | { readonly kind: 'ram'; readonly offset: number; readonly slot: number }
  /** No slot: KVM would treat an access as MMIO. */
  | { readonly kind: 'mmio'; readonly gpa: bigint }
  /** A sentence's worth of why. */
  | { readonly kind: 'unreadable'; readonly reason: string };

const PAGE_OFFSET = BigInt(PAGE_OFFSET_MASK);
const GPA_BITS = 52n;
const ADDRESS_BITS = 64n;

export function resolveAddress(arena: Arena, vcpuId: number, space: AddressSpace, address: bigint): MemoryTarget {
  if (address >> ADDRESS_BITS !== 0n) return { kind: 'unreadable', reason: 'there is no such address' };
  switch (space) {
    case 'hva':
      return resolveHva(arena, address);
    case 'gpa':
      return resolveGpa(arena, address);
    case 'gva': {
      const walked = translateGva(arena, vcpuId, address);
      return walked.ok ? resolveGpa(arena, walked.value) : { kind: 'unreadable', reason: walked.error };
    }
  }
}

export function resolveGpa(arena: Arena, gpa: bigint): MemoryTarget {
  if (gpa >> GPA_BITS !== 0n) return { kind: 'unreadable', reason: 'no guest physical address has more than 52 bits' };
  const gfn = Number(gpa >> 12n);
  const slot = gfnToMemslot(arena, gfn);
  if (slot < 0 || (memslotFlags(arena, slot) & KVM_MEMSLOT_INVALID) !== 0) return { kind: 'mmio', gpa };
  const page = hvaToRamOffset(arena, slotGfnToHva(arena, slot, gfn));
  if (page < 0) return { kind: 'unreadable', reason: 'its slot maps an hva behind which the host has nothing' };
  return { kind: 'ram', offset: page + Number(gpa & PAGE_OFFSET), slot };
}

function resolveHva(arena: Arena, hva: bigint): MemoryTarget {
  const offset = hvaToRamOffset(arena, hva);
  if (offset < 0) return { kind: 'unreadable', reason: 'the host has nothing mapped at this hva' };
  return { kind: 'ram', offset, slot: -1 };
}
