/** What is said when the guest stands still: where, why, the spte in question, the registers. By requests, as any client asks. */
import type { Era, MmuMode } from '../../base/machine-modes.ts';
import { formatHex } from '../../format/address-text.ts';
import { disassemblyLines, registerLines } from '../../format/cpu-text.ts';
import { fieldBits } from '../../format/spte-text.ts';
import { describeStop, generationText } from '../../format/stop-reason.ts';
import type { Answer, Params, RequestName } from '../../protocol/requests.ts';
import type { RegisterValue } from '../../protocol/register-snapshots.ts';
import type { DecodedSpte, MachineStatus, SpteRow } from '../../protocol/snapshots.ts';

/** Whoever answers requests. */
export type Ask = <K extends RequestName>(name: K, params: Params<K>) => Answer<K>;

/** Lines, without the program's name in front. */
export function stopReport(ask: Ask, status: MachineStatus, columns?: number): readonly string[] {
  const { reason, moment } = status;
  // −1: user space did it, and the boot vCPU stands for all.
  const vcpu = 'vcpu' in reason ? Math.max(0, reason.vcpu ?? 0) : 0;
  const code = ask('disassembly.read', { vcpu, address: status.vcpus[vcpu].rip, before: 0, count: 1 });
  const registers = ask('registers.read', { vcpu });
  return [
    `${describeStop(reason) || status.state}, after ${moment.insns} instructions`,
    ...(code.ok ? disassemblyLines(code.value.lines) : []),
    ...(reason.kind === 'mmio-breakpoint' ? spteLines(ask, status, reason.fault.gpa) : []),
    generationText(status),
    ...(registers.ok ? registerLines(registers.value.registers.filter(isShown), columns) : []),
  ];
}

const isShown = ({ group, name }: RegisterValue): boolean =>
  group === 'general' || /^(cs|ss|cr[0234]|efer)$/.test(name);

/** The last-level entry over a gpa, in full. */
export function spteLines(ask: Ask, { mmu, era, maxPhyAddr }: MachineStatus, gpa: bigint): readonly string[] {
  const row = spteOver(ask, gpa);
  if (row === undefined) return [`  gpa ${formatHex(gpa)}: no spte stands over it yet`];
  const decoded = decode(ask, row.value, era, mmu, maxPhyAddr);
  return [
    `  spte ${formatHex(row.value)} at hpa ${formatHex(row.sptep)}: ${row.kind}${freshness(row)}`,
    ...(decoded === undefined ? [] : fieldLines(decoded)),
  ];
}

/** The entry that decides about a gpa: the MMIO spte or mapping at the lowest level. */
export function spteOver(ask: Ask, gpa: bigint): SpteRow | undefined {
  const kinds: ('mmio' | 'leaf' | 'large')[] = ['mmio', 'leaf', 'large'];
  const filter = { kinds, gfnStart: Number(gpa >> 12n), gfnLength: 1 };
  const answer = ask('sptes.rows', { filter, offset: 0, limit: 1 });
  return answer.ok ? answer.value.rows.at(0) : undefined;
}

const freshness = (row: SpteRow): string => (row.gen < 0 ? '' : row.stale ? ', stale' : ', fresh');

function decode(ask: Ask, value: bigint, era: Era, mmu: MmuMode, maxPhyAddr: number): DecodedSpte | undefined {
  const answer = ask('spte.decode', { value, era, mmu, maxPhyAddr });
  return answer.ok ? answer.value : undefined;
}

function fieldLines({ fields, notes }: DecodedSpte): readonly string[] {
  const shown = fields.filter(({ role }) => role !== 'ignored' && role !== 'reserved');
  return [
    ...shown.map(
      (field) =>
        `    ${fieldBits(field).padEnd(6)} ${field.name.padEnd(22)} ${formatHex(field.value).padEnd(14)} ${field.meaning}`,
    ),
    ...notes.map((note) => `    note: ${note}`),
  ];
}
