/**
 * Whether a stress that takes long is stuck, or only slow: what each vCPU's thread does, how long ago it last came on, and who
 * holds mmu_lock. Waits inside KVM have limits of their own and throw (core/arena/futex-lock.ts); this one is for the whole.
 */
import { VM_MMU_LOCK } from '../../core/arena/mmu-layout.ts';
import {
  EXITING_GUEST_MODE,
  IN_GUEST_MODE,
  READING_SHADOW_PAGE_TABLES,
  VCPU_F_INSNS,
  VCPU_MODE,
  VCPU_REQUESTS,
} from '../../core/arena/vcpu-layout.ts';
import { ENGINE_OWNER, holderOf, lockOwnerOf, ownerDied } from '../../core/arena/futex-lock.ts';
import { VCPU_SRCU } from '../../core/kvm/mmu/mmu-words.ts';
import type { Machine } from '../../core/machine/index.ts';
import { CliFailure, STATUS_MACHINE } from './exit-status.ts';

/** A vCPU that has retired nothing for so long does not only wait for its turn. */
const STUCK_MS = 10_000;

const MODES: Readonly<Record<number, string>> = {
  [IN_GUEST_MODE]: 'in guest mode',
  [EXITING_GUEST_MODE]: 'asked to leave guest mode',
  [READING_SHADOW_PAGE_TABLES]: 'reading shadow page tables',
};

interface Progress {
  insns: number;
  movedAt: number;
}

export class StressWatch {
  readonly #machine: Machine;
  readonly #limit: number;
  readonly #began = performance.now();
  readonly #vcpus: readonly Progress[];

  constructor(machine: Machine, seconds: number | undefined) {
    this.#machine = machine;
    this.#limit = seconds === undefined ? Infinity : seconds * 1000;
    this.#vcpus = machine.vm.vcpus.map(() => ({ insns: -1, movedAt: this.#began }));
  }

  /** @param reached how far the stress has come, as a clause */
  check(reached: string): void {
    const now = performance.now();
    this.#vcpus.forEach((progress, id) => {
      const insns = this.#machine.vm.vcpus[id].cpu.f[VCPU_F_INSNS];
      if (insns === progress.insns) return;
      progress.insns = insns;
      progress.movedAt = now;
    });
    if (now - this.#began >= this.#limit) throw new CliFailure(this.#report(reached, now), STATUS_MACHINE);
  }

  #report(reached: string, now: number): string {
    const stuck = this.#vcpus.flatMap(({ movedAt }, id) => (now - movedAt >= STUCK_MS ? [`vCPU ${id}`] : []));
    const verdict =
      stuck.length === 0
        ? 'every vCPU comes on: the processors are too few or too busy, nothing hangs'
        : `${stuck.join(', ')} ${stuck.length === 1 ? 'hangs' : 'hang'}`;
    return [
      `the stress gave up after ${Math.round((now - this.#began) / 1000)} s: ${reached}; ${verdict}`,
      `  mmu_lock is ${this.#lockHolder()}`,
      ...this.#vcpus.map((_progress, id) => `  ${this.#stateOf(id, now)}`),
    ].join('\n');
  }

  #lockHolder(): string {
    const { arena, vm } = this.#machine;
    const lock = (arena.layout.vm + VM_MMU_LOCK) >> 2;
    if (ownerDied(arena.i32, lock)) return 'held by a thread that died';
    const owner = holderOf(arena.i32, lock);
    if (owner === 0) return 'free';
    const id = vm.vcpus.findIndex((_vcpu, at) => lockOwnerOf(at) === owner);
    return owner === ENGINE_OWNER ? 'held by the memslot side' : `held by vCPU ${id}`;
  }

  #stateOf(id: number, now: number): string {
    const { r } = this.#machine.vm.vcpus[id].cpu;
    const { insns, movedAt } = this.#vcpus[id];
    const requests = Atomics.load(r, VCPU_REQUESTS);
    const reads = (Atomics.load(r, VCPU_SRCU) & 1) !== 0 ? ', reads memslots' : '';
    const mode = MODES[Atomics.load(r, VCPU_MODE)] ?? 'in KVM';
    const last = ((now - movedAt) / 1000).toFixed(1);
    return `vCPU ${id}: ${mode}${reads}, requests 0x${requests.toString(16)}, ${insns} instructions, the last seen ${last} s ago`;
  }
}
