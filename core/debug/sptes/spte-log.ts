/** A kernel log against an era: every spte in it decoded, and what in a line does not go together for that era. */
import type { MmuMode } from '../../base/machine-modes.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { formatHex } from '../../format/address-text.ts';
import { parseKernelLog, type KernelLogLine, type KernelPrint } from '../../format/kernel-log.ts';
import { decodeSpte, type DecodedSpte } from '../../kvm/spte/spte-decode.ts';
import { encodeMmioSpte } from '../../kvm/spte/spte-encode.ts';
import { findSpteEra, unknownEra, type SpteEra } from '../../kvm/spte/spte-eras.ts';
import type { SpteLog, SpteLogLine } from '../../protocol/snapshots.ts';

export interface LogHost {
  readonly era: string;
  readonly mmu: MmuMode;
  readonly maxPhyAddr: number;
  readonly l1tfCacheBits?: number | undefined;
}

/** Lines that are handed out; a decoded spte is a dozen fields. */
export const MAX_SHOWN_LINES = 500;

/** @param most lines handed out; the counts are of all */
export function readSpteLog(text: string, host: LogHost, most = MAX_SHOWN_LINES): Result<SpteLog, string> {
  const era = findSpteEra(host.era);
  if (era === undefined) return err(unknownEra(host.era));
  const { lines, ...counts } = parseKernelLog(text);
  return ok({
    ...counts,
    recognised: lines.length,
    lines: lines.slice(0, most).map((line) => readLine(line, era, host)),
  });
}

function readLine(line: KernelLogLine, era: SpteEra, host: LogHost): SpteLogLine {
  const sptes = line.sptes.flatMap(({ value, level, part }) => {
    const decoded = decodeSpte(value, host.era, host.mmu, host.maxPhyAddr, host.l1tfCacheBits);
    return decoded.ok ? [{ decoded: decoded.value, level, part }] : [];
  });
  const written = writtenSpte(line, era, host);
  const all =
    written.spte === undefined ? sptes : [{ decoded: written.spte, level: undefined, part: 'written' }, ...sptes];
  const decoded = sptes.map((spte) => spte.decoded);
  return {
    line: line.line,
    text: line.text,
    print: line.print,
    says: SAYS[line.print](line.numbers, decoded),
    sptes: all,
    findings: [...written.findings, ...findings(line, era, decoded)],
  };
}

const hexOf = (value: bigint | undefined): string => (value === undefined ? '?' : formatHex(value));

const SAYS: Readonly<
  Record<KernelPrint, (n: Readonly<Record<string, bigint>>, sptes: readonly DecodedSpte[]) => string>
> = {
  value: (_n, sptes) => (sptes.length === 1 ? 'a value' : `${sptes.length} values`),
  mark_mmio_spte: ({ gfn, gen }) =>
    `KVM wrote an MMIO spte for gfn ${hexOf(gfn)}${gen === undefined ? '' : ` with generation ${hexOf(gen)}`}`,
  handle_mmio_page_fault: ({ addr, gfn }) =>
    `a fault on an MMIO spte of gfn ${hexOf(gfn)}${addr === 0n ? ', under a direct MMU' : ` at gva ${hexOf(addr)}`}: emulated`,
  check_mmio_spte: ({ kvm_gen: current, spte_gen: own, valid }) =>
    valid === 1n
      ? `generation ${hexOf(own)} is the current one: the spte is trusted`
      : `INVALID: its generation is ${hexOf(own)} and the current one is ${hexOf(current)}`,
  fast_page_fault: () => 'an spte mended without mmu_lock',
  kvm_mmu_set_spte: ({ gfn, level }) => `an spte set for gfn ${hexOf(gfn)} at level ${level}`,
  kvm_tdp_mmu_spte_changed: ({ gfn, level }) => `the TDP MMU changed the spte of gfn ${hexOf(gfn)} at level ${level}`,
  kvm_mmu_split_huge_page: ({ gfn, level }) => `a large page of gfn ${hexOf(gfn)} split at level ${level}`,
  'reserved bits': ({ addr }) =>
    `a present spte on the way to ${hexOf(addr)} has reserved bits; the entries follow, from the root down`,
  hierarchy: ({ level }) => `an entry of that walk, level ${level}`,
  ept_misconfig: ({ addr, level, rsvd }) =>
    addr !== undefined
      ? `an EPT misconfiguration that is no MMIO, gpa ${hexOf(addr)}`
      : level !== undefined
        ? `an entry on its way, level ${level}`
        : `reserved bits ${hexOf(rsvd)} are set in the entry above`,
  'wrap-around': () => 'the generation reached its end: all shadow pages were zapped',
};

/** mark_mmio_spte prints what it was made from, not the value. */
function writtenSpte(
  { print, numbers: { gfn, access, gen } }: KernelLogLine,
  era: SpteEra,
  { mmu, maxPhyAddr, l1tfCacheBits }: LogHost,
): { readonly spte: DecodedSpte | undefined; readonly findings: readonly string[] } {
  if (print !== 'mark_mmio_spte' || gfn === undefined || access === undefined) return { spte: undefined, findings: [] };
  const findings: string[] = [];
  if (gen === undefined && era.genWidth > 0)
    findings.push(`The line has no generation, but ${era.id} keeps one: it is of an older kernel.`);
  if (gen !== undefined && era.genWidth === 0)
    findings.push(`The line has a generation, but ${era.id} keeps none: it is of a newer kernel.`);
  if (findings.length > 0) return { spte: undefined, findings };
  const encoded = encodeMmioSpte(
    era,
    { mmu, maxPhyAddr, l1tfCacheBits },
    { gfn, access: Number(access & 7n), gen: Number(gen ?? 0n) },
  );
  if (!encoded.ok) return { spte: undefined, findings: [`No such spte in this era: ${encoded.error}.`] };
  const decoded = decodeSpte(encoded.value, era.id, mmu, maxPhyAddr, l1tfCacheBits);
  return { spte: decoded.ok ? decoded.value : undefined, findings: [] };
}

function findings(
  { print, numbers, sptes }: KernelLogLine,
  era: SpteEra,
  decoded: readonly DecodedSpte[],
): readonly string[] {
  const all: string[] = [];
  const [spte] = decoded;
  if (print === 'check_mmio_spte' && spte !== undefined) {
    const { spte_gen: own, kvm_gen: current, valid } = numbers;
    if (spte.kind !== 'mmio')
      all.push(`${era.id} does not take this value for an MMIO spte: another era, MMU or MAXPHYADDR.`);
    else if (spte.gen === undefined) all.push(`${era.id} keeps no generation in an spte, and has no such tracepoint.`);
    else if (BigInt(spte.gen) !== own)
      all.push(
        `${era.id} reads generation ${formatHex(spte.gen)} out of it, the line says ${hexOf(own)}: another era.`,
      );
    if ((own === current) !== (valid === 1n)) all.push('"valid" does not follow from the two generations.');
  }
  if (print === 'hierarchy') {
    const { rsvd } = numbers;
    const [first] = sptes;
    if (rsvd !== undefined && first !== undefined) {
      const bad = first.value & rsvd;
      if (bad !== 0n) all.push(`Bits ${formatHex(bad)} are set and reserved at this level.`);
    }
    if (spte?.kind === 'mmio')
      all.push('It reads as an MMIO spte here, which that report leaves out: another era, MMU or MAXPHYADDR.');
  }
  return all;
}
