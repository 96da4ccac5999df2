/**
 * `--measure-startup`: says when the first window was there and what the program weighs, as one line of JSON on stdout, and
 * quits. `npm run bench` asks for it; it measures the program as it is, without a debugger attached. Whoever starts the program
 * knows when that was. Electron does not: on Linux its `process.getCreationTime()` counts from the boot time of /proc/stat, which
 * has whole seconds, so it is wrong by the same part of a second from one boot to the next.
 */
import { app } from 'electron';
import type { BrowserWindow } from 'electron';

const SWITCH = 'measure-startup';
/** By then the page has its first data and the garbage of starting up is gone. */
const SETTLE_MS = 1500;

/** Run in the page: the wall clock when the current instruction has been drawn. */
const WHEN_USEFUL = `new Promise((resolve) => {
  const look = () => {
    if (document.querySelector('[data-panel=disassembly] [aria-current=true]') === null) return requestAnimationFrame(look);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve(Date.now());
    requestAnimationFrame(() => port2.postMessage(0));
  };
  look();
})`;

export function measureStartupIfAsked(window: BrowserWindow): void {
  if (!app.commandLine.hasSwitch(SWITCH)) return;
  window.once('ready-to-show', () => void report(window, Date.now()));
}

/** @param firstPaintAt like `usefulAt` in milliseconds since 1970, by the clock of this machine */
async function report(window: BrowserWindow, firstPaintAt: number): Promise<void> {
  const usefulAt = Number(await window.webContents.executeJavaScript(WHEN_USEFUL));
  const cpuMs = processorTime();
  setTimeout(() => {
    process.stdout.write(`${JSON.stringify({ firstPaintAt, usefulAt, cpuMs, memoryMiB: memoryByProcess() })}\n`);
    app.quit();
  }, SETTLE_MS);
}

/** What each kind of process has computed so far: unlike the clock it hardly depends on what else the machine does. */
function processorTime(): Record<string, number> {
  const byType: Record<string, number> = {};
  for (const { type, cpu } of app.getAppMetrics()) {
    byType[type] = Math.round((byType[type] ?? 0) + (cpu.cumulativeCPUUsage ?? 0) * 1000);
  }
  return byType;
}

/** Resident memory by the kind of process: Browser is this one with the engine in it, Tab the page. */
function memoryByProcess(): Record<string, number> {
  const byType: Record<string, number> = {};
  for (const { type, memory } of app.getAppMetrics()) {
    byType[type] = Math.round((byType[type] ?? 0) + memory.workingSetSize / 1024);
  }
  return byType;
}
