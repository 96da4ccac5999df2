/**
 * Every request a client can make: its name, the schema that its parameters must satisfy at the border, and the type of its
 * reply. The window, the command line, gdb and the tests use these and nothing else. Parameters are hostile until parsed.
 */
import * as v from 'valibot';
import type { Errno } from '../base/errno.ts';
import { HOST_PAGES } from '../base/host-pages.ts';
import { ERAS, MMU_MODES } from '../base/machine-modes.ts';
import { TRACE_WORDINGS } from '../base/tracepoints.ts';
import {
  breakpointAddSchema,
  breakpointUpdateSchema,
  MAX_BREAKPOINTS,
  MAX_EXPRESSION_TEXT,
} from './breakpoint-schemas.ts';
import { CONSOLE_COLUMNS, MAX_CONSOLE_CHARACTERS, type ConsoleCompletion, type ConsoleReply } from './console.ts';
import { expressionCompleteSchema, type ExpressionCompletion } from './expression-completion.ts';
import type * as p from './probe-snapshots.ts';
import type { RegistersSnapshot } from './register-snapshots.ts';
import type * as s from './snapshots.ts';

export * from './breakpoint-schemas.ts';

const U64_MAX = (1n << 64n) - 1n;
const u64 = v.pipe(v.bigint(), v.minValue(0n), v.maxValue(U64_MAX));
const integer = (low: number, high: number) => v.pipe(v.number(), v.integer(), v.minValue(low), v.maxValue(high));
const vcpu = integer(0, 7);
const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
/** Bytes by value; a client cannot hand in a shared buffer. */
const bytes = (max: number) =>
  v.pipe(
    v.instance(Uint8Array),
    v.check((b) => b.byteLength <= max, `at most ${max} bytes`),
  );

export const MAX_IMAGE_BYTES = 64 * 1024 * 1024;
export const MAX_APPEND_CHARACTERS = 4096;
export const MAX_MEMORY_READ = 65536;
export const MAX_MEMORY_SEARCH = 16 * 1024 * 1024;
export const MAX_SEARCH_PATTERN = 256;
export const MAX_ROWS = 1000;
/** Characters of a kernel log. */
export const MAX_SPTE_LOG = 1024 * 1024;
export const MAX_TRACE_EXPORT = 65536;
/** A piece of a machine state on its way in or out. */
export const MAX_STATE_PIECE = 1024 * 1024;

export const machineOptionsSchema = v.strictObject({
  ramBytes: v.optional(v.pipe(integer(1024 * 1024, 0x6000_0000), v.multipleOf(4096)), 128 * 1024 * 1024),
  mmu: v.optional(v.picklist(MMU_MODES), 'ept'),
  era: v.optional(v.picklist(ERAS), 'patch'),
  /** Host MAXPHYADDR. */
  maxPhyAddr: v.optional(integer(32, 52), 40),
  /** Address bits that the caches of a host CPU with the L1TF bug know; unaffected unless said. MMIO sptes of v6.8 depend on it. */
  l1tfCacheBits: v.optional(integer(32, 46)),
  /** Page quota by KVM_SET_NR_MMU_PAGES; 0 = KVM's own default from the slots. */
  mmuPages: v.optional(integer(0, 32768), 0),
  /** Pages of the host behind guest RAM: what KVM may map at once. */
  hostPages: v.optional(v.picklist(HOST_PAGES), '4k'),
  /** Accessed and dirty flags for EPT. */
  eptAd: v.optional(v.boolean(), false),
  vcpus: v.optional(integer(1, 8), 1),
  /** Parallel mode: a thread for each vCPU. Runs are not repeatable then. */
  threads: v.optional(v.boolean(), false),
  append: v.optional(text(MAX_APPEND_CHARACTERS), ''),
});
export type MachineOptions = v.InferOutput<typeof machineOptionsSchema>;
export type MachineOptionsInput = v.InferInput<typeof machineOptionsSchema>;

export const userMemoryRegionSchema = v.strictObject({
  slot: integer(0, 0xffff_ffff),
  flags: integer(0, 0xffff_ffff),
  guestPhysAddr: u64,
  memorySize: u64,
  userspaceAddr: u64,
});

export const MAX_REGIONS = 64;
const regionListSchema = v.pipe(v.array(userMemoryRegionSchema), v.minLength(1), v.maxLength(MAX_REGIONS));

export const spteFilterSchema = v.strictObject({
  kinds: v.optional(v.array(v.picklist(['mmio', 'leaf', 'large', 'link'])), []),
  freshness: v.optional(v.picklist(['any', 'fresh', 'stale']), 'any'),
  /** write-protected: mappings that are not writable; unsync: entries of pages that are not in step with the guest's table. */
  state: v.optional(v.picklist(['any', 'write-protected', 'unsync']), 'any'),
  /** Only gfns in [gfnStart, gfnStart + gfnLength). */
  gfnStart: v.optional(integer(0, 2 ** 40)),
  gfnLength: v.optional(integer(1, 2 ** 40)),
  /** Only this shadow page. */
  page: v.optional(integer(0, 32767)),
  level: v.optional(integer(1, 5)),
  /** Only MMIO sptes with a generation in [genFirst, genLast]. */
  genFirst: v.optional(integer(0, 2 ** 32)),
  genLast: v.optional(integer(0, 2 ** 32)),
  /** Only sptes whose bits in `mask` are those of `bits`. */
  mask: v.optional(u64),
  bits: v.optional(u64),
  /** Only entries of pages with this role word. */
  role: v.optional(integer(0, 0xffff_ffff)),
  sort: v.optional(v.picklist(['gfn', 'value', 'gen', 'level', 'sptep']), 'gfn'),
  descending: v.optional(v.boolean(), false),
});

const none = v.strictObject({});
const codeWish = v.strictObject({ vcpu, address: u64, before: integer(0, 200), count: integer(1, 400) });
/** What a segment register has beside its selector. */
const hiddenSegment = v.strictObject({
  base: u64,
  limit: integer(0, 0xffff_ffff),
  attributes: v.pipe(
    integer(0, 0x1_ffff),
    v.check((bits) => (bits & 0xf00) === 0, 'no bits of the limit'),
  ),
});

/** Parameter schemas by request name. */
export const REQUEST_SCHEMAS = {
  'engine.hello': v.strictObject({ version: integer(0, 1_000_000) }),
  /** Makes a machine, loads the image into it and leaves it paused at its first instruction. Replaces the present one only when it succeeds. */
  'machine.create': v.strictObject({ image: bytes(MAX_IMAGE_BYTES), name: text(4096), options: machineOptionsSchema }),
  /** The same image and options again, from the start; breakpoints stay. */
  'machine.reset': none,
  'machine.status': none,
  /** `untilInsns`: pause when so many instructions have retired since reset, if nothing stopped the machine before. */
  'run.continue': v.strictObject({ untilInsns: v.optional(integer(0, Number.MAX_SAFE_INTEGER)) }),
  'run.pause': none,
  'run.step': v.strictObject({ vcpu, count: v.optional(integer(1, 1_000_000), 1) }),
  'run.stepOver': v.strictObject({ vcpu }),
  'run.stepOut': v.strictObject({ vcpu }),
  'run.to': v.strictObject({ vcpu, address: u64 }),
  'registers.read': v.strictObject({ vcpu }),
  /**
   * As KVM_SET_REGS, KVM_SET_SREGS, KVM_SET_DEBUGREGS or KVM_SET_MSRS would; `hidden`: of a segment register, instead of its
   * descriptor's; `pair`: of cs or ss, the other one, which is written with it: privilege changes with both.
   */
  'registers.write': v.strictObject({
    vcpu,
    name: text(32),
    value: u64,
    hidden: v.optional(hiddenSegment),
    pair: v.optional(v.strictObject({ name: v.picklist(['cs', 'ss']), value: u64, hidden: v.optional(hiddenSegment) })),
  }),
  'memory.read': v.strictObject({
    space: v.picklist(['gva', 'gpa', 'hva']),
    vcpu,
    address: u64,
    length: integer(1, MAX_MEMORY_READ),
  }),
  'memory.write': v.strictObject({
    space: v.picklist(['gva', 'gpa', 'hva']),
    vcpu,
    address: u64,
    bytes: bytes(MAX_MEMORY_READ),
  }),
  /** Where bytes stand in memory; long ranges are asked for in pieces, so that they can be shown as progress and given up. */
  'memory.search': v.strictObject({
    space: v.picklist(['gva', 'gpa', 'hva']),
    vcpu,
    start: u64,
    length: integer(1, MAX_MEMORY_SEARCH),
    pattern: v.pipe(
      bytes(MAX_SEARCH_PATTERN),
      v.check((b) => b.byteLength > 0, 'at least one byte'),
    ),
    limit: integer(1, MAX_ROWS),
  }),
  /** `before` instructions ahead of `address` (found by decoding from a known boundary) and `count` from it on. */
  'disassembly.read': codeWish,
  /** For who has the listing: whether it still is that code, and what stands beside its lines. */
  'disassembly.marks': codeWish,
  /** The symbol that each address belongs to: `main+0x12`. */
  'symbols.at': v.strictObject({ addresses: v.pipe(v.array(u64), v.maxLength(MAX_ROWS)) }),
  'symbols.search': v.strictObject({ query: text(256), limit: integer(1, 200) }),
  'memslots.read': none,
  /** What setting the region would do or why it would be refused; changes nothing. */
  'memslots.preview': v.strictObject({ region: userMemoryRegionSchema }),
  'memslots.set': v.strictObject({ region: userMemoryRegionSchema }),
  /** What these calls would do one after the other, tried out on a copy; changes nothing. */
  'memslots.previewAll': v.strictObject({ regions: regionListSchema }),
  /** All of them in order, or, when one of them would be refused, none. */
  'memslots.apply': v.strictObject({ regions: regionListSchema }),
  'memslots.dirtyLog': v.strictObject({ slot: integer(0, 0xffff_ffff) }),
  'sptes.pages': none,
  /**
   * `inPieces`: a machine with a million sptes is read and ordered over several requests, so that no other waits: ask the same
   * again for as long as the answer is pending, or never mind.
   */
  'sptes.rows': v.strictObject({
    filter: spteFilterSchema,
    offset: integer(0, 2 ** 31),
    limit: integer(1, MAX_ROWS),
    inPieces: v.optional(v.boolean(), false),
  }),
  /** Heat of a gpa range: MMIO sptes per bucket, fresh and stale. */
  'sptes.heat': v.strictObject({
    start: u64,
    length: v.pipe(u64, v.minValue(1n)),
    buckets: integer(1, 4096),
    inPieces: v.optional(v.boolean(), false),
  }),
  'spte.decode': v.strictObject({ value: u64, era: text(32), mmu: v.picklist(MMU_MODES), maxPhyAddr: integer(32, 52) }),
  /** Lines of a kernel log or an ftrace file, for an era and a host. */
  'spte.readLog': v.strictObject({
    text: text(MAX_SPTE_LOG),
    era: text(32),
    mmu: v.picklist(MMU_MODES),
    maxPhyAddr: integer(32, 52),
  }),
  /** One address through the guest's tables and the hardware's, and what the access comes to. `user`: the vCPU's own privilege unless said. */
  'walk.read': v.strictObject({
    vcpu,
    space: v.picklist(['gva', 'gpa']),
    address: u64,
    access: v.picklist(['read', 'write', 'fetch']),
    user: v.optional(v.boolean()),
  }),
  /** One guest frame: its slot, and every spte that maps it. */
  'rmap.read': v.strictObject({ gfn: integer(0, 2 ** 40 - 1) }),
  /** The auditor's rules over the machine as it stands; each finding with the last `events` that touched it. */
  'audit.run': v.strictObject({
    limit: v.optional(integer(1, MAX_ROWS), 100),
    events: v.optional(integer(0, 100), 8),
  }),
  /** KVM_SET_NR_MMU_PAGES: a new page quota. */
  'mmu.setQuota': v.strictObject({ pages: integer(0, 0xffff_ffff) }),
  /** The shrinker's call, so many times: the host wants shadow pages back. */
  'mmu.shrink': v.strictObject({ calls: v.optional(integer(1, 32768), 1) }),
  /** The host's MMU notifier for a range of user space: which pages were used lately, or that they are about to go. */
  'mmu.notify': v.strictObject({ event: v.picklist(['age', 'unmap']), hva: u64, pages: integer(1, 0x6_0000) }),
  'mmio.log': v.strictObject({ since: integer(0, Number.MAX_SAFE_INTEGER), limit: integer(1, MAX_ROWS) }),
  'mmio.heat': v.strictObject({ limit: integer(1, MAX_ROWS) }),
  /** Outcomes over the instructions that the kept faults span, in so many parts. */
  'mmio.timeline': v.strictObject({ buckets: integer(1, 1024) }),
  'breakpoints.list': none,
  'breakpoints.add': breakpointAddSchema,
  'breakpoints.update': breakpointUpdateSchema,
  'breakpoints.remove': v.strictObject({ id: integer(1, 2 ** 31) }),
  /** All of them go, and these come: all or, when one is refused, none. */
  'breakpoints.replace': v.strictObject({
    breakpoints: v.pipe(v.array(breakpointAddSchema), v.maxLength(MAX_BREAKPOINTS)),
  }),
  /** Lines of log breakpoints from `since` on. */
  'breakpoints.log': v.strictObject({ since: integer(0, Number.MAX_SAFE_INTEGER), limit: integer(1, MAX_ROWS) }),
  /** The value of an expression (docs/expressions.md), by probes: nothing changes. */
  'expression.evaluate': v.strictObject({ vcpu, text: text(MAX_EXPRESSION_TEXT) }),
  'expression.complete': expressionCompleteSchema,
  'generation.read': none,
  /** Debugging aid: moves the memslots generation, as if that many changes had happened; refused where the era has none. */
  'generation.set': v.strictObject({ memslotsGeneration: u64 }),
  'stats.read': none,
  'stats.reset': none,
  'trace.enable': v.strictObject({ events: v.pipe(v.array(text(64)), v.maxLength(64)) }),
  'trace.enabled': none,
  /** `wording`: of v3.11 or of later kernels; by the era unless said. */
  'trace.read': v.strictObject({
    since: integer(0, Number.MAX_SAFE_INTEGER),
    limit: integer(1, MAX_ROWS),
    wording: v.optional(v.picklist(TRACE_WORDINGS)),
  }),
  /** The trace as ftrace text: whole lines, to be laid beside a trace of a real host. */
  'trace.export': v.strictObject({
    since: integer(0, Number.MAX_SAFE_INTEGER),
    limit: integer(1, MAX_TRACE_EXPORT),
    wording: v.optional(v.picklist(TRACE_WORDINGS)),
    /** ftrace's option irq-info: the column of flags. Absent: with it. */
    irqInfo: v.optional(v.boolean()),
  }),
  'serial.write': v.strictObject({ bytes: bytes(65536) }),
  /** Everything the guest has sent so far that is still kept (the last 256 KiB). */
  'serial.read': none,
  'vga.read': none,
  /** Every device with its registers and the last access it saw. Reads nothing of it as the guest would. */
  'devices.read': none,
  /** What one-byte reads of ports would give, without their side effects; −1 where no device is. */
  'devices.peek': v.strictObject({ port: integer(0, 0xffff), count: integer(1, 256) }),
  /** A command of the console, about a vCPU. What it refuses is in the reply. `columns`: how wide its tables may be. */
  'console.run': v.strictObject({
    line: text(4 * MAX_CONSOLE_CHARACTERS),
    vcpu,
    columns: v.optional(integer(20, 1000), CONSOLE_COLUMNS),
  }),
  'console.complete': v.strictObject({
    line: text(MAX_CONSOLE_CHARACTERS),
    cursor: integer(0, MAX_CONSOLE_CHARACTERS),
    vcpu,
  }),
  /** The race scripts that come with the program. */
  'race.labs': none,
  /** Plays a race script on a machine of its own, in one kernel. */
  'race.run': v.strictObject({
    script: text(65_536),
    era: v.picklist(ERAS),
    mmu: v.optional(v.picklist(MMU_MODES), 'ept'),
    maxPhyAddr: v.optional(integer(32, 52), 40),
  }),
  /** How far the memslot update has come that is held between its steps, if one is. */
  'hold.read': none,
  /** Begins to make these calls step by step, of a paused machine without threads; a list of which one would be refused is not begun. */
  'hold.begin': v.strictObject({ regions: regionListSchema }),
  /** Goes on by so many steps; behind its last one a call has returned. */
  'hold.step': v.strictObject({ steps: v.optional(integer(1, 100), 1) }),
  /** One vCPU retires so many instructions, or runs to its next exit, while the update and all other vCPUs stand. */
  'hold.vcpu': v.strictObject({ vcpu, insns: v.optional(integer(1, 10_000)) }),
  'hold.finish': none,
  /** Begins to save the machine, which must stand still until `state.saveNext` has given the last piece. */
  'state.saveBegin': none,
  'state.saveNext': none,
  /**
   * Begins to open a machine state. The present machine stays until `state.openEnd` has accepted the other one. `threads`: whether
   * its vCPUs get threads of their own; as it was saved unless said.
   */
  'state.openBegin': v.strictObject({ threads: v.optional(v.boolean()) }),
  'state.openNext': v.strictObject({ bytes: bytes(MAX_STATE_PIECE) }),
  'state.openEnd': none,
  /** Gives up what was begun. */
  'state.cancel': none,
} as const;

export type RequestName = keyof typeof REQUEST_SCHEMAS;
export type Params<K extends RequestName> = v.InferInput<(typeof REQUEST_SCHEMAS)[K]>;
export type ParsedParams<K extends RequestName> = v.InferOutput<(typeof REQUEST_SCHEMAS)[K]>;

interface Replies {
  'engine.hello': { readonly version: number };
  'machine.create': s.MachineStatus;
  'machine.reset': s.MachineStatus;
  'machine.status': s.MachineStatus;
  'run.continue': s.MachineStatus;
  'run.pause': s.MachineStatus;
  'run.step': s.MachineStatus;
  'run.stepOver': s.MachineStatus;
  'run.stepOut': s.MachineStatus;
  'run.to': s.MachineStatus;
  'registers.read': RegistersSnapshot;
  'registers.write': RegistersSnapshot;
  'memory.read': s.MemorySnapshot;
  'memory.write': s.Moment;
  /** `next`: where to go on. */
  'memory.search': { readonly moment: s.Moment; readonly matches: readonly bigint[]; readonly next: bigint };
  'disassembly.read': s.DisassemblySnapshot;
  'disassembly.marks': s.DisassemblyMarks;
  'symbols.at': readonly (string | undefined)[];
  'symbols.search': readonly s.SymbolMatch[];
  'memslots.read': s.MemslotsSnapshot;
  'memslots.preview': s.MemslotReport;
  'memslots.set': s.MemslotReport;
  'memslots.previewAll': s.MemslotsPreview;
  'memslots.apply': s.MemslotsApplied;
  'memslots.dirtyLog': { readonly moment: s.Moment; readonly bitmap: Uint8Array };
  'sptes.pages': { readonly moment: s.Moment; readonly pages: readonly s.SptePageSnapshot[] };
  'sptes.rows': s.SpteTable;
  'sptes.heat': {
    readonly moment: s.Moment;
    readonly isPending: boolean;
    readonly fresh: Uint32Array;
    readonly stale: Uint32Array;
  };
  'spte.decode': s.DecodedSpte;
  'spte.readLog': s.SpteLog;
  'devices.read': s.DevicesSnapshot;
  'devices.peek': { readonly moment: s.Moment; readonly bytes: readonly number[] };
  'walk.read': p.WalkSnapshot;
  'rmap.read': p.ReverseMapSnapshot;
  'audit.run': p.AuditSnapshot;
  'mmu.setQuota': s.StatsSnapshot;
  'mmu.shrink': { readonly moment: s.Moment; readonly freed: number };
  /** age: pages that were used; unmap: sptes dropped. */
  'mmu.notify': { readonly moment: s.Moment; readonly count: number };
  'mmio.log': s.MmioLogSnapshot;
  'mmio.heat': s.MmioHeat;
  'mmio.timeline': s.MmioTimeline;
  'breakpoints.list': readonly s.BreakpointSnapshot[];
  'breakpoints.add': s.BreakpointSnapshot;
  'breakpoints.update': s.BreakpointSnapshot;
  'breakpoints.remove': readonly s.BreakpointSnapshot[];
  'breakpoints.replace': readonly s.BreakpointSnapshot[];
  'breakpoints.log': s.BreakpointLog;
  'expression.evaluate': s.ExpressionSnapshot;
  'expression.complete': ExpressionCompletion;
  'generation.read': s.GenerationSnapshot;
  'generation.set': s.GenerationSnapshot;
  'stats.read': s.StatsSnapshot;
  'stats.reset': s.StatsSnapshot;
  'trace.enable': { readonly events: readonly string[] };
  'trace.enabled': { readonly events: readonly string[] };
  'trace.read': s.TraceSnapshot;
  'trace.export': s.TraceExport;
  'serial.write': { readonly accepted: number };
  /** `end`: how many bytes the guest has sent, these the last of them. */
  'serial.read': { readonly bytes: Uint8Array; readonly end: number };
  'vga.read': s.VgaSnapshot;
  'console.run': ConsoleReply;
  'console.complete': ConsoleCompletion;
  'race.labs': readonly s.RaceScriptText[];
  'race.run': s.RaceOutcomes;
  'hold.read': s.HoldSnapshot;
  'hold.begin': s.HoldSnapshot;
  'hold.step': s.HoldSnapshot;
  'hold.vcpu': s.HoldSnapshot;
  'hold.finish': s.HoldSnapshot;
  'state.saveBegin': s.StateProgress;
  'state.saveNext': s.StatePiece;
  'state.openBegin': s.StateProgress;
  'state.openNext': s.StateProgress;
  'state.openEnd': s.OpenedState;
  'state.cancel': undefined;
}

export type Reply<K extends RequestName> = Replies[K];

/**
 * A refusal crosses the border as data. `memslot` is there when a memslot call was refused, `expression` when an expression was;
 * `errno` where an ioctl of KVM's would have come back with one.
 */
export interface RequestError {
  readonly code: 'bad-request' | 'no-machine' | 'not-allowed' | 'refused' | 'engine-crashed';
  /** One sentence for people: what is wrong and what to do. */
  readonly message: string;
  readonly memslot: s.MemslotRefusal | undefined;
  readonly expression?: s.ExpressionRefusal | undefined;
  readonly errno?: Errno | undefined;
}

export type Answer<K extends RequestName> =
  { readonly ok: true; readonly value: Reply<K> } | { readonly ok: false; readonly error: RequestError };
