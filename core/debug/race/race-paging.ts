/**
 * Page tables for the guest of the race laboratory: linear addresses are physical ones, in large pages, but for the first ones
 * at 2 GiB, which have a table of 4 KiB pages that scripts may write to. All of it lies in slot 0, behind the vCPUs' code.
 */
import type { Arena } from '../../arena/arena.ts';
import {
  CS,
  SEG_ATTRIBUTES,
  SEGMENT_WORDS,
  VCPU_CODE_BITS,
  VCPU_CR0,
  VCPU_CR3,
  VCPU_CR4,
  VCPU_EFER,
  VCPU_PDPTE,
  VCPU_SEGMENTS,
} from '../../arena/vcpu-layout.ts';
import type { Vcpu } from '../../kvm/index.ts';
import { RACE_PAGE_TABLE, RACE_TABLE_LINEAR, type RacePaging } from './race-script.ts';

const ROOT = 0x8000;
const PDPT_4_LEVEL = 0x9000;
/** Page directories, one a GiB. */
const DIRECTORIES = { pae: 0x9000, '4-level': 0xa000 } as const;

const P = 1n;
/** Present, writable, user, accessed. */
const TABLE = 0x27n;
/** The same and dirty. */
const PAGE = 0x67n;
const PS = 0x80n;

const CR0_PG_WP_ET_PE = 0x8001_0011 | 0;
const CR4_PSE = 0x10;
const CR4_PAE = 0x20;
const EFER_LMA_LME = 0x500;
const CODE_64 = 0xa09b;

/** Writes the tables; before any vCPU has run. */
export function buildRaceTables(arena: Arena, paging: RacePaging): void {
  if (paging === 'none') return;
  const { view, layout } = arena;
  const set = (table: number, index: number, entry: bigint): void => {
    const at = layout.ram + table + index * (paging === '32-bit' ? 4 : 8);
    if (paging === '32-bit') view.setUint32(at, Number(entry), true);
    else view.setBigUint64(at, entry, true);
  };
  const entries = paging === '32-bit' ? 1024 : 512;
  for (let i = 0; i < entries; i++) set(RACE_PAGE_TABLE, i, BigInt(RACE_TABLE_LINEAR + i * 0x1000) | PAGE);
  if (paging === '32-bit') {
    for (let i = 0; i < 1024; i++) set(ROOT, i, (BigInt(i) << 22n) | PAGE | PS);
    set(ROOT, RACE_TABLE_LINEAR / 0x40_0000, BigInt(RACE_PAGE_TABLE) | TABLE);
    return;
  }
  const directories = DIRECTORIES[paging];
  for (let gib = 0; gib < 4; gib++) {
    const directory = directories + gib * 0x1000;
    for (let i = 0; i < 512; i++) set(directory, i, (BigInt(gib) << 30n) | (BigInt(i) << 21n) | PAGE | PS);
    set(paging === 'pae' ? ROOT : PDPT_4_LEVEL, gib, BigInt(directory) | (paging === 'pae' ? P : TABLE));
  }
  set(directories + 2 * 0x1000, 0, BigInt(RACE_PAGE_TABLE) | TABLE);
  if (paging === '4-level') set(ROOT, 0, BigInt(PDPT_4_LEVEL) | TABLE);
}

/** The vCPU with paging on, as if it had turned it on long ago. */
export function enterRacePaging(vcpu: Vcpu, paging: RacePaging): void {
  if (paging === 'none') return;
  const { r } = vcpu.cpu;
  const wide = (at: number, value: number): void => {
    r[at] = value;
    r[at + 1] = 0;
  };
  wide(VCPU_CR0, CR0_PG_WP_ET_PE);
  wide(VCPU_CR4, paging === '32-bit' ? CR4_PSE : CR4_PAE);
  wide(VCPU_CR3, ROOT);
  wide(VCPU_EFER, paging === '4-level' ? EFER_LMA_LME : 0);
  if (paging === 'pae')
    for (let gib = 0; gib < 4; gib++) wide(VCPU_PDPTE + 2 * gib, (DIRECTORIES.pae + gib * 0x1000) | 1);
  if (paging === '4-level') {
    r[VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_ATTRIBUTES] = CODE_64;
    r[VCPU_CODE_BITS] = 64;
  }
  vcpu.unloadMmu();
}
