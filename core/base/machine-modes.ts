/** How second-level translation is done: Intel EPT, AMD NPT, or KVM's shadow MMU on a host without either. */
export const MMU_MODES = ['ept', 'npt', 'shadow'] as const;
export type MmuMode = (typeof MMU_MODES)[number];

/**
 * Which KVM the MMIO machinery follows. The order is the arena's (VM_ERA holds an index): new ones go to the end.
 * - `patch`: the seed patch — generation = memslots generation & 0x7ffff, walk over `mmio_cached` pages at wrap-around.
 * - `v3.11`: as released — bias of −150, zap of all shadow pages at wrap-around.
 * - `v3.10`: before — no generation; every created or moved slot walks and zaps.
 * - `v3.17`: the generation is odd while an update is in flight, and the vCPU's MMIO cache carries it.
 * - `v6.8`: a flag in the generation says that an update is in flight; other MMIO sptes, no BUG, modern memslot calls.
 */
export const ERAS = ['patch', 'v3.11', 'v3.10', 'v3.17', 'v6.8'] as const;
export type Era = (typeof ERAS)[number];

/** Access a guest asked for, as it crosses the contract. */
export type AccessKind = 'read' | 'write' | 'fetch';
