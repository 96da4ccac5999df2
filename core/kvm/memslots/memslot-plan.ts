/** The change that a KVM_SET_USER_MEMORY_REGION which passed its checks stands for. */
import type { MemslotChange } from './memslot-region.ts';
import type { Memslot } from './memslot-table.ts';

/** A call that would succeed. */
export interface MemslotPlan {
  readonly change: MemslotChange;
  readonly id: number;
  readonly old: Memslot | undefined;
  readonly baseGfn: number;
  /** 0 for DELETE. */
  readonly npages: number;
  readonly flags: number;
  readonly userspaceAddr: bigint;
}
