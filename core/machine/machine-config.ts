/** What a machine is made with, and what of it cannot be. */
import { MAX_RAM_BYTES } from '../arena/layout.ts';
import type { HostPages } from '../base/host-pages.ts';
import type { Era, MmuMode } from '../base/machine-modes.ts';
import type { LaunchVcpu } from './parallel-run.ts';
import type { MachineHooks } from './thread-watch.ts';

export interface MachineConfig {
  readonly ramBytes: number;
  readonly mmu: MmuMode;
  readonly era: Era;
  /** Host MAXPHYADDR, 32 … 52. */
  readonly maxPhyAddr: number;
  /** x86_cache_bits of a host CPU with the L1TF bug, maxPhyAddr … 46; unaffected unless said. Counts in v6.8. */
  readonly l1tfCacheBits?: number | undefined;
  /** KVM_SET_NR_MMU_PAGES; 0 = KVM's own default from the slots. */
  readonly mmuPages: number;
  /** What backs guest RAM on the host: '4k' unless said. */
  readonly hostPages?: HostPages | undefined;
  /** Accessed and dirty flags for EPT; off unless said. */
  readonly eptAd?: boolean | undefined;
  /** What the guest sends on its serial line, in the order and about when it does; the array is the receiver's to keep. */
  readonly onSerial?: ((bytes: Uint8Array<ArrayBuffer>) => void) | undefined;
  readonly hooks?: MachineHooks | undefined;
  /** What the clock on the wall says at power on, in seconds since 1970. Fixed by default: runs are repeatable. */
  readonly startSeconds?: number | undefined;
  /** 1 … 8; one by default. */
  readonly vcpus?: number | undefined;
  /** Parallel mode: starts a thread for each vCPU. Without it all take turns on this thread. */
  readonly threads?: LaunchVcpu | undefined;
}

export interface MachineError {
  /** One sentence for people. */
  readonly message: string;
}

const MIN_RAM_BYTES = 0x10_0000;
const MAX_VCPUS = 8;

/** @returns why there can be no such machine */
export function refusalOf(config: MachineConfig): MachineError | undefined {
  const { ramBytes, maxPhyAddr, vcpus = 1 } = config;
  if (!Number.isInteger(ramBytes) || ramBytes % 4096 !== 0 || ramBytes < MIN_RAM_BYTES || ramBytes > MAX_RAM_BYTES) {
    return { message: `Guest RAM must be a multiple of 4 KiB between 1 MiB and 1536 MiB, not ${ramBytes} bytes.` };
  }
  if (!Number.isInteger(maxPhyAddr) || maxPhyAddr < 32 || maxPhyAddr > 52) {
    return { message: `MAXPHYADDR must be between 32 and 52 bits, not ${maxPhyAddr}.` };
  }
  const { l1tfCacheBits } = config;
  if (l1tfCacheBits !== undefined && (l1tfCacheBits < maxPhyAddr || l1tfCacheBits > 46)) {
    const message = `L1TF cache bits must be between MAXPHYADDR (${maxPhyAddr}) and 46, not ${l1tfCacheBits}: a cache knows all address bits, and a CPU with more is not affected.`;
    return { message };
  }
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > MAX_VCPUS) {
    return { message: `A machine has between 1 and ${MAX_VCPUS} vCPUs, not ${vcpus}.` };
  }
  return undefined;
}
