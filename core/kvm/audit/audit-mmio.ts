/**
 * MMIO sptes and what else says "no memory here" (invariants 7 and 8): the sptes' places and generations, the counts that are
 * kept of them, and the vCPUs' MMIO caches.
 */
import { SP_MMIO_CACHED, VM_MMIO_SPTES } from '../../arena/mmu-layout.ts';
import { VCPU_BYTES, VCPU_MMIO_GFN } from '../../arena/vcpu-layout.ts';
import { framesOf, type AuditSpte, type AuditView } from './audit-view.ts';
import { corruptMmioCache, staleLpageInfo, staleMmioCache } from './audit-era-bugs.ts';
import { currentMmioGeneration, mmioGenerationEnd } from '../eras.ts';
import { readMemslots } from '../memslots/memslot-table.ts';
import { isVisibleGfn } from '../memslots/memslots.ts';
import { vcpuMatchMmioGen } from '../mmio/mmio-cache.ts';
import { VM_MMIO_FRESH, VM_MMIO_FRESH_GEN } from '../mmu/mmu-words.ts';
import { mmioSpteGeneration, mmioSpteGfn } from '../spte/spte-mmio.ts';

const generationOf = (view: AuditView, { lo, hi }: AuditSpte): number => mmioSpteGeneration(view.mmu.mmio, lo, hi);

export function auditMmio(view: AuditView): void {
  const { mmu, era } = view;
  const current = currentMmioGeneration(mmu.arena);
  for (const spte of view.mmioSptes) {
    const gfn = mmioSpteGfn(mmu.mmio, spte.lo, spte.hi);
    const at = { ...spte, gfn };
    const generation = generationOf(view, spte);
    if (spte.page.level !== 1) {
      const bug = isBeforeItsSlot(view, gfn, spte.page.level) ? staleLpageInfo(era) : undefined;
      view.reportSpte('mmio-spte', at, `an MMIO spte stands at level ${spte.page.level}`, bug);
    }
    if (spte.page.direct && spte.gfn !== gfn) {
      const text = `an MMIO spte of gfn 0x${gfn.toString(16)} stands where gfn 0x${spte.gfn.toString(16)} belongs`;
      view.reportSpte('mmio-spte', at, text);
    }
    if (generation === current && isVisibleGfn(mmu.arena, gfn)) {
      const text = `an MMIO spte of the current generation 0x${current.toString(16)} covers gfn 0x${gfn.toString(16)}, which is in a live slot`;
      view.reportSpte('mmio-in-slot', at, text, corruptMmioCache(era));
    }
    // The series' eras zap whenever they come to the last two generations, so sptes of those may stay behind at the wrap-around.
    if (generation > current && generation < mmioGenerationEnd(era)) {
      const text = `an MMIO spte carries generation 0x${generation.toString(16)}, the current one is 0x${current.toString(16)}: it will match again`;
      view.reportSpte('generation-repeats', at, text);
    }
    if ((era === 'patch' || era === 'v3.10') && mmu.i32[spte.page.header + (SP_MMIO_CACHED >> 2)] === 0) {
      view.reportSpte('mmio-cached', at, `page ${spte.page.index} holds an MMIO spte, but mmio_cached is clear`);
    }
  }
  auditCounts(view, current);
  for (let id = 0; id < mmu.vcpuCount; id++) auditVcpuCache(view, id);
}

function auditCounts(view: AuditView, current: number): void {
  const { i32, vm } = view.mmu;
  const live = view.mmioSptes.length;
  const counted = i32[(vm + VM_MMIO_SPTES) >> 2];
  if (counted !== live) view.report('mmio-count', `${counted} live MMIO sptes are counted, a walk finds ${live}`);
  // A count of another generation is nobody's: it is put right when the first spte of the current one is made.
  const generation = i32[(vm + VM_MMIO_FRESH_GEN) >> 2];
  if (generation !== current) return;
  const fresh = view.mmioSptes.filter((spte) => generationOf(view, spte) === current).length;
  const countedFresh = i32[(vm + VM_MMIO_FRESH) >> 2];
  if (countedFresh !== fresh) {
    view.report('mmio-count', `${countedFresh} fresh MMIO sptes are counted, a walk finds ${fresh}`);
  }
}

function auditVcpuCache(view: AuditView, vcpuId: number): void {
  const { mmu, era } = view;
  const r = mmu.vcpuBlock(vcpuId);
  const gfn = (mmu.i32[r + VCPU_MMIO_GFN] >>> 0) + (mmu.i32[r + VCPU_MMIO_GFN + 1] >>> 0) * 0x1_0000_0000;
  if (gfn === 0 || !isVisibleGfn(mmu.arena, gfn)) return;
  const block = mmu.i32.subarray(r, r + VCPU_BYTES / 4);
  if (mmu.cacheHasGeneration && !vcpuMatchMmioGen(mmu, block)) return;
  const text = `the MMIO cache of vCPU ${vcpuId} holds gfn 0x${gfn.toString(16)}, which is in a live slot`;
  view.report('mmio-cache', text, { gfn, eraBug: staleMmioCache(era) });
}

/** Whether a large page begins in front of a slot that has other frames of it: the lookup of its first frame finds none. */
const isBeforeItsSlot = ({ mmu }: AuditView, gfn: number, level: number): boolean =>
  readMemslots(mmu.arena).some(({ baseGfn }) => baseGfn > gfn && baseGfn < gfn + framesOf(level));
