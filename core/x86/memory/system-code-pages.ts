/**
 * Which arena pages hold bytes that instructions were decoded from, so that a store to one finds the decodes to drop.
 *
 * The marks are in the arena, one bit map a vCPU, because a page that one vCPU decoded may be written by another. A map has
 * fewer bits than a large RAM has pages: pages a gigabyte apart share a bit, which costs a look and drops nothing wrong.
 */
import { lockWord, unlockWord } from '../../arena/futex-lock.ts';
import { VCPU_BYTES } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { tlbMarkCodePage } from '../tlb/tlb.ts';
import {
  CODE_MARK_WORDS,
  CODE_MARKS,
  STALE_CODE,
  STALE_CODE_COUNT,
  STALE_CODE_LOCK,
  STALE_CODE_SIZE,
} from '../tlb/tlb-layout.ts';

const wordOf = (page: number): number => CODE_MARKS + ((page >>> 5) & (CODE_MARK_WORDS - 1));
const bitOf = (page: number): number => 1 << (page & 31);

/** `page` (arena offset >> 12) was decoded from: from now on every vCPU's stores to it take the slow path. */
export function markCodePage(cpu: Cpu, page: number): void {
  const r = cpu.r;
  if ((r[wordOf(page)] & bitOf(page)) !== 0) return;
  // A fence between the mark and the look into others' TLBs: who fills an entry meanwhile looks for marks behind it (tlb.ts).
  if (cpu.threaded) Atomics.or(r, wordOf(page), bitOf(page));
  else r[wordOf(page)] |= bitOf(page);
  tlbMarkCodePage(cpu, page << 12);
}

/** Nothing is decoded from `page` any more. Its stores stay slow until their TLB entries are filled anew. */
export function unmarkCodePage(cpu: Cpu, page: number): void {
  cpu.r[wordOf(page)] &= ~bitOf(page);
}

/** Forgets all marks: this vCPU's decode cache was emptied. */
export function unmarkAllCodePages(cpu: Cpu): void {
  cpu.r.fill(0, CODE_MARKS, CODE_MARKS + CODE_MARK_WORDS);
  cpu.r[STALE_CODE_COUNT] = 0;
}

/** Whether any vCPU holds instructions decoded from `page`. */
export function isCodePage(cpu: Cpu, page: number): boolean {
  const { i32, layout } = cpu.arena;
  for (let vcpu = 0; vcpu < layout.config.vcpus; vcpu++) {
    if ((i32[((layout.vcpus + vcpu * VCPU_BYTES) >> 2) + wordOf(page)] & bitOf(page)) !== 0) return true;
  }
  return false;
}

/**
 * A guest store of `length` bytes went to a code page: this vCPU's decodes of those bytes go at once; other vCPUs that
 * decoded from the page are told, and drop it when they next run (SDM vol 3A, "Handling Self- and Cross-Modifying Code").
 */
export function noteCodeWrite(cpu: Cpu, offset: number, length: number): void {
  cpu.noteExternalWrite(offset, length);
  const { i32, layout } = cpu.arena;
  const page = offset >>> 12;
  for (let vcpu = 0; vcpu < layout.config.vcpus; vcpu++) {
    if (vcpu === cpu.vcpuId) continue;
    const block = (layout.vcpus + vcpu * VCPU_BYTES) >> 2;
    if ((i32[block + wordOf(page)] & bitOf(page)) === 0) continue;
    if (cpu.threaded) lockWord(i32, block + STALE_CODE_LOCK, 'a list of stale code');
    const count = i32[block + STALE_CODE_COUNT];
    if (count < STALE_CODE_SIZE) i32[block + STALE_CODE + count] = page;
    if (count <= STALE_CODE_SIZE) i32[block + STALE_CODE_COUNT] = count + 1;
    if (cpu.threaded) unlockWord(i32, block + STALE_CODE_LOCK);
  }
}

/** A store to guest memory that the TLB did not see: KVM's emulator's. */
export function noteGuestWrite(cpu: Cpu, offset: number, length: number): void {
  if (isCodePage(cpu, offset >>> 12)) noteCodeWrite(cpu, offset, length);
}

/** The walker set A or D bits at `offset`. */
export function noteTableWrite(cpu: Cpu, offset: number): void {
  if (isCodePage(cpu, offset >>> 12)) noteCodeWrite(cpu, offset, 8);
}

/**
 * To be called before a vCPU runs, and on a thread of its own wherever the processor looks for its next instruction anew, as
 * after IRET and whatever else serializes: drops what others wrote over. `dropAll` when there was too much to remember. */
export function dropStaleCode(cpu: Cpu, dropAll: (cpu: Cpu) => void): void {
  const r = cpu.r;
  if (r[STALE_CODE_COUNT] === 0) return;
  if (cpu.threaded) lockWord(r, STALE_CODE_LOCK, 'a list of stale code');
  const count = r[STALE_CODE_COUNT];
  r[STALE_CODE_COUNT] = 0;
  if (count > STALE_CODE_SIZE) dropAll(cpu);
  else for (let i = 0; i < count; i++) cpu.dropDecodedPage(r[STALE_CODE + i]);
  if (cpu.threaded) unlockWord(r, STALE_CODE_LOCK);
}
