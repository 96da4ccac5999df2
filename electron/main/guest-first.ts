/**
 * The guest goes first: the processes that draw the window get less of a processor that the engine's thread wants too. What the
 * picture lacks is a frame; what the guest lacks is missing in every figure that the user reads from it (docs/adr/0013).
 */
import { app } from 'electron';
import type { WebContents } from 'electron';
import { lowerThreads } from '../host/thread-priority.ts';

const DRAWS: ReadonlySet<string> = new Set(['Tab', 'GPU']);

/** A page that is loaded again may have a process of its own. */
export function letGuestGoFirst(contents: WebContents): void {
  contents.on('did-finish-load', () => {
    for (const { type, pid } of app.getAppMetrics()) {
      if (DRAWS.has(type)) lowerThreads(pid);
    }
  });
}
