/**
 * The text of every tracepoint of core/base/tracepoints.ts in the wording of Linux v3.11 (trace-text-modern.ts has the other; TP_printk of arch/x86/kvm/trace.h,
 * arch/x86/kvm/mmutrace.h, include/trace/events/kvm.h), and the line that ftrace makes of it, so that a trace of Umbra can
 * be laid beside one of a real host.
 */
import * as tp from '../base/tracepoints.ts';
import { EXCEPTION_NAMES, SVM_EXIT_NAMES, USERSPACE_EXIT_NAMES, VMX_EXIT_NAMES } from './exit-reasons.ts';
import { plainHex, pointer, prefixedHex, printSymbolic, signed } from './kernel-print.ts';
import { pferrText } from './page-fault-error.ts';
import { roleText } from './role-text.ts';
import { MODERN_TEXT } from './trace-text-modern.ts';
import type { TRACE_WORDINGS } from '../base/tracepoints.ts';

/** Argument words of a record, in the order of the event's fields. */
export type TraceArgs = readonly bigint[];

const MMIO_KINDS = ['unsatisfied-read', 'read', 'write'];
const MEMSLOT_CHANGES: Readonly<Record<string, string>> = { 0: 'CREATE', 1: 'DELETE', 2: 'MOVE', 3: 'FLAGS_ONLY' };
const EMULATION_MODES: Readonly<Record<string, string>> = {
  0: 'real',
  3: 'vm16',
  1: 'prot16',
  5: 'prot32',
  9: 'prot64',
};
const WRITABLE = 2n;

/** The word of an sp record: unsync in the low half; ad_disabled, which only later kernels print, in the high one. */
export const isUnsync = (flags: bigint): boolean => (flags & 0xffff_ffffn) !== 0n;

/** `sp gen 0 gfn 0 4 q0 direct wux !nxe root 0 sync` */
const shadowPage = ([gen, gfn, role, rootCount, flags]: TraceArgs): string =>
  `sp gen ${plainHex(gen)} gfn ${plainHex(gfn)} ${roleText(Number(role))} root ${rootCount} ${isUnsync(flags) ? 'unsync' : 'sync'}`;

function emulateInsn([csBase, rip, lengthAndFlags, bytesLow, bytesHigh, failed]: TraceArgs): string {
  const length = Number(lengthAndFlags & 0xffn);
  const all = (bytesHigh << 64n) | bytesLow;
  const bytes = Array.from({ length }, (_, i) => ((all >> BigInt(8 * i)) & 0xffn).toString(16).padStart(2, '0'));
  const mode = printSymbolic((lengthAndFlags >> 8n) & 0xffn, EMULATION_MODES);
  return `${plainHex(csBase)}:${plainHex(rip)}:${bytes.join(' ')} (${mode})${failed === 0n ? '' : ' failed'}`;
}

function fastPageFault([vcpuAndRetry, gva, errorCode, sptep, before, after]: TraceArgs): string {
  // The seventh field of the kernel's event, retry, rides in bit 32 of the first word.
  const retry = vcpuAndRetry >> 32n !== 0n;
  const satisfied = (spte: bigint): string => (retry && (spte & WRITABLE) !== 0n ? '1' : '0');
  return (
    `vcpu ${signed(vcpuAndRetry)} gva ${plainHex(gva)} error_code ${pferrText(errorCode)} sptep ${pointer(sptep)} ` +
    `old ${prefixedHex(before)} new ${plainHex(after)} spurious ${satisfied(before)} fixed ${satisfied(after)}`
  );
}

function userspaceExit([reason, errno]: TraceArgs): string {
  const error = BigInt.asIntN(64, errno);
  if (error >= 0n) return `reason ${printSymbolic(reason, USERSPACE_EXIT_NAMES)} (${signed(reason)})`;
  // EINTR is not an error of the guest's: user space calls again.
  return `reason ${error === -4n ? 'restart' : 'error'} (${-error})`;
}

const TEXT: Readonly<Record<number, (args: TraceArgs, vcpu: number) => string>> = {
  [tp.TP_KVM_ENTRY]: ([vcpu]) => `vcpu ${vcpu}`,
  [tp.TP_KVM_EXIT]: ([reason, rip, isa, info1, info2]) => {
    const name = printSymbolic(reason, isa === 2n ? SVM_EXIT_NAMES : VMX_EXIT_NAMES);
    return `reason ${name} rip ${prefixedHex(rip)} info ${plainHex(info1)} ${plainHex(info2)}`;
  },
  [tp.TP_KVM_PAGE_FAULT]: ([address, errorCode]) => `address ${plainHex(address)} error_code ${plainHex(errorCode)}`,
  [tp.TP_KVM_MMIO]: ([type, length, gpa, value]) => {
    const kind = MMIO_KINDS[Number(type)] ?? prefixedHex(type);
    return `mmio ${kind} len ${length} gpa ${prefixedHex(gpa)} val ${prefixedHex(value)}`;
  },
  [tp.TP_KVM_PIO]: ([rw, port, size, count]) =>
    `pio_${rw === 0n ? 'read' : 'write'} at ${prefixedHex(port)} size ${size} count ${count}`,
  [tp.TP_KVM_EMULATE_INSN]: emulateInsn,
  [tp.TP_VCPU_MATCH_MMIO]: ([gva, gpa, write, gpaMatch]) =>
    `gva ${prefixedHex(gva)} gpa ${prefixedHex(gpa)} ${write === 0n ? 'Read' : 'Write'} ${gpaMatch === 0n ? 'GVA' : 'GPA'}`,
  [tp.TP_KVM_USERSPACE_EXIT]: userspaceExit,
  [tp.TP_KVM_INJ_EXCEPTION]: ([exception, hasError, errorCode]) =>
    `${printSymbolic(exception, EXCEPTION_NAMES)} (${prefixedHex(hasError === 0n ? 0n : errorCode)})`,
  [tp.TP_KVM_CR]: ([rw, cr, value]) => `cr_${rw === 0n ? 'read' : 'write'} ${plainHex(cr)} = ${prefixedHex(value)}`,
  [tp.TP_KVM_MSR]: ([write, ecx, data, exception]) =>
    `msr_${write === 0n ? 'read' : 'write'} ${plainHex(ecx)} = ${prefixedHex(data)}${exception === 0n ? '' : ' (#GP)'}`,
  [tp.TP_KVM_INJ_VIRQ]: ([irq]) => `irq ${irq}`,
  [tp.TP_KVM_HYPERCALL]: ([nr, ...a]) =>
    `nr ${prefixedHex(nr)} ${a
      .slice(0, 4)
      .map((value, i) => `a${i} ${prefixedHex(value)}`)
      .join(' ')}`,
  [tp.TP_MMU_GET_PAGE]: (args) => `${shadowPage(args)} ${args[5] === 0n ? 'existing' : 'new'}`,
  [tp.TP_MMU_PREPARE_ZAP_PAGE]: shadowPage,
  [tp.TP_MMU_SYNC_PAGE]: shadowPage,
  [tp.TP_MMU_UNSYNC_PAGE]: shadowPage,
  [tp.TP_MARK_MMIO_SPTE]: ([sptep, gfn, access, gen]) =>
    `sptep:${pointer(sptep)} gfn ${plainHex(gfn)} access ${plainHex(access)} gen ${plainHex(gen)}`,
  [tp.TP_HANDLE_MMIO_PAGE_FAULT]: ([address, gfn, access]) =>
    `addr:${plainHex(address)} gfn ${plainHex(gfn)} access ${plainHex(access)}`,
  [tp.TP_CHECK_MMIO_SPTE]: ([kvmGen, spteGen, spte]) =>
    `spte ${plainHex(spte)} kvm_gen ${plainHex(kvmGen)} spte-gen ${plainHex(spteGen)} valid ${kvmGen === spteGen ? 1 : 0}`,
  [tp.TP_FAST_PAGE_FAULT]: fastPageFault,
  [tp.TP_MMU_INVALIDATE_ZAP_ALL_PAGES]: ([gen, used]) =>
    `kvm-mmu-valid-gen ${plainHex(gen)} used_pages ${plainHex(used)}`,
  [tp.TP_KVM_CPUID]: ([leaf, rax, rbx, rcx, rdx]) =>
    `func ${plainHex(leaf & 0xffff_ffffn)} rax ${plainHex(rax)} rbx ${plainHex(rbx)} rcx ${plainHex(rcx)} rdx ${plainHex(rdx)}`,
  [tp.TP_KVM_AGE_PAGE]: ([hva, gfn, referenced]) =>
    `hva ${plainHex(hva)} gfn ${plainHex(gfn)} ${referenced === 0n ? 'OLD' : 'YOUNG'}`,
  [tp.TP_MMU_PAGETABLE_WALK]: ([address, pferr]) =>
    `addr ${plainHex(address)} pferr ${plainHex(pferr)} ${pferrText(pferr)}`,
  [tp.TP_MMU_PAGING_ELEMENT]: ([pte, level]) => `pte ${plainHex(pte)} level ${level}`,
  [tp.TP_MMU_SET_ACCESSED_BIT]: ([gpa]) => `gpa ${plainHex(gpa)}`,
  [tp.TP_MMU_SET_DIRTY_BIT]: ([gpa]) => `gpa ${plainHex(gpa)}`,
  [tp.TP_MMU_WALKER_ERROR]: ([pferr]) => `pferr ${plainHex(pferr)} ${pferrText(pferr)}`,
  [tp.TP_UMBRA_MEMSLOT]: ([slot, change, before, after]) =>
    `slot ${slot} ${printSymbolic(change, MEMSLOT_CHANGES)} gen ${plainHex(before)} -> ${plainHex(after)}`,
};

/** Whose words: those of v3.11, or of kernels of the 6 series (v6.8). */
export type TraceWording = (typeof TRACE_WORDINGS)[number];

export interface TraceEvent {
  readonly event: number;
  readonly vcpu: number;
  /** Instructions retired when it was emitted; one takes 10 ns of virtual time. */
  readonly insns: number;
  /** TRACE_FLAGS of the record: virtual time skipped in HLT before it, in microseconds. */
  readonly idleMicroseconds: number;
  readonly args: TraceArgs;
}

/** The part behind `event: `. An event that is not of ours prints its words. */
export function traceText(event: number, args: TraceArgs, wording: TraceWording = '3.11', vcpu = 0): string {
  const text = wording === 'modern' ? (MODERN_TEXT[event] ?? TEXT[event]) : (TEXT[event] ?? MODERN_TEXT[event]);
  return text === undefined ? `event ${event}: ${args.map(plainHex).join(' ')}` : text(args, vcpu);
}

const specs = new Map(tp.TRACEPOINTS.map((spec) => [spec.id, spec]));

export function traceEventName(event: number, wording: TraceWording = '3.11'): string {
  const spec = specs.get(event);
  if (spec === undefined) return `event-${event}`;
  return wording === 'modern' ? (spec.modernName ?? spec.name) : spec.name;
}

/** Virtual time in whole microseconds. */
export const traceMicroseconds = ({ insns, idleMicroseconds }: TraceEvent): number =>
  Math.floor(insns / 100) + idleMicroseconds;

/** The first vCPU's thread as the trace names it. A process has ids; a machine in a buffer must be given some. */
const FIRST_THREAD = 1000;

/** irqs-off, need-resched, hardirq/softirq, preempt-depth: there is nothing of the kind here. */
const NO_FLAGS = '....';

/**
 * ` qemu-system-x86-1000  [000] ....     0.001234: kvm_exit: reason …`
 * @param irqInfo ftrace's option of that name (trace_options): the column of flags
 */
export function ftraceLine(record: TraceEvent, wording: TraceWording = '3.11', irqInfo = true): string {
  const task = `${'qemu-system-x86'.padStart(16)}-${String(FIRST_THREAD + record.vcpu).padEnd(5)}`;
  const cpu = `[${String(record.vcpu).padStart(3, '0')}] ${irqInfo ? NO_FLAGS : ''}`;
  const time = traceMicroseconds(record);
  const seconds = String(Math.floor(time / 1e6)).padStart(5);
  const micros = String(time % 1e6).padStart(6, '0');
  const name = traceEventName(record.event, wording);
  return `${task} ${cpu} ${seconds}.${micros}: ${name}: ${traceText(record.event, record.args, wording, record.vcpu)}`;
}
