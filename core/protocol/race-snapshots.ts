/** Race scripts and what comes of them, as the contract carries them. */
import type { Era } from '../base/machine-modes.ts';

export interface RaceScriptText {
  readonly name: string;
  readonly script: string;
}

/** What came of a race script in one kernel. */
export interface RaceOutcomes {
  readonly title: string;
  readonly era: Era;
  /** Line by line, in the order in which they were carried out. */
  readonly events: readonly {
    readonly line: number;
    readonly command: string;
    readonly what: string;
    /** What the kernel's log said meanwhile. */
    readonly log: readonly string[];
    readonly memslotsGeneration: bigint;
  }[];
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
