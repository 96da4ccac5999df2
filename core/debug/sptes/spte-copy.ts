/**
 * All tables of shadow pages as they stand at one moment, copied in one piece: a few milliseconds for a million sptes, where
 * reading them takes a hundred. What is worked out of the copy afterwards, in however many steps, is of that one moment.
 */
import type { Arena } from '../../arena/arena.ts';
import { ENTRIES_PER_PAGE, gfnList, pageGfn, pageInUse, pageRole, pageTable, pageUnsync } from './shadow-page.ts';
import { spteFormat, type SpteFormat } from './spte-kind.ts';

const WORDS_PER_PAGE = 2 * ENTRIES_PER_PAGE;

export interface SpteCopy {
  readonly format: SpteFormat;
  /** Of the machine; the copy has those in use. */
  readonly shadowPages: number;
  /** Numbers of the pages that were copied, ascending. */
  readonly pages: Int32Array;
  readonly roles: Int32Array;
  /** 1 where sp->unsync is set. */
  readonly unsync: Uint8Array;
  /** What the first entry of each maps. */
  readonly gfns: Float64Array;
  /** Where a page maps frames in no order of its own: what each entry maps. */
  readonly gfnLists: readonly (Float64Array | undefined)[];
  /** 1024 words of each page, one after the other. */
  readonly words: Int32Array;
}

export function copySptes(arena: Arena): SpteCopy {
  const { shadowPages } = arena.layout.config;
  const numbers: number[] = [];
  for (let page = 0; page < shadowPages; page++) if (pageInUse(arena, page)) numbers.push(page);
  const pages = Int32Array.from(numbers);
  const words = new Int32Array(pages.length * WORDS_PER_PAGE);
  const roles = new Int32Array(pages.length);
  const unsync = new Uint8Array(pages.length);
  const gfns = new Float64Array(pages.length);
  const gfnLists: (Float64Array | undefined)[] = [];
  for (let i = 0; i < pages.length; i++) {
    const page = pages[i];
    const from = pageTable(arena, page) >> 2;
    words.set(arena.i32.subarray(from, from + WORDS_PER_PAGE), i * WORDS_PER_PAGE);
    roles[i] = pageRole(arena, page);
    unsync[i] = Number(pageUnsync(arena, page));
    gfns[i] = pageGfn(arena, page);
    gfnLists.push(gfnList(arena, page)?.slice());
  }
  return { format: spteFormat(arena), shadowPages, pages, roles, unsync, gfns, gfnLists, words };
}
