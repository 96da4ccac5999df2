/** Pages of zeros: most of a big machine was never touched, and nobody clears, writes down or compares what is not there. */

export const ARENA_PAGE_BYTES = 4096;

/** Whether all of the page at an arena offset is zero, to the last bit (a double's −0 is not). */
export function isZeroPage(i32: Int32Array, offset: number): boolean {
  const end = (offset + ARENA_PAGE_BYTES) >> 2;
  for (let at = offset >> 2; at < end; at += 8) {
    const some =
      i32[at] | i32[at + 1] | i32[at + 2] | i32[at + 3] | i32[at + 4] | i32[at + 5] | i32[at + 6] | i32[at + 7];
    if (some !== 0) return false;
  }
  return true;
}
