// A vCPU's thread that ends without a word right after it has taken a lock. DYING_VCPU in the environment says what it is otherwise
// (`worker`), whose thread ends (`vcpu`), which word of the arena is the lock and at which time it is taken.
import process from 'node:process';
import { workerData } from 'node:worker_threads';

/** @type {{ worker: string, vcpu: number, word: number, time: number }} */
const { worker, vcpu, word, time } = JSON.parse(process.env['DYING_VCPU'] ?? '');

if (workerData.vcpu === vcpu) {
  let left = time;
  const exchange = Atomics.compareExchange;
  /** @type {(array: Int32Array, at: number, from: number, to: number) => number} */
  const exchangeOrDie = (array, at, from, to) => {
    const found = exchange(array, at, from, to);
    const isLock = array.buffer === workerData.arena && array.byteOffset === 0 && at === word;
    // In a thread this ends the thread.
    if (isLock && from === 0 && found === 0 && --left === 0) process.exit(7);
    return found;
  };
  Object.assign(Atomics, { compareExchange: exchangeOrDie });
}
await import(worker);
