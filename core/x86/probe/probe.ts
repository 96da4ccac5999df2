/**
 * Walks for whoever looks: the same rules as the processor's, but nothing in the arena changes — no A or D bit, no TLB
 * entry, no scratch word.
 */
export {
  guestPagingMode,
  probeGuestWalk,
  type GuestPagingMode,
  type GuestWalkFault,
  type GuestWalkProbe,
  type ProbedGuestEntry,
} from './probe-guest.ts';
export { ENTRY_NAMES, type BrokenRule } from './probe-rules.ts';
export {
  eptRights,
  probeSecondLevelWalk,
  type ProbedSecondLevelEntry,
  type SecondLevelFault,
  type SecondLevelProbe,
  type SecondLevelPurpose,
} from './probe-second-level.ts';
export { probeTlb } from './probe-tlb.ts';
