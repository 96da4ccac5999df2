/** Execution breakpoints by gpa or in a range: where in a page instructions are looked at, and whether one is meant. */
import type { Arena } from '../../arena/arena.ts';
import { PAGE_SIZE, u64FromHalves } from '../../base/address.ts';
import type { BreakpointSpec } from '../../protocol/snapshots.ts';
import { translateGva } from '../memory/guest-translation.ts';

export type ExecSpec = BreakpointSpec & { readonly kind: 'exec' };

/** One linear address, which the processor compares by itself. */
export const isExactExec = ({ space, length = 1n }: ExecSpec): boolean => space !== 'gpa' && length === 1n;

export interface PlacedExecution {
  /** By offset in a page, not zero where `isPlaced` is to be asked: gva and gpa agree in it. */
  readonly offsets: Uint8Array;
  readonly isPlaced: (lo: number, hi: number) => boolean;
}

export function placedExecution(arena: Arena, vcpuId: number, specs: readonly ExecSpec[]): PlacedExecution | undefined {
  if (specs.length === 0) return undefined;
  const isPlaced = (lo: number, hi: number): boolean => {
    const gva = u64FromHalves(lo, hi);
    let gpa: bigint | undefined;
    return specs.some(({ space, address, length = 1n }) => {
      if (space === 'gpa') gpa ??= gpaOf(arena, vcpuId, gva);
      const at = space === 'gpa' ? gpa : gva;
      return at !== undefined && at >= address && at < address + length;
    });
  };
  return { offsets: offsetsOf(specs), isPlaced };
}

function gpaOf(arena: Arena, vcpuId: number, gva: bigint): bigint | undefined {
  const gpa = translateGva(arena, vcpuId, gva);
  return gpa.ok ? gpa.value : undefined;
}

function offsetsOf(specs: readonly ExecSpec[]): Uint8Array {
  const offsets = new Uint8Array(PAGE_SIZE);
  for (const { address, length = 1n } of specs) {
    const count = length < BigInt(PAGE_SIZE) ? Number(length) : PAGE_SIZE;
    for (let i = 0; i < count; i++) offsets[(Number(address & 0xfffn) + i) % PAGE_SIZE] = 1;
  }
  return offsets;
}
