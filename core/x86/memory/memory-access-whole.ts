/**
 * Accesses to memory that other vCPUs' threads work on meanwhile. An aligned one is a single access, so that nobody sees half
 * of it (SDM vol 3A, "Guaranteed Atomic Operations"). Two things speak against what does for one thread: a DataView moves
 * its bytes one by one until the function around it is compiled, and 64 bits are two halves. Here each aligned access is one
 * of a typed array; 64 bits go as a double, whose bits V8 moves unchanged whatever they spell, and to which they are put
 * together in memory of the vCPU's own.
 */
import type { Cpu } from '../cpu.ts';

/** Eight bytes as the double that passes them to and from the arena, and as halves. */
export class WholeWord {
  readonly double = new Float64Array(1);
  readonly halves = new Int32Array(this.double.buffer);
}

/** The low half is returned; of 8 bytes the high half is left in `cpu.hi`. */
export function loadWhole(cpu: Cpu, at: number, size: number): number {
  const { arena, whole } = cpu;
  if ((at & (size - 1)) !== 0) {
    const { view } = arena;
    if (size === 2) return view.getUint16(at, true);
    if (size === 8) cpu.hi = view.getInt32(at + 4, true);
    return view.getInt32(at, true);
  }
  if (size === 4) return arena.i32[at >> 2];
  if (size === 2) return arena.u16[at >> 1];
  if (size === 1) return arena.u8[at];
  whole.double[0] = arena.f64[at >> 3];
  cpu.hi = whole.halves[1];
  return whole.halves[0];
}

export function storeWhole(cpu: Cpu, at: number, size: number, lo: number, hi: number): void {
  const { arena, whole } = cpu;
  if ((at & (size - 1)) !== 0) {
    const { view } = arena;
    if (size === 2) view.setInt16(at, lo, true);
    else view.setInt32(at, lo, true);
    if (size === 8) view.setInt32(at + 4, hi, true);
  } else if (size === 4) arena.i32[at >> 2] = lo;
  else if (size === 2) arena.u16[at >> 1] = lo;
  else if (size === 1) arena.u8[at] = lo;
  else {
    whole.halves[0] = lo;
    whole.halves[1] = hi;
    arena.f64[at >> 3] = whole.double[0];
  }
}
