/**
 * Whose turn it is, while several vCPUs share one thread. A turn is a fixed amount of work, counted in the vCPU's own
 * instruction stream, so that where it ends does not depend on how a run is cut into pieces; it also ends when its vCPU has
 * nothing to do. Kept in the arena: a machine that is saved, or compared with another, knows it too (docs/adr/0007).
 */
import type { Arena } from '../arena/arena.ts';
import { DEV_TURNS, TURN_END, TURN_VCPU } from '../arena/device-layout.ts';
import { RestoredWords } from '../arena/restored-words.ts';
import { VCPU_F_DELIVERIES, VCPU_F_INSNS } from '../arena/vcpu-layout.ts';
import type { Vcpu } from '../kvm/index.ts';

/** Ten microseconds of virtual time. */
export const TURN_INSNS = 1000;

export class Turns {
  readonly #vcpus: readonly Vcpu[];
  readonly #i32: Int32Array<SharedArrayBuffer>;
  readonly #f64: Float64Array<SharedArrayBuffer>;
  readonly #vcpu: number;
  readonly #end: number;

  constructor(arena: Arena, vcpus: readonly Vcpu[]) {
    this.#vcpus = vcpus;
    this.#i32 = arena.i32;
    this.#f64 = arena.f64;
    this.#vcpu = (arena.layout.devices + DEV_TURNS + TURN_VCPU) >> 2;
    this.#end = (arena.layout.devices + DEV_TURNS + TURN_END) >> 3;
  }

  /** @throws RestoreRefused when what came out of a file cannot be */
  checkRestored(arena: Arena): void {
    const words = new RestoredWords(arena, arena.layout.devices + DEV_TURNS, 'the turns of vCPUs');
    const vcpu = words.int(TURN_VCPU, 0, this.#vcpus.length - 1, 'the vCPU whose turn it is');
    if (this.#vcpus.length === 1) return;
    const work = workOf(this.#vcpus[vcpu]);
    words.whole(TURN_END, 0, work + TURN_INSNS, 'the end of its turn');
  }

  get current(): Vcpu {
    return this.#vcpus[this.#i32[this.#vcpu]];
  }

  /** The boot vCPU begins. A machine with one vCPU has no turns. */
  begin(): void {
    this.give(0);
  }

  /** Work that is left of the turn: the most that the next piece may do. */
  left(): number {
    return this.#vcpus.length === 1 ? Infinity : this.#f64[this.#end] - workOf(this.current);
  }

  /**
   * The next vCPU in the ring that has something to do gets a turn; the present one again when no other has.
   * @returns whether any has
   */
  pass(): boolean {
    const count = this.#vcpus.length;
    const from = this.#i32[this.#vcpu];
    for (let step = 1; step <= count; step++) {
      const id = (from + step) % count;
      if (!this.#vcpus[id].runnable()) continue;
      this.give(id);
      return true;
    }
    return false;
  }

  /** A whole turn for one of them, whoever has it now. */
  give(id: number): void {
    if (this.#vcpus.length === 1) return;
    this.#i32[this.#vcpu] = id;
    this.#f64[this.#end] = workOf(this.#vcpus[id]) + TURN_INSNS;
  }
}

/** Deliveries count too: a handler that faults at once retires nothing, and must not hold its turn for ever. */
const workOf = ({ cpu: { f } }: Vcpu): number => f[VCPU_F_INSNS] + f[VCPU_F_DELIVERIES];
