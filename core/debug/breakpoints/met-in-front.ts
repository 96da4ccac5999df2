/**
 * Ports and exceptions that each vCPU stands in front of and that have been told: for a machine that is saved. Places that
 * a vCPU has left are forgotten by themselves.
 */
import type { Machine } from '../../machine/index.ts';
import { STANDS_BEFORE } from '../../protocol/breakpoint-kinds.ts';
import type { BreakpointKind } from '../../protocol/snapshots.ts';
import { ripOf } from '../memory/memory-watch.ts';
import type { MetInFront, MetKind } from '../thread-list.ts';
import { VECTOR_PF } from './event-watch.ts';
import type { MachineEvent } from './machine-event.ts';

const isInFront = (kind: BreakpointKind): kind is MetKind => STANDS_BEFORE.has(kind);

export class MetPlaces {
  readonly #met = new Map<number, MetInFront[]>();

  /** A vCPU is about to do this, and has not begun. */
  note(machine: Machine, { kind, vcpu, values }: MachineEvent): void {
    const cpu = machine.vm.vcpus[vcpu]?.cpu;
    if (cpu === undefined || !isInFront(kind)) return;
    const vector = kind === 'page-fault' ? VECTOR_PF : kind === 'exception' ? Number(values[0]) : 0;
    this.add({ vcpu, kind, vector, insns: cpu.instructions(), rip: ripOf(cpu) });
  }

  add(next: MetInFront): void {
    const here = (this.#met.get(next.vcpu) ?? []).filter(({ insns, rip }) => insns === next.insns && rip === next.rip);
    const isKnown = here.some(({ kind, vector }) => kind === next.kind && vector === next.vector);
    this.#met.set(next.vcpu, isKnown ? here : [...here, next]);
  }

  forget(): void {
    this.#met.clear();
  }

  /** Of the vCPUs that are still there. */
  list(machine: Machine): readonly MetInFront[] {
    return [...this.#met.values()].flat().filter(({ vcpu, insns, rip }) => {
      const cpu = machine.vm.vcpus[vcpu]?.cpu;
      return cpu !== undefined && cpu.instructions() === insns && ripOf(cpu) === rip;
    });
  }
}
