/** `umbra stress`: busy vCPUs on threads of their own, and memslot changes under them. */
import { Option, type Command } from 'commander';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../../core/base/machine-modes.ts';
import { vcpuLauncher } from '../host/vcpu-threads.ts';
import type { CliIo } from './cli-io.ts';
import { STATUS_MACHINE, STATUS_OK } from './exit-status.ts';
import { readImage } from './image-file.ts';
import { integerIn } from './options.ts';
import { runStress, type StressReport } from './stress-run.ts';

interface StressCliOptions {
  readonly vcpus: number;
  readonly mmu: MmuMode;
  readonly era: Era;
  readonly changes: number;
}

/** Before these a hit in the vCPU's MMIO cache is believed after a memslot change too (56f17dd3fbc4, 3.17). */
const STALE_CACHE_ERAS: ReadonlySet<Era> = new Set<Era>(['v3.10', 'patch', 'v3.11']);

export function registerStress(program: Command, io: CliIo, finish: (status: number) => void): void {
  program
    .command('stress')
    .summary('change memslots under vCPUs that run on threads of their own')
    .description(
      'Lets vCPUs on threads of their own hammer MMIO, RAM and shared words, and changes memslots under them. The guest checks\n' +
        'that it reads nothing that had gone when the change had returned; the auditor looks at the parked machine.',
    )
    .option('--vcpus <n>', 'virtual processors: 1 to 8', integerIn(1, 8), 2)
    .addOption(new Option('--mmu <mode>', 'second-level translation').choices(MMU_MODES).default('ept'))
    .addOption(new Option('--era <era>', 'which KVM the MMIO machinery follows').choices(ERAS).default('v3.17'))
    .option('--changes <n>', 'memslot changes', integerIn(1, 1_000_000), 20_000)
    .action(async (options: StressCliOptions) => {
      const { vcpus, mmu, era, changes } = options;
      const image = readImage('smp').bytes;
      const report = runStress({ image, launch: vcpuLauncher(), vcpus, mmu, era, changes, auditEvery: 1000 });
      for (const line of lines(report, options)) await io.write(new TextEncoder().encode(`${line}\n`));
      finish(isGood(report, era) ? STATUS_OK : STATUS_MACHINE);
    });
}

const isGood = ({ violations, staleReads, stop }: StressReport, era: Era): boolean =>
  violations.length === 0 &&
  stop.kind === 'exit' &&
  (STALE_CACHE_ERAS.has(era) || (staleReads === 0 && stop.status === 1));

function lines(report: StressReport, { era, mmu, vcpus }: StressCliOptions): readonly string[] {
  const { microseconds: us } = report;
  const at = (part: number): string => (us[Math.floor((us.length - 1) * part)] ?? 0).toFixed(0);
  const known = STALE_CACHE_ERAS.has(era) ? ` (${era} believes its vCPU's MMIO cache after a change)` : '';
  return [
    `stress: ${report.changes} memslot changes under ${vcpus} vCPUs, ${mmu}, ${era}`,
    `stress: ${report.insns} instructions, ${report.mmioFaults} MMIO faults`,
    `stress: ${report.windowReads} reads of the window, ${report.windowReadsOfRam} of them found RAM`,
    `stress: ${report.staleReads} reads found what had gone${known}`,
    `stress: ${report.bugExits} exits with KVM_EXIT_UNKNOWN${report.bugExits === 0 ? '' : ' (before 4.3 a fault that another vCPU has settled is called a bug)'}`,
    `stress: ${report.audits} audits, ${report.violations.length} violations`,
    ...report.violations.slice(0, 20).map((text) => `stress:   ${text}`),
    `stress: a change took p50 ${at(0.5)} µs, p99 ${at(0.99)} µs, at most ${at(1)} µs`,
    `stress: the guest ended with ${JSON.stringify(report.stop)}`,
  ];
}
