/**
 * A vCPU's registers and its hardware's caches as they came out of a file. Translations decide which bytes of the arena an
 * instruction touches, so each is checked to lead to guest memory (for the shadow MMU's paging-structure caches: to a shadow
 * page); the rest is checked for what a processor cannot be.
 */
import type { Arena } from '../arena/arena.ts';
import { RestoredWords } from '../arena/restored-words.ts';
import {
  VCPU_ACTIVITY,
  VCPU_BYTES,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_F_COUNTERS,
  VCPU_F_DELIVERIES,
  VCPU_F_INSNS,
  VCPU_FLAGS_OP,
  VCPU_IDT_VECTORING,
  VCPU_INTERRUPT_SHADOW,
  VCPU_INTERRUPT_WINDOW,
  VCPU_PENDING_DEBUG,
  VCPU_ZERO,
} from '../arena/vcpu-layout.ts';
import { VCPU_COUNTERS } from '../base/counters.ts';
import { FLAGS_RESULT_64 } from './exec/flags.ts';
import { C_PAGE } from './tlb/paging-cache.ts';
import { N_PAGE } from './tlb/second-level-cache.ts';
import {
  NESTED_TLB,
  NESTED_TLB_END,
  PAGING_CACHES_END,
  PDE_CACHE,
  STALE_CODE,
  STALE_CODE_COUNT,
  STALE_CODE_LOCK,
  STALE_CODE_SIZE,
  TLB_AT,
  TLB_END,
  TLB_ENTRY_WORDS,
  TLB_HALF_WORDS,
  TLB_LOG,
  TLB_LOG_COUNT,
  TLB_LOG_SIZE,
} from './tlb/tlb-layout.ts';
import { fastTag, T_EXEC, T_FLAGS, T_PAGE, T_READ, T_WRITE, TLB_GLOBAL, TLB_INDEX_MASK, TLB_LARGE } from './tlb/tlb.ts';

const PAGE = 4096;

/** @throws RestoreRefused */
export function checkRestoredCpu(arena: Arena, id: number, shadow: boolean): void {
  const words = new RestoredWords(arena, arena.layout.vcpus + id * VCPU_BYTES, `vCPU ${id}`);
  checkRegisters(words);
  checkTlb(words, arena);
  checkWalkCaches(words, arena, shadow);
  words.int(STALE_CODE_LOCK * 4, 0, 0, 'the lock of its list of stale code');
  const stale = words.int(STALE_CODE_COUNT * 4, 0, STALE_CODE_SIZE + 1, 'its count of stale code pages');
  for (let n = 0; n < Math.min(stale, STALE_CODE_SIZE); n++) {
    words.int((STALE_CODE + n) * 4, 0, arena.layout.totalBytes / PAGE - 1, 'a stale code page');
  }
}

function checkRegisters(words: RestoredWords): void {
  const bits = words.int(VCPU_CODE_BITS * 4, 16, 64, 'its code size');
  words.require(bits === 16 || bits === 32 || bits === 64, `its code size is ${bits}`);
  words.int(VCPU_CPL * 4, 0, 3, 'its CPL');
  words.int(VCPU_FLAGS_OP * 4, 0, FLAGS_RESULT_64, 'the operation that set its flags');
  words.int(VCPU_ACTIVITY * 4, 0, 3, 'its activity state');
  words.int(VCPU_INTERRUPT_SHADOW * 4, 0, 2, 'its interruptibility');
  words.int(VCPU_INTERRUPT_WINDOW * 4, 0, 1, 'its wish for an interrupt window');
  words.int(VCPU_PENDING_DEBUG * 4, 0, 1, 'its pending single-step trap');
  words.int(VCPU_IDT_VECTORING * 4, 0, 256, 'its IDT-vectoring information');
  words.int(VCPU_ZERO * 4, 0, 0, 'the register that is always zero');
  words.int(VCPU_ZERO * 4 + 4, 0, 0, 'the register that is always zero');
  // Times are made of these in doubles that must stay whole: a thousandth of what a double can count to, three years of guest time.
  words.whole(VCPU_F_INSNS * 8, 0, 2 ** 43, 'its count of instructions');
  words.whole(VCPU_F_DELIVERIES * 8, 0, 2 ** 43, 'its count of deliveries');
  words.wholes(VCPU_F_COUNTERS * 8, VCPU_COUNTERS.length, 0, 2 ** 53, 'counter');
}

function checkTlb(words: RestoredWords, arena: Arena): void {
  const { i32 } = arena;
  const first = words.start >> 2;
  let used = 0;
  for (let t = TLB_AT; t < TLB_END; t += TLB_ENTRY_WORDS) {
    const at = first + t;
    const write = i32[at + T_WRITE];
    const stores = write === 0 ? 0 : fastTag(write);
    const tags = [i32[at + T_READ], stores, i32[at + T_EXEC]].filter((tag) => tag !== 0);
    words.require((i32[at + T_FLAGS] & ~(TLB_GLOBAL | TLB_LARGE)) === 0, 'a TLB entry has unknown marks');
    if (tags.length === 0) continue;
    used += 1;
    const [tag] = tags;
    const index = (t - TLB_AT) % TLB_HALF_WORDS;
    const inPlace = (tag & 0xfff) === 0xfff && ((tag >>> 9) & TLB_INDEX_MASK) === index;
    words.require(inPlace && tags.every((other) => other === tag), 'a TLB entry has tags of another place');
    words.require(isRamPage(arena, i32[at + T_PAGE]), 'a TLB entry leads outside guest memory');
  }
  const logged = words.int(TLB_LOG_COUNT * 4, 0, 2 ** 31 - 1, 'its count of TLB fills');
  if (logged > TLB_LOG_SIZE) return;
  words.require(used <= logged, 'its TLB has more entries than were filled');
  const seen = new Set<number>();
  for (let n = 0; n < logged; n++) {
    const entry = words.int((TLB_LOG + n) * 4, TLB_AT, TLB_END - TLB_ENTRY_WORDS, 'an entry of its log of TLB fills');
    words.require(entry % TLB_ENTRY_WORDS === 0, 'its log of TLB fills names no entry');
    seen.add(entry);
  }
  words.require(used <= seen.size, 'its TLB has entries that its log of fills does not name');
}

/** Entries of the paging-structure caches lead to tables of the guest's, or of KVM's under the shadow MMU. */
function checkWalkCaches(words: RestoredWords, arena: Arena, shadow: boolean): void {
  const { i32, layout } = arena;
  const first = words.start >> 2;
  const isShadowPage = (page: number): boolean =>
    (page & (PAGE - 1)) === 0 &&
    page >= layout.shadowPages &&
    page < layout.shadowPages + layout.config.shadowPages * PAGE;
  for (let c = PDE_CACHE; c < PAGING_CACHES_END; c += 8) {
    if ((i32[first + c] & 1) === 0) continue;
    const page = i32[first + c + C_PAGE];
    const good = shadow ? isShadowPage(page) : isRamPage(arena, page);
    words.require(good, 'an entry of its paging-structure caches leads to no page table');
  }
  for (let n = NESTED_TLB; n < NESTED_TLB_END; n += 4) {
    if (i32[first + n] === 0) continue;
    words.require(isRamPage(arena, i32[first + n + N_PAGE]), 'a guest-physical mapping leads outside guest memory');
  }
}

/** An arena offset of a whole page of guest memory. */
export function isRamPage({ layout }: Arena, offset: number): boolean {
  return (offset & (PAGE - 1)) === 0 && offset >= layout.ram && offset < layout.ram + layout.config.ramBytes;
}
