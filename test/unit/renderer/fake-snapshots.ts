/** What the scripted engine answers when somebody looks: plausible, and the same every time. */
import type {
  BreakpointSnapshot,
  ConsoleEdit,
  DecodedSpte,
  DisassembledInsn,
  MemslotSnapshot,
  MemorySpan,
  Moment,
  Params,
  RegisterValue,
  Reply,
  SpteRow,
  UserMemoryRegion,
} from '@core/protocol/index.ts';

const GENERAL = 'rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');

export function fakeRegisters(moment: Moment, rip: bigint): Reply<'registers.read'> {
  const register = (
    name: string,
    group: RegisterValue['group'],
    value: bigint,
    bits = 64,
    flags?: readonly string[],
  ): RegisterValue => ({ name, group, bits, value, flags, writable: true });
  return {
    moment,
    vcpu: 0,
    registers: [
      ...GENERAL.map((name, i) => register(name, 'general', i === 0 ? BigInt(moment.insns) : BigInt(i * 0x1234))),
      register('rip', 'general', rip),
      register('rflags', 'general', 0x46n, 64, ['PF', 'ZF']),
      ...['cs', 'ss', 'ds', 'es', 'fs', 'gs'].map((name) => ({
        ...register(name, 'segment', 0x10n, 16),
        hidden: { base: 0x1000n, limit: 0xfff, attributes: 0x4093 },
      })),
      register('cr0', 'control', 0x8000_0011n, 64, ['PE', 'ET', 'PG']),
      register('cr3', 'control', 0x10_3000n),
      register('cr4', 'control', 0x20n, 64, ['PAE']),
      register('efer', 'msr', 0x500n, 64, ['LME', 'LMA']),
    ],
  };
}

/** @param poked what was written, by `space:address` */
export function fakeMemory(
  moment: Moment,
  { space, address, length }: Params<'memory.read'>,
  poked: ReadonlyMap<string, number>,
): Reply<'memory.read'> {
  const byteAt = (i: number): number => (i % 5 === 0 ? 0 : (Number(address & 0xffn) + i * 7) & 0xff);
  const bytes = Uint8Array.from({ length }, (_unused, i) => poked.get(`${space}:${address + BigInt(i)}`) ?? byteAt(i));
  const isMmio = space !== 'hva' && address >= 0xfeb0_0000n && address < 0xfeb0_1000n;
  const isRam = space === 'hva' || address < 0x800_0000n;
  const span: MemorySpan = isMmio
    ? { kind: 'mmio', offset: 0, length, device: 'mmio-bank', bytes }
    : isRam
      ? { kind: 'bytes', offset: 0, length, bytes }
      : { kind: 'unreadable', offset: 0, length, reason: 'no memslot and no device' };
  return { moment, space, address, spans: [span] };
}

const TEXTS = [
  'mov eax,[0FEB00010h]',
  'test eax,eax',
  'je short 000000000010007Ah',
  'mov dx,3F8h',
  'out dx,al',
  'call 0000000000100200h',
  'nop',
];

export function fakeDisassembly(
  moment: Moment,
  { address, before, count }: Params<'disassembly.read'>,
  rip: bigint,
): Reply<'disassembly.read'> {
  const lines = Array.from({ length: before + count }, (_unused, i): DisassembledInsn => {
    const at = address + BigInt((i - before) * 5);
    return {
      address: at,
      bytes: Uint8Array.of(0x8b, 0x05, i & 0xff, 0xb0, 0xfe),
      text: TEXTS[Number((at / 5n) % BigInt(TEXTS.length))],
      unreadable: false,
      symbol: at === 0x10_0000n ? '_start' : at === 0x10_0041n ? 'poll' : undefined,
      touches: at === rip ? 'reads gpa 0xfeb00010: MMIO, mmio-bank' : undefined,
      current: at === rip,
      breakpoint: undefined,
    };
  });
  return {
    moment,
    listing: Number(BigInt.asUintN(40, address)) * 1000 + before + count,
    lines: lines.filter((line) => line.address >= 0n),
  };
}

export function fakeMarks(at: Moment, wish: Params<'disassembly.marks'>, rip: bigint): Reply<'disassembly.marks'> {
  const { moment, listing, lines } = fakeDisassembly(at, wish, rip);
  return { moment, listing, current: lines.find(({ current }) => current), breakpoints: [] };
}

function rowAt(i: number, gen: number, stale: boolean): SpteRow {
  const isMmio = i === 0;
  const gfn = isMmio ? 0xfeb00 : 0x100 + i;
  return {
    page: isMmio ? 3 : 2,
    entry: gfn & 0x1ff,
    sptep: 0x40_0000 + i * 8,
    level: 1,
    gfn,
    value: isMmio ? 0xc000_0000_feb0_0006n | (BigInt(gen) << 3n) : (BigInt(gfn) << 12n) | 0x37n,
    kind: isMmio ? 'mmio' : 'leaf',
    gen: isMmio ? gen : -1,
    stale: isMmio && stale,
    writable: !isMmio && i % 7 !== 0,
    access: isMmio ? '-w-' : 'rwx',
  };
}

export const fakeSptes = {
  pages(gen: number, stale: boolean): Reply<'sptes.pages'>['pages'] {
    const page = (index: number, level: number, parent: number, gfn: number) => ({
      index,
      hpa: 0x40_0000 + index * 0x1000,
      gfn,
      level,
      role: 0,
      roleText: `${level} direct --- wux`,
      direct: true,
      rootCount: parent < 0 ? 1 : 0,
      obsolete: false,
      invalid: false,
      unsync: false,
      mmioCached: index === 3,
      present: index === 3 ? 0 : 4,
      mmioFresh: index === 3 && gen >= 0 && !stale ? 1 : 0,
      mmioStale: index === 3 && stale ? 1 : 0,
      parent,
    });
    return [page(0, 4, -1, 0), page(1, 3, 0, 0), page(2, 2, 1, 0), page(3, 1, 1, 0xfea00)];
  },

  rows(
    moment: Moment,
    gen: number,
    stale: boolean,
    filter: Params<'sptes.rows'>['filter'],
    offset: number,
    limit: number,
  ): Reply<'sptes.rows'> {
    const all = Array.from({ length: 1200 }, (_unused, i) => rowAt(i, Math.max(0, gen), stale)).filter(
      ({ kind, gfn, page, stale: isStale }) =>
        (kind !== 'mmio' || gen >= 0) &&
        (!filter.kinds?.length || (kind !== 'empty' && filter.kinds.includes(kind))) &&
        (filter.freshness === undefined || filter.freshness === 'any' || (filter.freshness === 'stale') === isStale) &&
        (filter.page === undefined || filter.page === page) &&
        (filter.gfnStart === undefined || (gfn >= filter.gfnStart && gfn < filter.gfnStart + (filter.gfnLength ?? 1))),
    );
    const gfns = all.map(({ gfn }) => gfn);
    const extent = gfns.length === 0 ? undefined : { first: Math.min(...gfns), last: Math.max(...gfns) };
    return {
      moment,
      isPending: false,
      total: all.length,
      gfns: extent,
      offset,
      rows: all.slice(offset, offset + limit),
    };
  },
};

export function fakeDecode({ value, era, mmu, maxPhyAddr }: Params<'spte.decode'>): DecodedSpte {
  const bits = (high: number, low: number): bigint => (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
  const gen = Number(bits(11, 3)) | (Number(bits(61, 52)) << 9);
  const field = (
    name: string,
    high: number,
    low: number,
    role: DecodedSpte['fields'][number]['role'],
    meaning: string,
  ) => ({
    name,
    high,
    low,
    value: bits(high, low),
    role,
    meaning,
  });
  const isMmio = (value & 0xc000_0000_0000_0007n) === 0xc000_0000_0000_0006n;
  return {
    value,
    era,
    mmu,
    maxPhyAddr,
    kind: isMmio ? 'mmio' : 'present',
    gen: isMmio ? gen : undefined,
    gfn: bits(51, 12),
    access: isMmio ? '' : undefined,
    fields: isMmio
      ? [
          field('magic', 63, 62, 'magic', 'marks an MMIO spte'),
          field('generation 9–18', 61, 52, 'generation', 'upper part of the generation'),
          field('gfn', 51, 12, 'gfn', 'guest frame number'),
          field('generation 0–8', 11, 3, 'generation', 'lower part of the generation'),
          field('magic', 2, 0, 'magic', 'write and execute without read: a misconfiguration'),
        ]
      : [
          field('ignored', 63, 52, 'ignored', 'unused'),
          field('pfn', 51, 12, 'gfn', 'frame'),
          field('attributes', 11, 3, 'attribute', 'memory type and software bits'),
          field('access', 2, 0, 'access', 'read, write, execute'),
        ],
    notes: [],
  };
}

export function fakeStats(moment: Moment, faults: number): Reply<'stats.read'> {
  const vcpu = (exits: number): Reply<'stats.read'>['vcpu'] => ({
    pf_fixed: 41,
    pf_guest: 0,
    tlb_flush: 3,
    invlpg: 0,
    exits,
    io_exits: 12,
    mmio_exits: faults,
    signal_exits: 0,
    irq_window: 0,
    nmi_window: 0,
    halt_exits: 0,
    halt_wakeup: 0,
    hypercalls: 0,
    request_irq: 0,
    irq_exits: 0,
    host_state_reload: 0,
    efer_reload: 0,
    fpu_reload: 0,
    insn_emulation: faults,
    insn_emulation_fail: 0,
    irq_injections: 0,
    nmi_injections: 0,
  });
  return {
    moment,
    vcpu: vcpu(faults * 2 + 53),
    vm: {
      mmu_shadow_zapped: 0,
      mmu_pte_write: 0,
      mmu_pte_updated: 0,
      mmu_pde_zapped: 0,
      mmu_flooded: 0,
      mmu_recycled: 0,
      mmu_cache_miss: 4,
      mmu_unsync: 0,
      remote_tlb_flush: 2,
      largepages: 12,
    },
    usedMmuPages: 4,
    maxMmuPages: 654,
    insnsPerSecond: moment.live ? 41_000_000 : 0,
    mmioPerSecond: moment.live ? 2_100_000 : 0,
  };
}

/** A breakpoint as it is when nothing special was asked for. */
export const breakpointSnapshot = (
  changes: Partial<{ readonly [K in keyof BreakpointSnapshot]: BreakpointSnapshot[K] | undefined }> &
    Pick<BreakpointSnapshot, 'id' | 'spec'>,
): BreakpointSnapshot => ({
  id: changes.id,
  spec: changes.spec,
  enabled: changes.enabled ?? true,
  once: changes.once ?? false,
  hits: changes.hits ?? 0,
  stopAtHit: changes.stopAtHit ?? 1,
  hitMode: changes.hitMode ?? 'from',
  condition: changes.condition ?? '',
  log: changes.log ?? '',
  vcpu: changes.vcpu,
  problem: changes.problem,
  text: changes.text ?? '',
});

export const HVA_BASE = 0x7f00_0000_0000n;

export function fakeSlot(id: number, gpa: bigint, size: bigint): MemslotSnapshot {
  return {
    id,
    gpa,
    size,
    hva: HVA_BASE + gpa,
    logDirtyPages: false,
    readonly: false,
    invalid: false,
    dirtyPages: -1,
  };
}

/** The call that takes one back, as long as nothing of it has happened. */
export function fakeInverse(slots: readonly MemslotSnapshot[], region: UserMemoryRegion): UserMemoryRegion {
  const old = slots.find(({ id }) => id === region.slot);
  if (old === undefined) return { ...region, memorySize: 0n };
  return { slot: old.id, flags: 0, guestPhysAddr: old.gpa, memorySize: old.size, userspaceAddr: old.hva };
}

/** A byte at gpa 0x1000 that was 1 and is 2. */
export function fakePoke(vcpu: number): ConsoleEdit {
  const place = { what: 'memory', space: 'gpa', vcpu, address: 0x1000n } as const;
  return { undo: { ...place, bytes: Uint8Array.of(1) }, redo: { ...place, bytes: Uint8Array.of(2) } };
}
