import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import os from 'node:os';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { lowerThreads, YIELDING_NICE } from '../../../electron/host/thread-priority.ts';

let child: ChildProcess | undefined;
afterEach(() => child?.kill());

/** A Node that has started its threads and waits. */
async function startNode(): Promise<number> {
  child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6); console.log("up")'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  if (child.stdout === null || child.pid === undefined) throw new Error('no process');
  await once(child.stdout, 'data');
  return child.pid;
}

describe.runIf(process.platform === 'linux')('the threads of a process that is to yield', () => {
  it('all do, and none of this process does', async () => {
    const own = os.getPriority();
    const pid = await startNode();
    const threads = readdirSync(`/proc/${pid}/task`).map(Number);
    expect(threads.length).toBeGreaterThan(1);
    expect(lowerThreads(pid)).toBe(threads.length);
    expect(new Set(threads.map((thread) => os.getPriority(thread)))).toEqual(new Set([YIELDING_NICE]));
    expect(os.getPriority()).toBe(own);
  });

  it('keep what they have given up already', async () => {
    const pid = await startNode();
    os.setPriority(pid, YIELDING_NICE + 2);
    lowerThreads(pid);
    expect(os.getPriority(pid)).toBe(YIELDING_NICE + 2);
  });

  it('are nobody’s once the process has ended', async () => {
    const pid = await startNode();
    child?.kill('SIGKILL');
    if (child) await once(child, 'exit');
    expect(lowerThreads(pid)).toBe(0);
  });
});

describe.runIf(process.platform === 'linux')('one thread that yields', () => {
  it('does so for itself alone', async () => {
    const worker = new Worker(new URL('./yielding-thread.mjs', import.meta.url));
    const own = os.getPriority();
    const [nice]: unknown[] = await once(worker, 'message');
    await worker.terminate();
    expect(nice).toBe(YIELDING_NICE);
    expect(os.getPriority()).toBe(own);
  });
});
