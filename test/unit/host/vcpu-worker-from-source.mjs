// A vCPU's worker from its source: a thread of Node knows no TypeScript, and hooks of the parent do not reach it.
import { register } from 'tsx/esm/api';

register();
await import('../../../electron/host/vcpu-worker.ts');
