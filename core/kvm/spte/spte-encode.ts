/** make_mmio_spte for any era, in bigints: the command line's and the tests'. The fault path has spte-mmio.ts. */
import { err, ok, type Result } from '../../base/result.ts';
import type { SpteEra } from './spte-eras.ts';
import { bitRange, gfnPlacement, L1TF_SHIFT, mmioMagic, type SpteHost } from './spte-magic.ts';
import { ACC_USER_MASK, ACC_WRITE_MASK } from './access-bits.ts';

export interface MmioSpteContent {
  readonly gfn: bigint;
  /** ACC_* bits. EXEC is never kept. */
  readonly access: number;
  readonly gen: number;
}

export function encodeMmioSpte(era: SpteEra, host: SpteHost, content: MmioSpteContent): Result<bigint, string> {
  const { gfn, access, gen } = content;
  const refusal = checkRanges(era, host, content);
  if (refusal !== undefined) return err(refusal);
  const magic = mmioMagic(era, host);
  const { split } = gfnPlacement(era, host);
  const gpa = gfn << 12n;
  let spte = magic.value | generationBits(era, gen) | gpa | split | ((gpa & split) << BigInt(L1TF_SHIFT));
  if (era.eptAccess === 'drowned' || host.mmu !== 'ept') spte |= BigInt(access & (ACC_WRITE_MASK | ACC_USER_MASK));
  return ok(spte);
}

/** generation_mmio_spte_mask: the generation at its places. */
export const generationBits = (era: SpteEra, gen: number): bigint =>
  era.generation.reduce(
    (bits, { low, high, genBit }) => bits | (((BigInt(gen) >> BigInt(genBit)) << BigInt(low)) & bitRange(low, high)),
    0n,
  );

function checkRanges(era: SpteEra, host: SpteHost, { gfn, access, gen }: MmioSpteContent): string | undefined {
  const { maxPhyAddr } = host;
  if (mmioMagic(era, host).mask === 0n) {
    return `${era.id} makes no MMIO sptes for ${host.mmu} on a host with ${maxPhyAddr} physical address bits`;
  }
  const { inPlace, split } = gfnPlacement(era, host);
  if (gfn < 0n || ((gfn << 12n) & ~(inPlace | split)) !== 0n) {
    const last = ((inPlace | split) >> 12n).toString(16);
    return `gfn 0x${gfn.toString(16)} is out of range: here the last one is 0x${last} (MAXPHYADDR ${maxPhyAddr})`;
  }
  if (!Number.isInteger(access) || access < 0 || access > 7) return `access ${access} is out of range: 0 to 7`;
  if (!Number.isInteger(gen) || gen < 0 || gen >= 2 ** era.genWidth) {
    const what = `generation ${Number.isInteger(gen) && gen >= 0 ? `0x${gen.toString(16)}` : gen}`;
    if (era.genWidth === 0) return `${what} cannot be kept: sptes of ${era.id} carry no generation (only 0)`;
    return `${what} is out of range: ${era.id} has generations 0 to 0x${(2 ** era.genWidth - 1).toString(16)}`;
  }
  if (era.evenGeneration && gen % 2 !== 0) {
    return `generation 0x${gen.toString(16)} is odd: ${era.id} keeps even generations only, odd ones mean "update in flight"`;
  }
  return undefined;
}
