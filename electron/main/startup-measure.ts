/**
 * `--measure-startup`: says how long the first window took and what the program weighs, as one line of JSON on stdout, and
 * quits. `npm run bench` asks for it; it measures the program as it is, without a debugger attached.
 */
import { app } from 'electron';
import type { BrowserWindow } from 'electron';

const SWITCH = 'measure-startup';
/** By then the page has its first data and the garbage of starting up is gone. */
const SETTLE_MS = 1500;

export function measureStartupIfAsked(window: BrowserWindow): void {
  if (!app.commandLine.hasSwitch(SWITCH)) return;
  window.once('ready-to-show', () => {
    const firstPaintMs = Math.round(Date.now() - (process.getCreationTime() ?? Number.NaN));
    setTimeout(() => {
      process.stdout.write(`${JSON.stringify({ firstPaintMs, memoryMiB: memoryByProcess() })}\n`);
      app.quit();
    }, SETTLE_MS);
  });
}

/** Resident memory by the kind of process: Browser is this one with the engine in it, Tab the page. */
function memoryByProcess(): Record<string, number> {
  const byType: Record<string, number> = {};
  for (const { type, memory } of app.getAppMetrics()) {
    byType[type] = Math.round((byType[type] ?? 0) + memory.workingSetSize / 1024);
  }
  return byType;
}
