/**
 * How MMIO sptes look in every kernel since 3.1: what marks them, and where the generation lies. The eras that run
 * (core/base/machine-modes.ts) are among these; the others can be decoded and encoded, not run.
 *
 * Sources: arch/x86/kvm/mmu.c of v3.11, v4.19; arch/x86/kvm/mmu/spte.{c,h} of v5.17, v6.8; the commits that changed it in
 * between (f2fd125d, ee3d1570, 28a1f3ac, cae7ed3c, 6eeb4ef0, 56871d44, 34c0f6f2). v7.2 is provisional: known from mail only.
 */
import { ERAS } from '../../base/machine-modes.ts';

/** A run of spte bits that holds generation bits from `genBit` on. */
export interface GenerationField {
  readonly low: number;
  readonly high: number;
  readonly genBit: number;
}

export interface SpteEra {
  /** `v3.17` …: the first kernel of the era; `patch` for the series' seed. */
  readonly id: string;
  /** For people: `3.17 – 4.10`. */
  readonly kernels: string;
  /** First kernel, [major, minor]. */
  readonly since: readonly [number, number];
  /** How the magic bits are chosen: see mmioMagic in spte-magic.ts. */
  readonly magic: 'all-ones' | 'top-two' | 'special-62-rsvd' | 'special-62' | 'special-52' | 'plain' | 'plain-ve';
  /** Bits of a generation number; 0 = no generation is kept. */
  readonly genWidth: number;
  readonly generation: readonly GenerationField[];
  /** Generation bit 0 is not stored and reads as 0. */
  readonly evenGeneration: boolean;
  /** Both fields hold the low bits: generation bits above them are lost. */
  readonly generationBug: boolean;
  /** What says that an entry is present. */
  readonly presence: 'bit-0' | 'not-zero' | 'bit-11';
  /** Where the top gfn bits are hidden from L1TF: never, on hosts with few physical bits, on CPUs said to be affected. */
  readonly l1tf: 'none' | 'by-phys-bits' | 'by-cache-bits';
  /** EPT keeps no access bits; before 5.4 they were or-ed in regardless and drowned in the magic. */
  readonly eptAccess: 'drowned' | 'none';
}

const field = (low: number, high: number, genBit: number): GenerationField => ({ low, high, genBit });

const series = {
  magic: 'top-two',
  genWidth: 19,
  generation: [field(3, 11, 0), field(52, 61, 9)],
  evenGeneration: false,
  generationBug: false,
  presence: 'bit-0',
  l1tf: 'none',
  eptAccess: 'drowned',
} as const satisfies Partial<SpteEra>;

const even = {
  ...series,
  genWidth: 20,
  generation: [field(3, 11, 1), field(52, 61, 10)],
  evenGeneration: true,
} as const satisfies Partial<SpteEra>;

/** Oldest first; `patch` stands before v3.11, whose format it shares. */
export const SPTE_ERAS: readonly SpteEra[] = [
  { ...series, id: 'v3.10', kernels: '3.1 – 3.10', since: [3, 1], magic: 'all-ones', genWidth: 0, generation: [] },
  { ...series, id: 'patch', kernels: 'the seed patch on 3.10', since: [3, 11] },
  { ...series, id: 'v3.11', kernels: '3.11 – 3.16', since: [3, 11] },
  { ...even, id: 'v3.17', kernels: '3.17 – 4.10', since: [3, 17] },
  { ...even, id: 'v4.11', kernels: '4.11 – 4.18', since: [4, 11], magic: 'special-62-rsvd', presence: 'not-zero' },
  {
    ...even,
    id: 'v4.19',
    kernels: '4.19 – 5.0',
    since: [4, 19],
    magic: 'special-62',
    presence: 'not-zero',
    l1tf: 'by-phys-bits',
  },
  {
    ...series,
    id: 'v5.1',
    kernels: '5.1 – 5.3',
    since: [5, 1],
    magic: 'special-62',
    generation: [field(3, 11, 0), field(52, 61, 0)],
    generationBug: true,
    presence: 'not-zero',
    l1tf: 'by-cache-bits',
  },
  {
    ...series,
    id: 'v5.4',
    kernels: '5.4 – 5.5',
    since: [5, 4],
    magic: 'special-52',
    generation: [field(3, 11, 0), field(52, 61, 0)],
    generationBug: true,
    presence: 'not-zero',
    l1tf: 'by-cache-bits',
    eptAccess: 'none',
  },
  {
    ...series,
    id: 'v5.6',
    kernels: '5.6 – 5.10',
    since: [5, 6],
    magic: 'special-52',
    genWidth: 18,
    generation: [field(3, 11, 0), field(54, 62, 0)],
    generationBug: true,
    presence: 'not-zero',
    l1tf: 'by-cache-bits',
    eptAccess: 'none',
  },
  {
    ...series,
    id: 'v5.11',
    kernels: '5.11 – 5.12',
    since: [5, 11],
    magic: 'special-52',
    genWidth: 18,
    generation: [field(3, 11, 0), field(54, 62, 9)],
    presence: 'not-zero',
    l1tf: 'by-cache-bits',
    eptAccess: 'none',
  },
  {
    ...series,
    id: 'v5.13',
    kernels: '5.13 – 6.9',
    since: [5, 13],
    magic: 'plain',
    generation: [field(3, 10, 0), field(52, 62, 8)],
    presence: 'bit-11',
    l1tf: 'by-cache-bits',
    eptAccess: 'none',
  },
  {
    ...series,
    id: 'v6.10',
    kernels: '6.10 – 7.1',
    since: [6, 10],
    magic: 'plain-ve',
    generation: [field(3, 10, 0), field(52, 62, 8)],
    presence: 'bit-11',
    l1tf: 'by-cache-bits',
    eptAccess: 'none',
  },
  {
    ...series,
    id: 'v7.2',
    kernels: '7.2 on (provisional)',
    since: [7, 2],
    magic: 'plain-ve',
    genWidth: 18,
    generation: [field(3, 9, 0), field(52, 62, 7)],
    presence: 'bit-11',
    l1tf: 'by-cache-bits',
    eptAccess: 'none',
  },
];

/**
 * The era of that name: an id, or any kernel version since 3.1 with or without `v` (`4.14`, `v5.4`, `3.11-3.16`), which
 * gives the era that the version belongs to. The first of a range counts.
 */
export function findSpteEra(name: string): SpteEra | undefined {
  const wanted = name.trim().toLowerCase();
  const exact = SPTE_ERAS.find((era) => era.id === wanted);
  if (exact !== undefined) return exact;
  const version = /^v?(\d{1,2})\.(\d{1,3})(?:\.\d{1,4})?(?:\s*[-–]\s*v?\d{1,2}\.\d{1,3}|\+)?$/.exec(wanted);
  if (version === null) return undefined;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  const reached = ({ since }: SpteEra): boolean => major > since[0] || (major === since[0] && minor >= since[1]);
  return SPTE_ERAS.findLast(reached);
}

/** What to say when {@link findSpteEra} finds none. */
export const unknownEra = (name: string): string =>
  `era '${name.slice(0, 40)}' is not known: name one of ${SPTE_ERAS.map(({ id }) => id).join(', ')}, or a kernel version from 3.1 on`;

export const isRunningEra = (era: SpteEra): boolean => ERAS.some((name) => findSpteEra(name) === era);
