/** Descriptor tables, a TSS and handlers for the tests of exceptions and transfers, laid out by hand in identity-mapped RAM. */
import {
  CS,
  SS,
  TR,
  VCPU_GDTR_BASE,
  VCPU_GDTR_LIMIT,
  VCPU_IDTR_BASE,
  VCPU_IDTR_LIMIT,
  VCPU_RIP,
} from '../../../core/arena/vcpu-layout.ts';
import { Bench, type BenchOptions, P, PS, U, W } from './sys-fixture.ts';

export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x4000;
export const STACK = 0x8000;
/** RSP0 or ESP0 of the TSS, IST 1, and the SS0 of a 32-bit one. */
export const STACK_0 = 0xa000;
export const STACK_IST = 0xc000;
export const HANDLER = 0x2_1000;

export const KERNEL_CODE = 0x08;
export const KERNEL_DATA = 0x10;
export const USER_CODE = 0x1b;
export const USER_DATA = 0x23;
export const OTHER_CODE = 0x28;
export const TSS_SELECTOR = 0x30;
/** First free selector, for a test's own descriptors. */
export const FREE = 0x48;

const FLAT_CODE_32 = 0x00cf_9b00_0000_ffffn;
const FLAT_CODE_64 = 0x00af_9b00_0000_ffffn;
const FLAT_DATA = 0x00cf_9300_0000_ffffn;
const DPL_3 = 0x6000_0000_0000n;

export type Width = 32 | 64;

export function setDescriptor(bench: Bench, selector: number, value: bigint): void {
  bench.writeGuest64(GDT + (selector & ~7), value);
}

/** A bench in protected mode, paging off, or in 64-bit mode with the first GiB identity-mapped by one user page. */
export function system(width: Width, options: BenchOptions = {}): Bench {
  const bench = new Bench(options);
  if (width === 64) {
    bench.paging('4-level');
    bench.mapGuest('4-level', 0n, 0n, P | W | U | PS, 3);
  }
  const code = width === 64 ? FLAT_CODE_64 : FLAT_CODE_32;
  setDescriptor(bench, KERNEL_CODE, code);
  setDescriptor(bench, KERNEL_DATA, FLAT_DATA);
  setDescriptor(bench, USER_CODE, code | DPL_3);
  setDescriptor(bench, USER_DATA, FLAT_DATA | DPL_3);
  setDescriptor(bench, OTHER_CODE, FLAT_CODE_32);
  bench.r[VCPU_GDTR_BASE] = GDT;
  bench.r[VCPU_GDTR_LIMIT] = 0x7f;
  bench.r[VCPU_IDTR_BASE] = IDT;
  bench.r[VCPU_IDTR_LIMIT] = 256 * (width / 4) - 1;
  bench.segment(TR, TSS_SELECTOR, 0x8b, 0x67, TSS);
  if (width === 64) {
    bench.writeGuest64(TSS + 4, BigInt(STACK_0));
    bench.writeGuest64(TSS + 36, BigInt(STACK_IST));
  } else {
    bench.writeGuest32(TSS + 4, STACK_0);
    bench.writeGuest32(TSS + 8, KERNEL_DATA);
  }
  bench.setGpr(4, BigInt(STACK));
  setRip(bench, 0x1_1234n);
  return bench;
}

export function setRip(bench: Bench, rip: bigint): void {
  bench.set64(VCPU_RIP, rip);
}

export interface GateOptions {
  readonly trap?: boolean;
  readonly dpl?: number;
  readonly ist?: number;
  readonly selector?: number;
  readonly present?: boolean;
  readonly type?: number;
  readonly offset?: bigint;
}

/** A gate to HANDLER + 16 × vector. */
export function setGate(bench: Bench, width: Width, vector: number, options: GateOptions = {}): void {
  const { trap = false, dpl = 0, ist = 0, selector = KERNEL_CODE, present = true } = options;
  const offset = options.offset ?? BigInt(HANDLER + 16 * vector);
  const type = options.type ?? (trap ? 0xf : 0xe);
  const attributes = BigInt(type | (dpl << 5) | (present ? 0x80 : 0));
  const low = (offset & 0xffffn) | (BigInt(selector) << 16n);
  const high = BigInt(ist) | (attributes << 8n) | (offset & 0xffff_0000n);
  const at = IDT + vector * (width / 4);
  bench.writeGuest64(at, low | (high << 32n));
  if (width === 64) bench.writeGuest64(at + 8, offset >> 32n);
}

export const handlerOf = (vector: number): bigint => BigInt(HANDLER + 16 * vector);

/** The words from the stack pointer up. */
export function stackWords(bench: Bench, width: Width, count: number): bigint[] {
  const bytes = width / 8;
  return Array.from({ length: count }, (_, i) => {
    const at = Number(bench.rsp) + i * bytes;
    return width === 64 ? bench.readGuest64(at) : BigInt(bench.readGuest32(at));
  });
}

/** To CPL 3 with the user's segments. */
export function enterUser(bench: Bench, width: Width): void {
  bench.segment(CS, USER_CODE, width === 64 ? 0xa0fb : 0xc0fb, -1, 0);
  bench.segment(SS, USER_DATA, 0xc0f3, -1, 0);
  bench.cpl = 3;
}
