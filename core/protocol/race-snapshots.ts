/** Race scripts and what comes of them, as the contract carries them. */
import type { Era, MmuMode } from '../base/machine-modes.ts';
import type { HeldStep } from './held-update.ts';
import type { MemslotChange } from './memslot-snapshots.ts';

export interface RaceScriptText {
  readonly name: string;
  readonly script: string;
}

/** What came of one line, and how things stand behind it. */
export interface RaceLineOutcome {
  readonly line: number;
  readonly command: string;
  readonly what: string;
  /** What the kernel's log said meanwhile. */
  readonly log: readonly string[];
  /** Known bugs that struck on this line, by name. */
  readonly bugs: readonly string[];
  readonly memslotsGeneration: bigint;
  readonly mmioSptes: { readonly fresh: number; readonly stale: number };
  /** vCPUs inside a fault. */
  readonly held: readonly number[];
  /** The memslot update that stands between its steps. */
  readonly update: { readonly change: MemslotChange; readonly steps: readonly HeldStep[] } | undefined;
}

/** What came of a race script in one kernel. */
export interface RaceOutcomes {
  readonly title: string;
  readonly era: Era;
  readonly mmu: MmuMode;
  /** In the order in which the lines were carried out. */
  readonly events: readonly RaceLineOutcome[];
  /** Known bugs that struck. */
  readonly bugs: readonly {
    readonly name: string;
    readonly commit: string;
    /** The version that mended it, where one has. */
    readonly fixed: string | undefined;
    readonly strikes: number;
  }[];
  /** What is not as the script says it must be in this kernel. */
  readonly failures: readonly string[];
}
