/**
 * The address spaces of a virtualised x86 machine, in KVM's words (Documentation/virt/kvm/x86/mmu.rst, "Acronyms").
 *
 * On cold paths an address is a branded bigint (64 bits, never negative). On hot paths it travels as two int32 halves
 * (`lo`, `hi`) or, for frames, as a number; those never leave the module family that owns the path.
 */
import type { Brand } from './brand.ts';

/** Guest virtual address: what a guest instruction names, after segmentation (the SDM's linear address). 64 bits. */
export type Gva = Brand<bigint, 'gva'>;
/** Guest physical address: what the guest's own paging yields. At most 52 bits. */
export type Gpa = Brand<bigint, 'gpa'>;
/** Host virtual address: where user space (the VMM) sees guest memory. Starts at {@link HVA_BASE}. */
export type Hva = Brand<bigint, 'hva'>;
/** Host physical address. In Umbra the arena is host memory: an hpa is a byte offset into the arena, below 2^31. */
export type Hpa = Brand<number, 'hpa'>;
/** Guest frame number: gpa >> 12. A number: 40 bits at most, exact in a double. */
export type Gfn = Brand<number, 'gfn'>;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const PAGE_OFFSET_MASK = 0xfff;

/**
 * Where the VMM's mapping of guest memory begins in its own address space. The RAM region of the arena is mapped linearly
 * from here: hva = HVA_BASE + (arena offset − start of the RAM region). The value looks like a Linux mmap address so that
 * userspace_addr checks (below 0x7ffffffff000) see what they would see on a host.
 */
export const HVA_BASE = 0x7f00_0000_0000n;

const U64 = (1n << 64n) - 1n;

export const gva = (value: bigint): Gva => (value & U64) as Gva;
export const gpa = (value: bigint): Gpa => (value & ((1n << 52n) - 1n)) as Gpa;
export const hva = (value: bigint): Hva => (value & U64) as Hva;
export const hpa = (value: number): Hpa => value as Hpa;
export const gfn = (value: number): Gfn => value as Gfn;

export const gpaToGfn = (address: Gpa): Gfn => Number(address >> 12n) as Gfn;
export const gfnToGpa = (frame: Gfn): Gpa => (BigInt(frame) << 12n) as Gpa;

/** The 64-bit value whose halves are `lo` and `hi` (any int32 or uint32). */
export const u64FromHalves = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
/** Low half as int32. */
export const lowHalf = (value: bigint): number => Number(value & 0xffff_ffffn) | 0;
/** High half as int32. */
export const highHalf = (value: bigint): number => Number((value >> 32n) & 0xffff_ffffn) | 0;
