/** Where random scripts go: places and host memory of slots, frames that guest entries may map, and the gvas of accesses. */
import { ALIAS, PAGE, TABLES, TABLES_SEEN, UPPER_HALF, WINDOWS } from './audit-world.ts';

/** Where slots may lie: two that overlap, one for large pages, one over a hole that is also read without a slot. */
export const PLACES = [0x100_0000, 0x100_4000, 0x200_0000, 0xe000_0000] as const;
/** Host memory of slots, by frame: data, data at a 2 MiB boundary, the home's data, the guest's tables. */
export const HOSTS = [0x140, 0x200, 0x90, 0x10] as const;

/** gpas that guest entries may map and that a guest without paging touches. */
export const TARGETS: readonly number[] = [
  PLACES[0],
  PLACES[0] + 4 * PAGE,
  PLACES[0] + 5 * PAGE,
  PLACES[2],
  PLACES[2] + 9 * PAGE,
  PLACES[3],
  PLACES[3] + PAGE,
  0xe800_0000,
  0x9_0000,
  0x9_1000,
  TABLES.window32,
  TABLES.window64,
];

/** gvas under paging, the busiest first: windows of 4 KiB pages, a large page, a table, the home's data. */
export const GVAS: readonly number[] = [
  WINDOWS[0],
  WINDOWS[1],
  WINDOWS[2],
  WINDOWS[0] + PAGE,
  ALIAS,
  ALIAS + PAGE,
  UPPER_HALF,
  WINDOWS[2] + PAGE,
  WINDOWS[1] + PAGE,
  UPPER_HALF + 2 * PAGE,
  WINDOWS[0] + 3 * PAGE,
  UPPER_HALF + PAGE,
  WINDOWS[1] + 2 * PAGE,
  ...TABLES_SEEN,
  0x9_0000,
];
export const SMALL_PAGES: readonly number[] = GVAS.filter(
  (gva) => gva >= WINDOWS[0] && (gva < WINDOWS[2] || gva >= ALIAS),
);

export const pick = <T>(list: readonly T[], n: number): T => list[n % list.length];
