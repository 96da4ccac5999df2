/**
 * Instructions in front of which the machine has stopped already, one a vCPU: who goes on means to go past them. A place is
 * forgotten by itself when its vCPU has moved.
 */
import { VCPU_F_INSNS, VCPU_RIP, VCPU_SKIP_MMIO_STOP } from '../../arena/vcpu-layout.ts';
import type { Vcpu } from '../../kvm/index.ts';
import type { SavedStopPlace } from '../../protocol/machine-state.ts';

interface StopPlace {
  /** An MMIO fault is one of an instruction whose execution has begun: its breakpoint was met before. */
  readonly kind: 'exec' | 'mmio';
  readonly insns: number;
  readonly ripLo: number;
  readonly ripHi: number;
}

export class StopPlaces {
  readonly #places = new Map<number, StopPlace>();

  note({ id, cpu: { r, f } }: Vcpu, kind: StopPlace['kind']): void {
    this.#places.set(id, { kind, insns: f[VCPU_F_INSNS], ripLo: r[VCPU_RIP], ripHi: r[VCPU_RIP + 1] });
  }

  /** The user moved rip or memory under it: the next instruction is another one. */
  forget(): void {
    this.#places.clear();
  }

  list(): readonly SavedStopPlace[] {
    return [...this.#places].map(([vcpu, place]) => ({ vcpu, ...place }));
  }

  restore(places: readonly SavedStopPlace[]): void {
    this.#places.clear();
    for (const { vcpu, ...place } of places) this.#places.set(vcpu, place);
  }

  standsAt({ id, cpu: { r, f } }: Vcpu): boolean {
    const place = this.#places.get(id);
    if (place === undefined) return false;
    return place.insns === f[VCPU_F_INSNS] && place.ripLo === r[VCPU_RIP] && place.ripHi === r[VCPU_RIP + 1];
  }

  /** Lets the vCPUs go past their places. @returns a bit for each whose first instruction may have a breakpoint */
  leave(vcpus: readonly Vcpu[]): number {
    if (this.#places.size === 0) return 0;
    let skips = 0;
    for (const vcpu of vcpus) {
      if (!this.standsAt(vcpu)) {
        this.#places.delete(vcpu.id);
        continue;
      }
      skips |= 1 << vcpu.id;
      if (this.#places.get(vcpu.id)?.kind === 'mmio') vcpu.cpu.r[VCPU_SKIP_MMIO_STOP] = 1;
    }
    return skips;
  }
}
