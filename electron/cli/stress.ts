/** `umbra stress`: busy vCPUs on threads of their own, and memslot changes under them. */
import { Option, type Command } from 'commander';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../../core/base/machine-modes.ts';
import { vcpuLauncher } from '../host/vcpu-threads.ts';
import type { CliIo } from './cli-io.ts';
import { STATUS_MACHINE, STATUS_OK } from './exit-status.ts';
import { readImage } from './image-file.ts';
import { toJson } from './run-summary.ts';
import { integerIn } from './options.ts';
import { runStress, STRESS_MODES, type StressMode, type StressReport } from './stress-run.ts';

interface StressCliOptions {
  readonly vcpus: number;
  readonly mmu: MmuMode;
  readonly era: Era;
  readonly mode: StressMode;
  readonly changes: number;
  readonly auditEvery: number;
  readonly seconds?: number;
  readonly json: boolean;
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
    .addOption(
      new Option('--mode <mode>', 'paging mode of the guest')
        .choices(STRESS_MODES)
        .default('long' satisfies StressMode),
    )
    .option('--changes <n>', 'memslot changes', integerIn(1, 1_000_000), 20_000)
    .option('--audit-every <n>', 'memslot changes between two audits', integerIn(1, 1_000_000), 1000)
    .option('--seconds <n>', 'gives up after so long, and says whether anything hangs', integerIn(1, 86_400))
    .option('--json', 'the report as JSON', false)
    .action(async (options: StressCliOptions) => {
      const { vcpus, mmu, era, mode, changes, auditEvery, seconds, json } = options;
      const image = readImage('smp').bytes;
      const report = runStress({ image, launch: vcpuLauncher(), vcpus, mmu, era, mode, changes, auditEvery, seconds });
      const text = json ? [toJson(summary(report, options))] : lines(report, options);
      for (const line of text) await io.write(new TextEncoder().encode(`${line}\n`));
      finish(isGood(report, era) ? STATUS_OK : STATUS_MACHINE);
    });
}

const strikesOf = ({ bugStrikes }: StressReport): number =>
  Object.values(bugStrikes).reduce((sum, strikes) => sum + strikes, 0);

/** What 3.17 has mended strikes nobody from then on. */
const strikesMended = ({ bugStrikes }: StressReport, era: Era): boolean =>
  !STALE_CACHE_ERAS.has(era) && bugStrikes['stale-mmio-cache'] + bugStrikes['corrupt-mmio-spte'] > 0;

/**
 * Memory that was taken away is never seen. MMIO where memory has come is seen in the eras that believe their vCPU's cache,
 * and each time Umbra names the bug.
 */
export function isGood(report: StressReport, era: Era): boolean {
  const { violations, staleReads, staleRam, stop } = report;
  if (strikesMended(report, era)) return false;
  if (violations.length > 0 || stop.kind !== 'exit' || staleRam > 0) return false;
  return staleReads === 0 ? stop.status === 1 : STALE_CACHE_ERAS.has(era) && staleReads <= strikesOf(report);
}

const percentile = ({ microseconds: us }: StressReport, part: number): number =>
  us[Math.floor((us.length - 1) * part)] ?? 0;

function summary(report: StressReport, { era, mmu, mode, vcpus }: StressCliOptions): unknown {
  const { microseconds: _all, said: _said, ...figures } = report;
  const [p50, p99, most] = [0.5, 0.99, 1].map((part) => percentile(report, part));
  return { era, mmu, mode, vcpus, good: isGood(report, era), ...figures, changeMicroseconds: { p50, p99, most } };
}

function lines(report: StressReport, { era, mmu, mode, vcpus }: StressCliOptions): readonly string[] {
  const at = (part: number): string => percentile(report, part).toFixed(0);
  const known = STALE_CACHE_ERAS.has(era) ? ` (${era} believes its vCPU's MMIO cache after a change)` : '';
  return [
    `stress: ${report.changes} memslot changes under ${vcpus} vCPUs, ${mmu}, ${era}, guest in mode ${mode}`,
    `stress: ${report.insns} instructions, ${report.mmioFaults} MMIO faults`,
    `stress: ${report.windowReads} reads of the window, ${report.windowReadsOfRam} of them found RAM`,
    `stress: ${report.staleReads} reads found what had gone${known}`,
    `stress: ${strikesOf(report)} strikes of the era's named bugs`,
    ...report.log.slice(0, 5).map((text) => `stress:   ${text}`),
    `stress: ${report.bugExits} exits with KVM_EXIT_UNKNOWN${report.bugExits === 0 ? '' : ' (before 4.3 a fault that another vCPU has settled is called a bug)'}`,
    `stress: ${report.audits} audits, ${report.violations.length} violations`,
    ...report.violations.slice(0, 20).map((text) => `stress:   ${text}`),
    `stress: a change took p50 ${at(0.5)} µs, p99 ${at(0.99)} µs, at most ${at(1)} µs`,
    `stress: the guest ended with ${JSON.stringify(report.stop)}`,
  ];
}
