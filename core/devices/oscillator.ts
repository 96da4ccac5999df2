/**
 * Crystals: whole cycles of a given frequency that fit into a time of the virtual clock, and back. Seconds and the rest are
 * taken apart because ns × Hz leaves the doubles' exact range after a few seconds; so both directions are exact for as
 * long as the time itself is.
 */
const NS_PER_SECOND = 1_000_000_000;

/** Cycles completed at `ns`. */
export function cyclesAt(hertz: number, ns: number): number {
  const seconds = Math.floor(ns / NS_PER_SECOND);
  return seconds * hertz + Math.floor(((ns - seconds * NS_PER_SECOND) * hertz) / NS_PER_SECOND);
}

/** The first ns at which `cycles` are completed. */
export function timeOfCycle(hertz: number, cycles: number): number {
  const seconds = Math.floor(cycles / hertz);
  return seconds * NS_PER_SECOND + Math.ceil(((cycles - seconds * hertz) * NS_PER_SECOND) / hertz);
}
