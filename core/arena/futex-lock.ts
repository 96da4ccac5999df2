/**
 * A lock of one word for threads: 0 free, 1 held, 2 held and somebody sleeps. Short waits spin, longer ones sleep until the
 * holder wakes them, because there may be fewer processors than threads. A wait that lasts half a minute is a bug of ours
 * (the holder died, or two locks were taken in two orders) and throws.
 */
import { UmbraBug } from '../base/assert.ts';

const SPINS = 3000;
const SLEEP_MS = 50;
const MOST_SLEEPS = 600;

export function lockWord(i32: Int32Array<SharedArrayBuffer>, word: number, name: string): void {
  if (Atomics.compareExchange(i32, word, 0, 1) === 0) return;
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.load(i32, word) === 0 && Atomics.compareExchange(i32, word, 0, 1) === 0) return;
  }
  let sleeps = 0;
  while (Atomics.exchange(i32, word, 2) !== 0) {
    if (Atomics.wait(i32, word, 2, SLEEP_MS) === 'timed-out') sleeps += 1;
    if (sleeps > MOST_SLEEPS) throw new UmbraBug(`${name} is held by a thread that does not give it back`);
  }
}

export function unlockWord(i32: Int32Array<SharedArrayBuffer>, word: number): void {
  if (Atomics.exchange(i32, word, 0) === 2) Atomics.notify(i32, word, 1);
}

/**
 * Waits until a word that another thread changes without telling is no longer one of two values: spins, then looks every
 * tenth of a millisecond.
 */
export function awaitOther(i32: Int32Array<SharedArrayBuffer>, word: number, a: number, b: number, what: string): void {
  for (let look = 0; ; look++) {
    const value = Atomics.load(i32, word);
    if (value !== a && value !== b) return;
    if (look < SPINS) continue;
    Atomics.wait(i32, word, value, 0.1);
    if (look > SPINS + 200_000) throw new UmbraBug(what);
  }
}
