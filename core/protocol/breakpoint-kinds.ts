/** What every kind of breakpoint is: its name, when it stops, and the fields that expressions know of its event. */
import { MMIO_OUTCOMES } from '../base/mmio-outcomes.ts';
import type { BreakpointKind } from './snapshots.ts';

export interface EventField {
  readonly name: string;
  readonly meaning: string;
  /** Its value is an index into these. */
  readonly words?: readonly string[];
}

export interface BreakpointKindInfo {
  readonly title: string;
  /** The event with its article, for sentences. */
  readonly event: string;
  /** Where the machine stands then. */
  readonly stops: string;
  readonly fields: readonly EventField[];
}

export const ACCESS_WORDS = ['read', 'write', 'fetch'] as const;
/** Of an MMIO fault, as the MMIO log names it. */
export const CLAIM_WORDS = ['none', 'device', 'unsatisfied'] as const;
export const PORT_WORDS = ['in', 'out'] as const;
export const MEMSLOT_CHANGE_WORDS = ['CREATE', 'DELETE', 'MOVE', 'FLAGS_ONLY'] as const;
export const GPTE_WRITER_WORDS = ['the guest', 'the processor', "KVM's walker"] as const;
/** As core/kvm/hooks.ts numbers them (a test holds them together). */
export const SPTE_WRITER_WORDS = [
  'mmu_spte_set',
  'mmu_spte_update',
  'mmu_spte_clear_no_track',
  'fast_page_fault',
  'the processor',
] as const;

const BEFORE = 'before the instruction';
const AFTER = 'after the instruction; of a string instruction, after the element';
const BOUNDARY = 'when KVM is done, before the guest is entered again';

export const BREAKPOINT_KINDS: Readonly<Record<BreakpointKind, BreakpointKindInfo>> = {
  exec: {
    title: 'Execution',
    event: 'an instruction',
    stops: BEFORE,
    fields: [{ name: 'address', meaning: 'linear address of the instruction' }],
  },
  data: {
    title: 'Data access',
    event: 'a data access',
    stops: AFTER,
    fields: [
      { name: 'gva', meaning: 'linear address of the first byte' },
      { name: 'size', meaning: 'bytes' },
      { name: 'access', meaning: 'what the instruction did', words: ['read', 'write'] },
      { name: 'old', meaning: 'value before; of a read, the value' },
      { name: 'new', meaning: 'value after' },
      { name: 'rip', meaning: 'rip of the instruction that did it' },
    ],
  },
  mmio: {
    title: 'MMIO fault',
    event: 'an MMIO fault',
    stops: 'in front of the fault, nothing of it handled',
    fields: [
      { name: 'gva', meaning: 'guest virtual address' },
      { name: 'gpa', meaning: 'guest physical address' },
      { name: 'gfn', meaning: 'guest frame number' },
      { name: 'access', meaning: 'what the instruction does', words: ACCESS_WORDS },
      { name: 'outcome', meaning: 'what the fault will come to', words: MMIO_OUTCOMES },
      { name: 'generation', meaning: 'of the MMIO spte found; -1 when there is none' },
      { name: 'current', meaning: 'the current MMIO generation; -1 in an era without one' },
      {
        name: 'claim',
        meaning: 'who will answer: a device, nobody, or (none) the fault gets no further',
        words: CLAIM_WORDS,
      },
    ],
  },
  exception: {
    title: 'Guest exception',
    event: 'an exception',
    stops: 'in front of its delivery, at the instruction (one of an emulated instruction: after it)',
    fields: [
      { name: 'vector', meaning: 'its number' },
      { name: 'errorCode', meaning: 'its error code, 0 without one' },
      { name: 'gva', meaning: 'of a page fault: what CR2 gets' },
      { name: 'rip', meaning: 'rip that the handler will find' },
    ],
  },
  'page-fault': {
    title: 'Guest page fault',
    event: 'a page fault',
    stops: 'in front of its delivery, at the instruction (one of an emulated instruction: after it)',
    fields: [
      { name: 'gva', meaning: 'what CR2 gets' },
      { name: 'errorCode', meaning: 'P 1, W 2, U 4, RSVD 8, I 16' },
      { name: 'access', meaning: 'what the instruction tried', words: ACCESS_WORDS },
      { name: 'user', meaning: '1 at CPL 3' },
      { name: 'rip', meaning: 'rip that the handler will find' },
    ],
  },
  port: {
    title: 'Port access',
    event: 'a port access',
    stops: BEFORE,
    fields: [
      { name: 'port', meaning: 'its number' },
      { name: 'size', meaning: 'bytes' },
      { name: 'access', meaning: 'direction', words: PORT_WORDS },
      { name: 'value', meaning: 'what OUT sends; 0 for IN and string forms' },
      { name: 'string', meaning: '1 for INS and OUTS' },
    ],
  },
  spte: {
    title: 'Spte change',
    event: 'a change of an spte',
    stops: BOUNDARY,
    fields: [
      { name: 'sptep', meaning: 'where the spte stands (hpa)' },
      { name: 'gfn', meaning: 'first guest frame that it is for' },
      { name: 'gpa', meaning: 'the same as an address' },
      { name: 'level', meaning: 'of its page table, 1 for 4 KiB leaves' },
      { name: 'old', meaning: 'value before' },
      { name: 'new', meaning: 'value after' },
      { name: 'changed', meaning: 'old ^ new' },
      { name: 'by', meaning: 'who wrote it', words: SPTE_WRITER_WORDS },
    ],
  },
  gpte: {
    title: 'Guest page-table entry change',
    event: 'a change of a guest page-table entry',
    stops: 'after the instruction',
    fields: [
      { name: 'gpa', meaning: 'where the entry lies' },
      { name: 'size', meaning: 'bytes of an entry: 8, or 4 with 32-bit paging' },
      { name: 'old', meaning: 'value before' },
      { name: 'new', meaning: 'value after' },
      { name: 'changed', meaning: 'old ^ new' },
      { name: 'by', meaning: 'who wrote it', words: GPTE_WRITER_WORDS },
      { name: 'rip', meaning: 'rip of the instruction that led to it' },
    ],
  },
  memslot: {
    title: 'Memslot change',
    event: 'a memslot change',
    stops: BOUNDARY,
    fields: [
      { name: 'slot', meaning: 'its id' },
      { name: 'change', meaning: 'kind of change', words: MEMSLOT_CHANGE_WORDS },
      { name: 'pages', meaning: 'pages of the slot' },
      { name: 'generation', meaning: 'memslots generation after it' },
    ],
  },
  'generation-wrap': {
    title: 'Generation wrap-around',
    event: 'a wrap-around of the generation',
    stops: BOUNDARY,
    fields: [{ name: 'generation', meaning: 'memslots generation' }],
  },
  zap: {
    title: 'Shadow page zapped',
    event: 'a zapped shadow page',
    stops: BOUNDARY,
    fields: [
      { name: 'page', meaning: 'index in the pool' },
      { name: 'gfn', meaning: 'first guest frame that it covers' },
      { name: 'gpa', meaning: 'the same as an address' },
      { name: 'level', meaning: 'of the page table' },
      { name: 'role', meaning: 'kvm_mmu_page_role.word' },
    ],
  },
};

export const BREAKPOINT_KIND_NAMES = Object.keys(BREAKPOINT_KINDS) as readonly BreakpointKind[];

/** Kinds whose instruction has not been executed when the machine stops. */
export const STANDS_BEFORE: ReadonlySet<BreakpointKind> = new Set(['port', 'exception', 'page-fault']);

/** Exceptions by vector (SDM vol 3A, "Exception and Interrupt Vectors"). */
export const EXCEPTION_NAMES: readonly string[] =
  '#DE #DB NMI #BP #OF #BR #UD #NM #DF 9 #TS #NP #SS #GP #PF 15 #MF #AC #MC #XM #VE #CP 22 23 24 25 26 27 #HV #VC #SX 31'.split(
    ' ',
  );
