/**
 * Decoded instructions of one CPU, by the arena page they were fetched from. Records live in one pool of int32 words with a
 * handler beside each; a page's directory maps a byte offset to its record. A page is dropped whole when decoded bytes of
 * it are written; when the pool is full, everything is.
 */
import type { Cpu } from '../cpu.ts';
import { executeInvalid } from '../exec/exec-system.ts';
import { I_LENGTH, I_NEXT, I_TARGET, INSTRUCTION_WORDS, type InstructionHandler } from './instruction.ts';
import { markCodePage, unmarkAllCodePages, unmarkCodePage } from '../memory/system-code-pages.ts';

/** 64 KiB records of 64 bytes: 4 MiB. */
const POOL_RECORDS = 65536;
const MAX_LENGTH = 15;
/** Copied, because an array of this size is slow to make one by one, and a processor is made for every other test. */
const NO_HANDLERS: readonly InstructionHandler[] = Array.from({ length: POOL_RECORDS }, () => executeInvalid);

interface CodePage {
  readonly page: number;
  /** Code size the page was decoded for: 16, 32 or 64. */
  readonly bits: number;
  /** Record by offset in the page; 0 where no instruction is known to begin. */
  readonly starts: Int32Array;
  /** Offsets of `starts` that are set, to drop them without looking at all. */
  readonly offsets: number[];
  /** Pages whose last instruction ends in this one. */
  readonly spilledFrom: Set<number>;
}

export class DecodeCache {
  readonly code = new Int32Array(POOL_RECORDS * INSTRUCTION_WORDS);
  readonly handlers: InstructionHandler[];
  /** Bumped whenever records go, so that nobody links to one that is gone. */
  epoch = 0;
  private readonly cpu: Cpu;
  private readonly pages: (CodePage | undefined)[];
  /** Record 0 is "none". */
  private next = INSTRUCTION_WORDS;
  private readonly free: number[] = [];

  constructor(cpu: Cpu, arenaPages: number) {
    this.cpu = cpu;
    this.handlers = NO_HANDLERS.slice();
    this.pages = Array.from({ length: arenaPages }, () => undefined);
    unmarkAllCodePages(cpu);
  }

  /** The record of the instruction at an arena offset, decoded for `bits`, or 0. */
  find(offset: number, bits: number): number {
    const page = this.pages[offset >>> 12];
    return page === undefined || page.bits !== bits ? 0 : page.starts[offset & 0xfff];
  }

  /** A fresh record; its words are to be filled by the decoder. */
  allocate(): number {
    const reused = this.free.pop();
    if (reused !== undefined) return reused;
    if (this.next === POOL_RECORDS * INSTRUCTION_WORDS) this.dropAll();
    const record = this.next;
    this.next += INSTRUCTION_WORDS;
    return record;
  }

  /** Enters a filled record; `secondPage` is the arena page its last bytes are in, 0 if that is the first's. */
  insert(offset: number, bits: number, record: number, secondPage: number): void {
    const number = offset >>> 12;
    let page = this.pages[number];
    if (page !== undefined && page.bits !== bits) {
      this.dropPage(number);
      page = undefined;
    }
    page ??= this.openPage(number, bits);
    page.starts[offset & 0xfff] = record;
    page.offsets.push(offset & 0xfff);
    if (secondPage !== 0) (this.pages[secondPage] ?? this.openPage(secondPage, bits)).spilledFrom.add(number);
  }

  private openPage(number: number, bits: number): CodePage {
    const page = { page: number, bits, starts: new Int32Array(4096), offsets: [], spilledFrom: new Set<number>() };
    this.pages[number] = page;
    markCodePage(this.cpu, number);
    return page;
  }

  /** Forgets the instructions of a page and those that end in it. */
  dropPage(number: number): void {
    const page = this.pages[number];
    if (page === undefined) return;
    this.pages[number] = undefined;
    this.epoch++;
    this.cpu.successor = 0;
    for (const offset of page.offsets) {
      const record = page.starts[offset];
      this.code[record + I_NEXT] = 0;
      this.code[record + I_TARGET] = 0;
      this.free.push(record);
    }
    unmarkCodePage(this.cpu, number);
    for (const other of page.spilledFrom) this.dropPage(other);
  }

  dropAll(): void {
    for (let number = 0; number < this.pages.length; number++) {
      if (this.pages[number] !== undefined) this.pages[number] = undefined;
    }
    this.free.length = 0;
    this.next = INSTRUCTION_WORDS;
    this.epoch++;
    this.cpu.successor = 0;
    unmarkAllCodePages(this.cpu);
  }

  /** Breakpoints changed: every link between records is to be looked up again. */
  unlinkAll(): void {
    for (let record = INSTRUCTION_WORDS; record < this.next; record += INSTRUCTION_WORDS) {
      this.code[record + I_NEXT] = 0;
      this.code[record + I_TARGET] = 0;
    }
    this.cpu.successor = 0;
  }

  /** Bytes [offset, offset + length) were written: drops their page if an instruction was decoded from any of them. */
  noteWrite(offset: number, length: number): void {
    const last = offset + length - 1;
    for (let number = offset >>> 12; number <= last >>> 12; number++) {
      const page = this.pages[number];
      if (page === undefined) continue;
      const start = Math.max(offset - number * 4096, 0);
      const end = Math.min(last - number * 4096, 4095);
      if (this.overlaps(page, start, end)) this.dropPage(number);
    }
  }

  private overlaps(page: CodePage, start: number, end: number): boolean {
    if (page.spilledFrom.size !== 0 && start < MAX_LENGTH) return true;
    for (let at = Math.max(start - MAX_LENGTH + 1, 0); at <= end; at++) {
      const record = page.starts[at];
      if (record !== 0 && at + this.code[record + I_LENGTH] > start) return true;
    }
    return false;
  }
}
