/** One spte where it stands: decoded by the VM's era, with the header of the page that holds it. Pure. */
import type { WalkMmioSpte, WalkShadowPage } from '../../base/address-walk.ts';
import { SP_MMU_VALID_GEN, SP_ROLE, SP_UNSYNC } from '../../arena/mmu-layout.ts';
import { highHalf, lowHalf } from '../../base/address.ts';
import { UmbraBug } from '../../base/assert.ts';
import { eraOf } from '../eras.ts';
import { visibleGeneration, visibleSpteGeneration } from '../mmio/mmio-fault.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { isMmio } from '../mmu/mmu-spte.ts';
import { pageGfnWord, pageHeader, pageOfHpa } from '../mmu/shadow-page-pool.ts';
import { explainSpte, type DecodedSpte } from '../spte/spte-decode.ts';
import { findSpteEra } from '../spte/spte-eras.ts';
import { spteHostOf } from '../spte/spte-mmio.ts';

export function explainSpteHere(mmu: Mmu, value: bigint): DecodedSpte {
  const name = eraOf(mmu.arena);
  const era = findSpteEra(name);
  if (era === undefined) throw new UmbraBug(`era ${name} has no spte format`);
  return explainSpte(era, spteHostOf(mmu.arena), value);
}

/** The shadow page that holds the spte; undefined when it is an entry of pae_root, which is part of the vCPU. */
export function shadowPageOf(mmu: Mmu, sptep: number): WalkShadowPage | undefined {
  const { layout } = mmu.arena;
  const end = layout.shadowPages + layout.config.shadowPages * 4096;
  if (sptep < layout.shadowPages || sptep >= end) return undefined;
  const index = pageOfHpa(mmu, sptep);
  const header = pageHeader(mmu, index);
  return {
    index,
    gfn: mmu.f64[pageGfnWord(mmu, index)],
    role: mmu.i32[header + (SP_ROLE >> 2)],
    unsync: mmu.i32[header + (SP_UNSYNC >> 2)] !== 0,
    obsolete: mmu.i32[header + (SP_MMU_VALID_GEN >> 2)] !== mmu.i32[mmu.validGen],
  };
}

export function mmioSpteOf(mmu: Mmu, value: bigint, decoded: DecodedSpte): WalkMmioSpte | undefined {
  const lo = lowHalf(value);
  const hi = highHalf(value);
  if (!isMmio(mmu, lo, hi)) return undefined;
  const gfn = Number(decoded.gfn ?? 0n);
  return { gfn, gen: visibleSpteGeneration(mmu, lo, hi), kvmGen: visibleGeneration(mmu) };
}
