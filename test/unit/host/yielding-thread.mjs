// A thread that yields and tells its nice value; from its source, as worker-from-source.mjs.
import os from 'node:os';
import { parentPort } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
const { lowerThisThread } = await import('../../../electron/host/thread-priority.ts');
lowerThisThread();
parentPort?.postMessage(os.getPriority());
