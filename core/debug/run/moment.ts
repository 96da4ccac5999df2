/** The moment that everything shown belongs to. */
import type { Arena } from '../../arena/arena.ts';
import { VCPU_BYTES, VCPU_F_INSNS } from '../../arena/vcpu-layout.ts';
import { eraOf, mmioGenerationOf } from '../../kvm/eras.ts';
import { memslotsGeneration } from '../../kvm/memslots/memslots.ts';
import type { Moment } from '../../protocol/snapshots.ts';

/** Instructions retired by all vCPUs. */
export function retiredByAll(arena: Arena): number {
  let sum = 0;
  for (let vcpu = 0; vcpu < arena.layout.config.vcpus; vcpu++) {
    sum += arena.f64[((arena.layout.vcpus + vcpu * VCPU_BYTES) >> 3) + VCPU_F_INSNS];
  }
  return sum;
}

export function momentOf(arena: Arena, epoch: number, live: boolean): Moment {
  const generation = memslotsGeneration(arena);
  return {
    epoch,
    live,
    insns: retiredByAll(arena),
    memslotsGeneration: generation,
    mmioGeneration: mmioGenerationOf(eraOf(arena), generation),
  };
}

/** Before the first machine. */
export const momentOfNothing = (epoch: number): Moment => ({
  epoch,
  live: false,
  insns: 0,
  memslotsGeneration: 0n,
  mmioGeneration: -1,
});
