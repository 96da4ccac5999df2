/**
 * What a debugger's watch on a vCPU's thread has met, on its way to the engine. The thread writes while it runs, the engine
 * takes while it stands: there is nothing to lock. A list that is full counts what it could not keep.
 */

/** Its meaning is the watch's: a kind's number, the breakpoint that it is for (0: whichever), 64-bit values. */
export interface ThreadEvent {
  readonly kind: number;
  readonly target: number;
  readonly values: readonly bigint[];
}

/** Met by a vCPU that came to stand while the machine stopped for another's sake: it is told when the machine goes on. */
export interface UntoldEvent {
  readonly vcpu: number;
  readonly event: ThreadEvent;
}

export const OUTBOX_EVENTS = 1024;
const MAX_VALUES = 8;
const RECORD = 3 + MAX_VALUES;
const HEAD = 2;
export const OUTBOX_BYTES = (HEAD + OUTBOX_EVENTS * RECORD) * 8;

const COUNT = 0;
const MISSED = 1;

export class EventOutbox {
  readonly #u64: BigUint64Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer, at: number) {
    this.#u64 = new BigUint64Array(buffer, at, OUTBOX_BYTES / 8);
  }

  get isEmpty(): boolean {
    return Atomics.load(this.#u64, COUNT) === 0n;
  }

  put({ kind, target, values }: ThreadEvent): void {
    const u64 = this.#u64;
    const count = Number(u64[COUNT]);
    if (count === OUTBOX_EVENTS) {
      u64[MISSED] += 1n;
      return;
    }
    const at = HEAD + count * RECORD;
    u64[at] = BigInt(kind);
    u64[at + 1] = BigInt(target);
    u64[at + 2] = BigInt(values.length);
    u64.set(values, at + 3);
    Atomics.store(u64, COUNT, BigInt(count + 1));
  }

  /** What nobody has taken yet. */
  list(): readonly ThreadEvent[] {
    const u64 = this.#u64;
    const events: ThreadEvent[] = [];
    for (let i = 0; i < Number(u64[COUNT]); i++) {
      const at = HEAD + i * RECORD;
      const values = [...u64.subarray(at + 3, at + 3 + Number(u64[at + 2]))];
      events.push({ kind: Number(u64[at]), target: Number(u64[at + 1]), values });
    }
    return events;
  }

  take(): { readonly events: readonly ThreadEvent[]; readonly missed: number } {
    const events = this.list();
    const missed = Number(this.#u64[MISSED]);
    this.clear();
    return { events, missed };
  }

  clear(): void {
    this.#u64[MISSED] = 0n;
    Atomics.store(this.#u64, COUNT, 0n);
  }
}
