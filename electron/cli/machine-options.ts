/** Options that make a machine, as every command takes them that runs a guest. */
import { Option, type Command } from 'commander';
import { HOST_PAGES, type HostPages } from '../../core/base/host-pages.ts';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../../core/base/machine-modes.ts';
import type { Params } from '../../core/protocol/requests.ts';
import { integerIn, parseAppend, parseMemory } from './options.ts';

export interface MachineRunOptions {
  readonly mem: number;
  readonly mmu: MmuMode;
  readonly era: Era;
  readonly maxphyaddr: number;
  readonly l1tfBits: number | undefined;
  readonly mmuPages: number;
  readonly hostPages: HostPages;
  readonly eptAd: 'on' | 'off';
  readonly vcpus: number;
  readonly threads: boolean;
  readonly append: string;
}

export function machineOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--mem <size>', 'guest memory: 1M to 1536M, a multiple of 4 KiB')
        .argParser(parseMemory)
        .default(128 * 1024 * 1024, '128M'),
    )
    .addOption(new Option('--mmu <mode>', 'second-level translation').choices(MMU_MODES).default('ept'))
    .addOption(new Option('--era <era>', 'which KVM the MMIO machinery follows').choices(ERAS).default('patch'))
    .option('--maxphyaddr <bits>', 'physical address bits of the host: 32 to 52', integerIn(32, 52), 40)
    .option('--l1tf-bits <bits>', 'cache bits of a host CPU with the L1TF bug (era v6.8)', integerIn(32, 46))
    .option('--mmu-pages <n>', 'shadow page quota (KVM_SET_NR_MMU_PAGES); 0 leaves it to KVM', integerIn(0, 32768), 0)
    .addOption(new Option('--host-pages <size>', 'host pages behind guest memory').choices(HOST_PAGES).default('4k'))
    .addOption(new Option('--ept-ad <state>', 'accessed and dirty flags for EPT').choices(['on', 'off']).default('off'))
    .option('--vcpus <n>', 'virtual processors: 1 to 8, in turns on one thread', integerIn(1, 8), 1)
    .option('--threads', 'parallel mode: a thread for each vCPU; runs are not repeatable then', false)
    .option('--append <args>', 'command line of the guest', parseAppend, '');
}

export const machineCreateOptions = (options: MachineRunOptions): Params<'machine.create'>['options'] => ({
  ramBytes: options.mem,
  mmu: options.mmu,
  era: options.era,
  maxPhyAddr: options.maxphyaddr,
  l1tfCacheBits: options.l1tfBits,
  mmuPages: options.mmuPages,
  hostPages: options.hostPages,
  eptAd: options.eptAd === 'on',
  vcpus: options.vcpus,
  threads: options.threads,
  append: options.append,
});
