/** How second-level translation is done: Intel EPT, AMD NPT, or KVM's shadow MMU on a host without either. */
export const MMU_MODES = ['ept', 'npt', 'shadow'] as const;
export type MmuMode = (typeof MMU_MODES)[number];

/**
 * Which KVM the MMIO machinery follows.
 * - `patch`: the seed patch — generation = memslots generation & 0x7ffff, walk over `mmio_cached` pages at wrap-around.
 * - `v3.11`: as released — bias of −150, zap of all shadow pages at wrap-around.
 * - `v3.10`: before — no generation; every created or moved slot walks and zaps.
 */
export const ERAS = ['patch', 'v3.11', 'v3.10'] as const;
export type Era = (typeof ERAS)[number];

/** Access a guest asked for, as it crosses the contract. */
export type AccessKind = 'read' | 'write' | 'fetch';
