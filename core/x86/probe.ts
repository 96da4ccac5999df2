/**
 * Walks for whoever looks: the same rules as the processor's, but nothing in the arena changes — no A or D bit, no TLB
 * entry, no scratch word.
 */
export { probeGuestWalk, type GuestWalkProbe, type GuestPagingMode, type ProbedGuestEntry } from './probe-guest.ts';
export {
  probeSecondLevelWalk,
  type ProbedSecondLevelEntry,
  type SecondLevelFault,
  type SecondLevelProbe,
} from './probe-second-level.ts';
