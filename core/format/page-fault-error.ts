/** Page fault error codes and EPT exit qualifications in names. */
import { printFlags } from './kernel-print.ts';

/** PFERR_* bits by the names of the kvmmmu tracepoints. */
export const PFERR_NAMES: readonly (readonly [bigint, string])[] = [
  [1n, 'P'],
  [2n, 'W'],
  [4n, 'U'],
  [8n, 'RSVD'],
  [16n, 'F'],
];

/** `P|W|U`; empty for zero, as the kernel prints it. */
export const pferrText = (errorCode: bigint): string => printFlags(errorCode, PFERR_NAMES);

/** A sentence: `write from user mode to a page that is present`. */
export function describePageFault(errorCode: bigint): string {
  const has = (bit: bigint): boolean => (errorCode & bit) !== 0n;
  const what = has(16n) ? 'instruction fetch' : has(2n) ? 'write' : 'read';
  const who = has(4n) ? 'user mode' : 'supervisor mode';
  const why = has(8n) ? 'a reserved bit is set' : has(1n) ? 'the access is not allowed' : 'the page is not present';
  return `${what} from ${who}: ${why}`;
}

/** Intel SDM vol 3C, "Exit Qualification for EPT Violations". */
const EPT_VIOLATION_NAMES: readonly (readonly [bigint, string])[] = [
  [1n << 0n, 'read'],
  [1n << 1n, 'write'],
  [1n << 2n, 'fetch'],
  [1n << 3n, 'readable'],
  [1n << 4n, 'writable'],
  [1n << 5n, 'executable'],
  [1n << 7n, 'gva valid'],
  [1n << 8n, 'final access'],
];

export const eptViolationText = (qualification: bigint): string => printFlags(qualification, EPT_VIOLATION_NAMES);
