/**
 * Shadow pages and their entries as they came out of a file. An entry is what the hardware follows: a link leads to a shadow
 * page in use, one level down; a leaf maps guest memory and nothing else of the arena. What the lists and counts around them
 * must be is the auditor's business (restored-vm.ts).
 */
import {
  MMU_PAGE_BYTES,
  SP_GFNS,
  SP_IN_USE,
  SP_MMU_VALID_GEN,
  SP_ROOT_COUNT,
  SP_UNSYNC,
} from '../../arena/mmu-layout.ts';
import { RestoredWords } from '../../arena/restored-words.ts';
import { framesOf } from '../audit/audit-view.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { isLastSpte, isMmio, isShadowPresent } from '../mmu/mmu-spte.ts';
import { gfnsWord, pageGfnWord, pageHpa, pageOfHpa, pageRole } from '../mmu/shadow-page-pool.ts';
import { ROLE_DIRECT, roleLevel } from '../mmu/shadow-page-role.ts';

const MAX_GFN = 2 ** 40;
/** Bits 47 … 12 of an entry that are above the arena: an address there is no frame of this machine. */
const HIGH_FRAME_BITS = 0xf_ffff;

/** @throws RestoreRefused */
export function checkRestoredPages(mmu: Mmu): void {
  const { layout } = mmu.arena;
  for (let page = 0; page < layout.config.shadowPages; page++) {
    const words = new RestoredWords(mmu.arena, layout.mmuPages + page * MMU_PAGE_BYTES, `shadow page ${page}`);
    if (words.int(SP_IN_USE, 0, 1, 'its mark of use') === 0) continue;
    const role = pageRole(mmu, page);
    const level = roleLevel(role);
    words.require(level >= 1 && level <= 4, `its level is ${level}`);
    const gfn = mmu.f64[pageGfnWord(mmu, page)];
    words.require(Number.isInteger(gfn) && gfn >= 0 && gfn < MAX_GFN, `its gfn is ${gfn}`);
    words.int(SP_UNSYNC, 0, 1, 'its mark of being out of sync');
    words.int(SP_ROOT_COUNT, 0, 32, 'its root_count');
    words.int(SP_MMU_VALID_GEN, 0, 2 ** 31 - 1, 'its mmu_valid_gen');
    const direct = (role & ROLE_DIRECT) !== 0;
    const gfns = direct ? 0 : gfnsWord(mmu, page) << 3;
    words.int(SP_GFNS, gfns, gfns, 'the place of its gfns');
    checkEntries(words, mmu, page, level, direct);
  }
}

function checkEntries(words: RestoredWords, mmu: Mmu, page: number, level: number, direct: boolean): void {
  const { i32, f64 } = mmu;
  const table = pageHpa(mmu, page);
  for (let index = 0; index < 512; index++) {
    const lo = i32[(table >> 2) + 2 * index];
    const hi = i32[(table >> 2) + 2 * index + 1];
    if ((lo | hi) === 0 || isMmio(mmu, lo, hi)) continue;
    const at = `its entry ${index}`;
    words.require(isShadowPresent(mmu, lo, hi), `${at} is neither present nor an MMIO spte`);
    words.require((hi & HIGH_FRAME_BITS) === 0, `${at} leads outside the machine`);
    if (isLastSpte(lo, level)) {
      words.require(mapsRam(mmu, lo, level), `${at} maps what is not guest memory`);
      const gfn = direct ? 0 : f64[gfnsWord(mmu, page) + index];
      words.require(Number.isInteger(gfn) && gfn >= 0 && gfn < MAX_GFN, `${at} maps gfn ${gfn}`);
    } else {
      words.require(leadsDown(mmu, lo, level), `${at} leads to no page of the level below`);
    }
  }
}

/** The whole of a leaf's frames, from a multiple of them on. */
function mapsRam(mmu: Mmu, lo: number, level: number): boolean {
  const { layout } = mmu.arena;
  if (level > 3) return false;
  const bytes = framesOf(level) * 4096;
  const first = (lo >>> 12) * 4096;
  return first % bytes === 0 && first >= layout.ram && first + bytes <= layout.ram + layout.config.ramBytes;
}

function leadsDown(mmu: Mmu, lo: number, level: number): boolean {
  const { i32, arena } = mmu;
  const child = pageOfHpa(mmu, lo & ~0xfff);
  if (child < 0 || child >= arena.layout.config.shadowPages) return false;
  const inUse = i32[(arena.layout.mmuPages + child * MMU_PAGE_BYTES + SP_IN_USE) >> 2] === 1;
  return inUse && roleLevel(pageRole(mmu, child)) === level - 1;
}
