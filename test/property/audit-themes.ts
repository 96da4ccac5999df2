/** What random scripts dwell on. */
import type { Step } from './audit-steps.ts';
import type { Paging } from './audit-world.ts';

/**
 * What a script dwells on. Faults need several rare steps close together (a write between two reads of a dirty log, a slot
 * made just before the generation wraps), which an even mixture of everything hardly ever has: factors by kind of step, and
 * how few things steps are about.
 */
export interface Theme {
  readonly name?: string;
  readonly factors: Readonly<Partial<Record<Step['do'], number>>>;
  /** Addresses are drawn from the first few only, or from these. */
  readonly addresses?: number | readonly number[];
  /** What a page directory's entries lead to. */
  readonly directories?: readonly number[];
  /** Where slots are made. */
  readonly places?: readonly number[];
  /** Paging modes to begin with. */
  readonly pagings?: readonly Paging[];
}

const NO_SLOTS = {
  slot: 0,
  delete: 0,
  move: 0,
  flags: 0,
  'dirty-log': 0,
  generation: 0,
  spread: 0,
  quota: 0.3,
} as const;
const TABLES_ONLY = ['32-bit', 'pae', '4-level'] as const;

export const THEMES: readonly Theme[] = [
  { name: 'everything', factors: {} },
  // Dirty logs.
  {
    name: 'dirty logs',
    factors: {
      'dirty-log': 6,
      flags: 6,
      write: 2,
      slot: 0.5,
      delete: 0,
      move: 0,
      map: 0.3,
      paging: 0.3,
      cr3: 0.3,
      spread: 0,
    },
    addresses: 8,
  },
  // The end of the generation.
  {
    name: 'the generation',
    factors: { generation: 12, read: 2, slot: 3, delete: 0.3, move: 0.3, flags: 12, map: 0.5, paging: 0.3, spread: 0 },
  },
  // Slots that come where there was MMIO.
  {
    name: 'slots over MMIO',
    factors: {
      slot: 3,
      delete: 4,
      flags: 3,
      read: 3,
      write: 0.5,
      fetch: 8,
      map: 0,
      paging: 0,
      cr3: 0,
      wp: 0,
      quota: 0,
      spread: 0,
    },
    addresses: [5, 6, 7],
    places: [3],
    pagings: ['flat'],
  },
  // MMIO sptes of the last generations, and slots changing until they are the first ones.
  {
    name: 'the wrap-around',
    factors: {
      generation: 12,
      flags: 20,
      read: 2,
      write: 0.5,
      slot: 1,
      delete: 0.5,
      move: 0.5,
      map: 0,
      paging: 0,
      cr3: 0,
      wp: 0,
      quota: 0,
      spread: 0,
    },
    addresses: [5, 6, 7],
    pagings: ['flat'],
  },
  // Accesses over the end of a page, from MMIO into memory and back.
  {
    name: 'page ends',
    factors: { ...NO_SLOTS, cross: 20, map: 2, slot: 0.5, delete: 0.5, paging: 0.2, direct: 0.3 },
    addresses: 8,
  },
  // Leaf tables that the guest changes.
  {
    name: 'leaf tables',
    factors: { ...NO_SLOTS, map: 3, scribble: 4, straddle: 4, invlpg: 2, cr3: 2, vcpu: 2, paging: 0.2, wp: 2 },
    pagings: TABLES_ONLY,
  },
  // Entries that change and are invalidated one by one: the page stays unsync.
  {
    name: 'invalidated entries',
    factors: { ...NO_SLOTS, map: 4, protect: 4, invlpg: 2, read: 3, cr3: 0, paging: 0, direct: 0, vcpu: 0, wp: 0.3 },
    addresses: 4,
    pagings: TABLES_ONLY,
  },
  // Rights that come and go while the frames stay, and syncs that have to notice.
  {
    name: 'rights of entries',
    factors: { ...NO_SLOTS, protect: 12, cr3: 4, read: 2, write: 2, map: 0.5, direct: 0, paging: 0.2, wp: 2 },
    addresses: 5,
    pagings: TABLES_ONLY,
  },
  // Two processors on the same few pages.
  {
    name: 'two processors',
    factors: { ...NO_SLOTS, direct: 12, read: 2, vcpu: 2, map: 0.5, invlpg: 0.5, cr3: 0.3, paging: 0, wp: 0.5 },
    addresses: 3,
    pagings: TABLES_ONLY,
  },
  // The same with nothing but leaf entries: no sync drops sptes meanwhile, after which a TLB may know more than the tables.
  {
    name: 'one entry',
    factors: {
      ...NO_SLOTS,
      map: 4,
      vcpu: 5,
      read: 2,
      write: 2,
      direct: 0,
      cr3: 0,
      invlpg: 0.1,
      paging: 0,
      wp: 0,
      quota: 0,
    },
    addresses: 2,
    pagings: TABLES_ONLY,
  },
  // Page directories.
  {
    name: 'page directories',
    factors: { ...NO_SLOTS, direct: 12, read: 2, write: 2, cr3: 2, paging: 0.2, scribble: 3, 'no-execute': 3, wp: 0 },
    addresses: 6,
    directories: [0, 0, 0, 1, 2],
    pagings: TABLES_ONLY,
  },
  // Large guest pages, their rights, and dirty logs over them.
  {
    name: 'large pages',
    factors: {
      ...NO_SLOTS,
      direct: 10,
      read: 2,
      write: 3,
      cr3: 1,
      paging: 0.2,
      wp: 6,
      map: 0.2,
      flags: 3,
      'dirty-log': 1,
    },
    addresses: 7,
    directories: [2, 2, 5],
    pagings: TABLES_ONLY,
  },
  // Page directories that map themselves: their leaf tables cannot turn unsync, so that every write to them is emulated.
  {
    name: 'recursive directories',
    factors: {
      ...NO_SLOTS,
      direct: 30,
      read: 3,
      cr3: 0.5,
      paging: 0,
      scribble: 6,
      straddle: 12,
      map: 0.3,
      'no-execute': 8,
    },
    addresses: 10,
    directories: [4, 4, 0, 1],
    pagings: TABLES_ONLY,
  },
  // Directories that come and go above tables that change.
  {
    name: 'upper levels',
    factors: {
      ...NO_SLOTS,
      upper: 40,
      map: 2,
      read: 3,
      cr3: 0.3,
      paging: 0,
      invlpg: 0.2,
      write: 0.5,
      wp: 0,
      direct: 0,
      vcpu: 0,
    },
    addresses: [0, 3, 4, 5],
    pagings: ['4-level'],
  },
  // The quota.
  { name: 'the quota', factors: { quota: 8, shrink: 8, spread: 6, cr3: 2, slot: 0.5, flags: 0.5 } },
];
