/** What is said when the guest stands at a breakpoint: where, why, the spte in question, the registers. */
import type { Era, MmuMode } from '../../core/base/machine-modes.ts';
import { describeStop } from '../../core/format/stop-reason.ts';
import type { DecodedSpte, MachineStatus, RegisterValue, SpteRow } from '../../core/protocol/snapshots.ts';
import type { EngineSession } from './engine-session.ts';

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Lines, without the program's name in front. */
export function stopReport(engine: EngineSession, status: MachineStatus): readonly string[] {
  const { reason, moment } = status;
  const vcpu = 'vcpu' in reason ? reason.vcpu : 0;
  return [
    `${describeStop(reason)}, after ${moment.insns} instructions`,
    ...disassemblyLines(engine, vcpu, status.vcpus[vcpu].rip),
    ...(reason.kind === 'mmio-breakpoint' ? spteLines(engine, status, reason.fault.gpa) : []),
    generationLine(status),
    ...registerLines(engine.ask('registers.read', { vcpu }).registers),
  ];
}

export function generationLine({ moment, generationsToWrap }: MachineStatus): string {
  if (moment.mmioGeneration < 0)
    return `memslots generation ${moment.memslotsGeneration}; sptes of this era carry none`;
  return (
    `memslots generation ${moment.memslotsGeneration}, MMIO generation ${hex(moment.mmioGeneration)}, ` +
    `${generationsToWrap} changes before it wraps`
  );
}

function disassemblyLines(engine: EngineSession, vcpu: number, rip: bigint): readonly string[] {
  const { lines } = engine.ask('disassembly.read', { vcpu, address: rip, before: 0, count: 1 });
  return lines.map(({ address, text, symbol, touches }) => {
    const where = symbol === undefined ? hex(address) : `${hex(address)} <${symbol}>`;
    return `  ${where}: ${text}${touches === undefined ? '' : `   ; ${touches}`}`;
  });
}

/** The last-level entry over a gpa, in full. */
export function spteLines(
  engine: EngineSession,
  { mmu, era, maxPhyAddr }: MachineStatus,
  gpa: bigint,
): readonly string[] {
  const row = spteOver(engine, gpa);
  if (row === undefined) return [`  gpa ${hex(gpa)}: no spte stands over it yet`];
  return [
    `  spte ${hex(row.value)} at hpa ${hex(row.sptep)}: ${row.kind}${freshness(row)}`,
    ...fieldLines(decode(engine, row.value, era, mmu, maxPhyAddr)),
  ];
}

/** The entry that decides about a gpa: the MMIO spte or mapping at the lowest level. */
export function spteOver(engine: EngineSession, gpa: bigint): SpteRow | undefined {
  const filter = {
    kinds: ['mmio', 'leaf', 'large'] as ('mmio' | 'leaf' | 'large')[],
    gfnStart: Number(gpa >> 12n),
    gfnLength: 1,
  };
  return engine.ask('sptes.rows', { filter, offset: 0, limit: 1 }).rows.at(0);
}

const freshness = (row: SpteRow): string => (row.gen < 0 ? '' : row.stale ? ', stale' : ', fresh');

const decode = (engine: EngineSession, value: bigint, era: Era, mmu: MmuMode, maxPhyAddr: number): DecodedSpte =>
  engine.ask('spte.decode', { value, era, mmu, maxPhyAddr });

function fieldLines({ fields, notes }: DecodedSpte): readonly string[] {
  const shown = fields.filter(({ role }) => role !== 'ignored' && role !== 'reserved');
  return [
    ...shown.map(({ name, high, low, value, meaning }) => {
      const bits = high === low ? `${high}` : `${high}:${low}`;
      return `    ${bits.padEnd(6)} ${name.padEnd(22)} ${hex(value).padEnd(14)} ${meaning}`;
    }),
    ...notes.map((note) => `    note: ${note}`),
  ];
}

const COLUMNS = 4;

function registerLines(registers: readonly RegisterValue[]): readonly string[] {
  const shown = registers.filter(({ group, name }) => group === 'general' || /^(cs|ss|cr[0234]|efer)$/.test(name));
  const lines: string[] = [];
  for (let i = 0; i < shown.length; i += COLUMNS) {
    const cells = shown.slice(i, i + COLUMNS).map(({ name, bits, value, flags }) => {
      const digits = value.toString(16).padStart(bits / 4, '0');
      return `${name.padStart(6)} ${digits}${name === 'rflags' && flags ? ` [${flags.join(' ')}]` : ''}`;
    });
    lines.push(`  ${cells.join(' ')}`);
  }
  return lines;
}
