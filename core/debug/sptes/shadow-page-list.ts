/** The shadow pages in use, each with a count of what is in it. */
import type { Arena } from '../../arena/arena.ts';
import {
  SP_GFN,
  SP_MMIO_CACHED,
  SP_MMU_VALID_GEN,
  SP_ROOT_COUNT,
  SP_UNSYNC,
  VM_MMU_VALID_GEN,
} from '../../arena/mmu-layout.ts';
import { roleText } from '../../format/role-text.ts';
import type { SptePageSnapshot } from '../../protocol/snapshots.ts';
import {
  ENTRIES_PER_PAGE,
  pageHeader,
  pageInUse,
  pageRole,
  pageTable,
  parentPage,
  roleIsDirect,
  roleIsInvalid,
  roleLevel,
} from './shadow-page.ts';
import { KIND_EMPTY, KIND_MMIO, spteFormat, spteGeneration, spteKind, type SpteFormat } from './spte-kind.ts';

export function listShadowPages(arena: Arena): readonly SptePageSnapshot[] {
  const format = spteFormat(arena);
  const pages: SptePageSnapshot[] = [];
  for (let index = 0; index < arena.layout.config.shadowPages; index++) {
    if (pageInUse(arena, index)) pages.push(describePage(arena, format, index));
  }
  return pages;
}

function describePage(arena: Arena, format: SpteFormat, index: number): SptePageSnapshot {
  const header = pageHeader(arena, index);
  const role = pageRole(arena, index);
  const field = (at: number): number => arena.i32[(header + at) >> 2];
  return {
    index,
    hpa: pageTable(arena, index),
    gfn: arena.f64[(header + SP_GFN) >> 3],
    level: roleLevel(role),
    role,
    roleText: roleText(role),
    direct: roleIsDirect(role),
    rootCount: field(SP_ROOT_COUNT),
    obsolete: field(SP_MMU_VALID_GEN) !== arena.i32[(arena.layout.vm + VM_MMU_VALID_GEN) >> 2],
    invalid: roleIsInvalid(role),
    unsync: field(SP_UNSYNC) !== 0,
    mmioCached: field(SP_MMIO_CACHED) !== 0,
    ...countEntries(arena, format, index, roleLevel(role)),
    parent: parentPage(arena, index),
  };
}

function countEntries(
  arena: Arena,
  format: SpteFormat,
  page: number,
  level: number,
): Pick<SptePageSnapshot, 'present' | 'mmioFresh' | 'mmioStale'> {
  let present = 0;
  let mmioFresh = 0;
  let mmioStale = 0;
  const words = pageTable(arena, page) >> 2;
  for (let entry = 0; entry < ENTRIES_PER_PAGE; entry++) {
    const low = arena.i32[words + 2 * entry];
    const high = arena.i32[words + 2 * entry + 1];
    const kind = spteKind(format, level, low, high);
    if (kind === KIND_EMPTY) continue;
    if (kind !== KIND_MMIO) present += 1;
    else if (spteGeneration(format, kind, low, high) === format.generation) mmioFresh += 1;
    else mmioStale += 1;
  }
  return { present, mmioFresh, mmioStale };
}
