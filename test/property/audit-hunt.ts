/** Plays random scripts until one fails, which is shrunk: shared by the property test and the hunt for injected faults. */
import fc from 'fast-check';
import { HOST_PAGES, type HostPages } from '../../core/base/host-pages.ts';
import type { Era, MmuMode } from '../../core/base/machine-modes.ts';
import { playScript, scriptText } from './audit-script.ts';
import { arbitraryScript, type Step } from './audit-steps.ts';
import type { WorldOptions } from './audit-world.ts';

export interface Hunt {
  readonly mmu: MmuMode;
  readonly era: Era;
  /** Drawn for each script unless given. */
  readonly hostPages?: HostPages | undefined;
  /** What all scripts are to dwell on; otherwise each has a theme of its own. */
  readonly dwelling?: string | undefined;
  /** Scripts, and the greatest length of one. */
  readonly runs: number;
  readonly steps: number;
  readonly seed?: number | undefined;
  /** false: the failing script is handed back as it is. */
  readonly shrinks?: boolean | undefined;
}

export interface Quarry {
  readonly seed: number;
  /** Scripts played until one failed, and shorter ones that failed too. */
  readonly scripts: number;
  readonly shrinks: number;
  /** What went wrong in the shortest. */
  readonly reason: string;
  readonly options: WorldOptions;
  readonly script: readonly Step[];
}

/** @returns undefined when every script went as it should */
export function hunt({ mmu, era, hostPages, dwelling, runs, steps, seed, shrinks = true }: Hunt): Quarry | undefined {
  const machine = fc.record({
    mmu: fc.constant(mmu),
    era: fc.constant(era),
    hostPages: hostPages === undefined ? fc.constantFrom(...HOST_PAGES) : fc.constant(hostPages),
    vcpus: fc.constantFrom(1, 2, 2),
    eptAd: mmu === 'ept' ? fc.boolean() : fc.constant(false),
  });
  const property = fc.property(
    machine,
    arbitraryScript(steps, dwelling),
    (options, script) => void playScript(options, script),
  );
  const ended = fc.check(property, {
    numRuns: runs,
    endOnFailure: !shrinks,
    unbiased: true,
    ...(seed === undefined ? {} : { seed }),
  });
  if (!ended.failed || ended.counterexample === null) return undefined;
  const { errorInstance } = ended;
  const [options, script] = ended.counterexample;
  return {
    seed: ended.seed,
    scripts: ended.numRuns,
    shrinks: ended.numShrinks,
    reason: errorInstance instanceof Error ? errorInstance.message : String(errorInstance),
    options,
    script,
  };
}

/** Which rule a failure names: the auditor's, or what else a script is held against. */
export function ruleOf(reason: string): string {
  const audit = /audit: ([a-z-]+):/.exec(reason);
  if (audit !== null) return audit[1];
  if (reason.includes('its dirty log does not say so')) return 'the dirty log that was read';
  if (reason.includes('came to')) return 'what the guest sees';
  if (reason.includes('a store went astray')) return 'memory after stores';
  if (reason.includes('makes no progress')) return 'a guest that makes no progress';
  const end = /the guest ended with ([a-z-]+) at/.exec(reason);
  return end === null ? 'an assertion' : `a guest that ends with ${end[1]}`;
}

/** The failure as it is printed: the step, the rule, and the script as a call that a unit test can hold. */
export const quarryText = ({ reason, seed, shrinks, options, script }: Quarry): string =>
  `${reason}\nseed ${seed}, after ${shrinks} shrinks:\n${scriptText(options, script)}`;
