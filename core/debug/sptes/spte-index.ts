/**
 * All sptes of a machine in columns, for a table that people sort and filter: one pass over a copy of the shadow pages in
 * use. A row is an entry that is not empty; a million of them take some tens of milliseconds, in steps, and about 30 MB.
 */
import type { Arena } from '../../arena/arena.ts';
import { mmioSpteGfn } from '../../kvm/spte/spte-mmio.ts';
import { ENTRIES_PER_PAGE, roleLevel, steppedGfn } from './shadow-page.ts';
import { copySptes, type SpteCopy } from './spte-copy.ts';
import { KIND_EMPTY, KIND_MMIO, spteGeneration, spteKind, type SpteFormat } from './spte-kind.ts';
import { finish, inParts, type WorkSteps } from './work-steps.ts';

export interface SpteIndex {
  readonly format: SpteFormat;
  readonly count: number;
  /** page × 512 + entry. */
  readonly place: Uint32Array;
  readonly kind: Uint8Array;
  readonly level: Uint8Array;
  readonly gfn: Float64Array;
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly gen: Int32Array;
  /** Role words by page. */
  readonly roles: Int32Array;
  /** By page: 1 where sp->unsync is set. */
  readonly unsync: Uint8Array;
}

export const indexSptes = (arena: Arena): SpteIndex => finish(indexSteps(copySptes(arena)));

export function* indexSteps(copy: SpteCopy): WorkSteps<SpteIndex> {
  const { format, pages } = copy;
  const index: Filling = { ...(yield* emptyIndex(copy)), count: 0 };
  for (let i = 0; i < pages.length; i++) {
    index.roles[pages[i]] = copy.roles[i];
    index.unsync[pages[i]] = copy.unsync[i];
    readPage(copy, i, index, format);
    if (i % PAGES_A_STEP === 0) yield;
  }
  return index;
}

type Filling = { -readonly [K in keyof SpteIndex]: SpteIndex[K] };

const PAGES_A_STEP = 16;
const WORDS_PER_PAGE = 2 * ENTRIES_PER_PAGE;

function readPage(
  { pages, roles, gfns, gfnLists, words }: SpteCopy,
  i: number,
  index: Filling,
  format: SpteFormat,
): void {
  const level = roleLevel(roles[i]);
  const list = gfnLists[i];
  const first = i * WORDS_PER_PAGE;
  for (let entry = 0; entry < ENTRIES_PER_PAGE; entry++) {
    const low = words[first + 2 * entry];
    const high = words[first + 2 * entry + 1];
    const kind = spteKind(format, level, low, high);
    if (kind === KIND_EMPTY) continue;
    const row = index.count++;
    index.place[row] = pages[i] * ENTRIES_PER_PAGE + entry;
    index.kind[row] = kind;
    index.level[row] = level;
    if (kind === KIND_MMIO) index.gfn[row] = mmioSpteGfn(format.mmio, low, high);
    else index.gfn[row] = list === undefined ? steppedGfn(gfns[i], roles[i], entry) : list[entry];
    index.low[row] = low;
    index.high[row] = high;
    index.gen[row] = spteGeneration(format, kind, low, high);
  }
}

/** With room for every entry that is not zero. */
function* emptyIndex({ format, shadowPages, words }: SpteCopy): WorkSteps<SpteIndex> {
  let capacity = 0;
  yield* inParts(words.length >> 1, (from, to) => {
    for (let entry = from; entry < to; entry++) if ((words[2 * entry] | words[2 * entry + 1]) !== 0) capacity += 1;
  });
  return {
    format,
    count: 0,
    place: new Uint32Array(capacity),
    kind: new Uint8Array(capacity),
    level: new Uint8Array(capacity),
    gfn: new Float64Array(capacity),
    low: new Int32Array(capacity),
    high: new Int32Array(capacity),
    gen: new Int32Array(capacity),
    roles: new Int32Array(shadowPages),
    unsync: new Uint8Array(shadowPages),
  };
}
