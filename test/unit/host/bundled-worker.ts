/**
 * The worker of a vCPU for tests: out of the command line's bundle, which is built when sources are newer, because a thread
 * that reads TypeScript takes seconds to start.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureCliBundle } from '../../../scripts/build/cli-bundle.mjs';
import { vcpuLauncher } from '../../../electron/host/vcpu-threads.ts';
import type { LaunchVcpu } from '../../../core/machine/index.ts';

export async function bundledThreads(): Promise<LaunchVcpu> {
  const bundle = await ensureCliBundle();
  return vcpuLauncher(pathToFileURL(path.join(path.dirname(bundle), 'vcpu-worker.js')));
}
