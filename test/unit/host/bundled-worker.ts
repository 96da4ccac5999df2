/**
 * The threads of vCPUs for tests: out of the command line's bundle, which is built when sources are newer, because a thread
 * that reads TypeScript takes seconds to start.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureCliBundle } from '../../../scripts/build/cli-bundle.mjs';
import { vcpuLauncher } from '../../../electron/host/vcpu-threads.ts';
import { afterEach } from 'vitest';
import type { LaunchVcpu } from '../../../core/machine/index.ts';

/** @param worker the module of the threads, from the bundled one */
export async function bundledThreads(worker: (bundled: URL) => URL = (bundled) => bundled): Promise<LaunchVcpu> {
  const folder = path.dirname(await ensureCliBundle());
  const moduleOf = (name: string): URL => {
    const file = path.join(folder, name);
    if (!existsSync(file)) throw new Error(`${file} is missing though the bundle is new: remove out/cli and run again`);
    return pathToFileURL(file);
  };
  return vcpuLauncher(worker(moduleOf('vcpu-worker.js')), moduleOf('vcpu-warden.js'));
}

/** As `launch`, but whatever it starts ends with the test that started it. */
export function endedWithTheTest(launch: LaunchVcpu): LaunchVcpu {
  const handles: ReturnType<LaunchVcpu>[] = [];
  afterEach(() => {
    for (const handle of handles.splice(0)) handle.terminate();
  });
  return (arena, board, vcpu) => {
    const handle = launch(arena, board, vcpu);
    handles.push(handle);
    return handle;
  };
}
