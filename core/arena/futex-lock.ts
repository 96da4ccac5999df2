/**
 * A lock of one word for threads: 0 free, otherwise who holds it and whether somebody sleeps. Short waits spin, longer ones sleep
 * until the holder wakes them, because there may be fewer processors than threads. A wait that lasts half a minute is a bug of
 * ours (two locks were taken in two orders, say) and throws.
 *
 * A holder that says who it is may be given up for dead (FUTEX_OWNER_DIED of futex(2)): what the lock guards is half changed
 * then, so nobody is given it any more, and whoever wants it throws at once.
 */
import { UmbraBug } from '../base/assert.ts';

const SPINS = 3000;
const SLEEP_MS = 50;
const MOST_SLEEPS = 600;

/** Owners of locks: a holder that does not say who it is, the engine's thread, and those of vCPUs. */
const SOMEBODY = 1;
export const ENGINE_OWNER = 2;
export const lockOwnerOf = (vcpuId: number): number => ENGINE_OWNER + 1 + vcpuId;
const SLEEPERS = 1 << 30;
const OWNER_DIED = -1;

/** The lock's holder died with it. */
export class LockOwnerDied extends UmbraBug {}

/** @param owner who takes it, for a lock that {@link orphanWord} is to know */
export function lockWord(i32: Int32Array<SharedArrayBuffer>, word: number, name: string, owner = SOMEBODY): void {
  if (Atomics.compareExchange(i32, word, 0, owner) === 0) return;
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.load(i32, word) === 0 && Atomics.compareExchange(i32, word, 0, owner) === 0) return;
  }
  for (let sleeps = 0; sleeps <= MOST_SLEEPS;) {
    const held = Atomics.load(i32, word);
    if (held === OWNER_DIED) throw new LockOwnerDied(`${name} was held by a thread that died`);
    if (held === 0) {
      // Others may sleep still: the holder to be wakes one of them.
      if (Atomics.compareExchange(i32, word, 0, owner | SLEEPERS) === 0) return;
    } else if ((held & SLEEPERS) !== 0 || Atomics.compareExchange(i32, word, held, held | SLEEPERS) === held) {
      if (Atomics.wait(i32, word, held | SLEEPERS, SLEEP_MS) === 'timed-out') sleeps += 1;
    }
  }
  throw new UmbraBug(`${name} is held by a thread that does not give it back`);
}

export function unlockWord(i32: Int32Array<SharedArrayBuffer>, word: number): void {
  if ((Atomics.exchange(i32, word, 0) & SLEEPERS) !== 0) Atomics.notify(i32, word, 1);
}

/** Who holds a lock now: 0 nobody, {@link ENGINE_OWNER}, {@link lockOwnerOf}. Of one whose holder died, as {@link ownerDied} says, it tells nothing. */
export const holderOf = (i32: Int32Array<SharedArrayBuffer>, word: number): number =>
  Atomics.load(i32, word) & ~SLEEPERS;

/** This owner's thread is no more. @returns whether it had the lock, which from now on is nobody's to take */
export function orphanWord(i32: Int32Array<SharedArrayBuffer>, word: number, owner: number): boolean {
  for (;;) {
    const held = Atomics.load(i32, word);
    if (held === OWNER_DIED || (held & ~SLEEPERS) !== owner) return false;
    if (Atomics.compareExchange(i32, word, held, OWNER_DIED) !== held) continue;
    Atomics.notify(i32, word);
    return true;
  }
}

/** Whether a lock's holder died with it. */
export const ownerDied = (i32: Int32Array<SharedArrayBuffer>, word: number): boolean =>
  Atomics.load(i32, word) === OWNER_DIED;

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
