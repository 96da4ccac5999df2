/**
 * What later kernels (v6.8) print otherwise than v3.11: TP_printk of arch/x86/kvm/trace.h and arch/x86/kvm/mmu/mmutrace.h.
 * The records are the same.
 */
import * as tp from '../base/tracepoints.ts';
import { EXCEPTION_NAMES, SVM_EXIT_NAMES, VMX_EXIT_NAMES } from './exit-reasons.ts';
import { plainHex, pointer, prefixedHex, printSymbolic, signed } from './kernel-print.ts';
import { pferrText } from './page-fault-error.ts';
import { accessText } from './role-text.ts';

type Args = readonly bigint[];

const LOW = 0xffff_ffffn;
const ISA_SVM = 2n;
const WRITABLE = 2n;

/** 0x%0*x. */
const padded = (value: bigint, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;

/** %#016lx: the sixteen are 0x and fourteen digits. */
const hva = (value: bigint): string => padded(value, 14);

const hvaRange = ([start, end]: Args): string => `${hva(start)} -- ${hva(end)}`;

const MODERN_EXCEPTION_NAMES: Readonly<Record<string, string>> = { ...EXCEPTION_NAMES, 17: '#AC' };

/** Names that changed. */
const MODERN_VMX_NAMES: Readonly<Record<string, string>> = { ...VMX_EXIT_NAMES, 7: 'INTERRUPT_WINDOW' };

const MODERN_SVM_NAMES: Readonly<Record<string, string>> = {
  ...SVM_EXIT_NAMES,
  0x02: 'read_cr2',
  0x12: 'write_cr2',
  0x65: 'cr0_sel_write',
  0x74: 'iret',
  0x77: 'pause',
  0x87: 'rdtscp',
};

/** `sp gen 0 gfn 0 l4 8-byte q0 direct wux !nxe !ad root 0 sync`, from v3.11's role bits. */
function shadowPage([gen, gfn, roleWord, rootCount, flags]: Args): string {
  const role = Number(roleWord);
  const has = (bit: number): boolean => ((role >>> bit) & 1) !== 0;
  const direct = has(13);
  // A direct page has no guest table whose entries could be of four bytes.
  const bytes = direct || has(4) ? 8 : 4;
  const ad = flags >> 32n === 0n ? 'ad' : '!ad';
  const state = (flags & LOW) === 0n ? 'sync' : 'unsync';
  return (
    `sp gen ${gen} gfn ${plainHex(gfn)} l${role & 0xf} ${bytes}-byte q${(role >>> 5) & 3}${direct ? ' direct' : ''} ` +
    `${accessText(role >>> 14)}${has(17) ? ' invalid' : ''} ${has(18) ? '' : '!'}nxe ${ad} root ${rootCount} ${state}`
  );
}

function kvmExit([reason, rip, isa, info1, info2, more]: Args, vcpu: number): string {
  const svm = isa === ISA_SVM;
  const name = printSymbolic(reason, svm ? MODERN_SVM_NAMES : MODERN_VMX_NAMES);
  // On VMX what v3.11 called info2 is intr_info now, and info2 says what was being delivered.
  const idtVectoring = more >> 32n;
  const second = svm ? info2 : idtVectoring;
  const interruption = svm ? idtVectoring : info2 & LOW;
  return (
    `vcpu ${vcpu} reason ${name} rip ${prefixedHex(rip)} info1 ${padded(info1, 16)} info2 ${padded(second, 16)} ` +
    `intr_info ${padded(interruption, 8)} error_code ${padded(more & LOW, 8)}`
  );
}

function fastPageFault([vcpuAndRetry, address, errorCode, sptep, before, after]: Args): string {
  const retry = vcpuAndRetry >> 32n !== 0n;
  const wasWritable = (before & WRITABLE) !== 0n;
  const spurious = retry && wasWritable;
  const fixed = retry && !wasWritable && (after & WRITABLE) !== 0n;
  return (
    `vcpu ${signed(vcpuAndRetry)} gva ${plainHex(address)} error_code ${pferrText(errorCode)} sptep ${pointer(sptep)} ` +
    `old ${prefixedHex(before)} new ${plainHex(after)} spurious ${spurious ? 1 : 0} fixed ${fixed ? 1 : 0}`
  );
}

function setSpte([gfn, spte, sptep, level, rxu]: Args): string {
  const user = rxu >> 2n === 1n ? 'u' : '-';
  const rights = `${(rxu & 1n) !== 0n ? 'r' : '-'}${(spte & WRITABLE) !== 0n ? 'w' : '-'}${(rxu & 2n) !== 0n ? 'x' : '-'}${user}`;
  return `gfn ${plainHex(gfn)} spte ${plainHex(spte)} (${rights}) level ${level} at ${plainHex(sptep)}`;
}

export const MODERN_TEXT: Readonly<Record<number, (args: Args, vcpu: number) => string>> = {
  [tp.TP_KVM_ENTRY]: ([vcpu, rip]) => `vcpu ${vcpu}, rip ${prefixedHex(rip)}`,
  [tp.TP_KVM_EXIT]: kvmExit,
  [tp.TP_KVM_PAGE_FAULT]: ([address, errorCode, rip], vcpu) =>
    `vcpu ${vcpu} rip ${prefixedHex(rip)} address ${padded(address, 16)} error_code ${prefixedHex(errorCode)}`,
  [tp.TP_KVM_PIO]: ([rw, port, size, count, value]) =>
    `pio_${rw === 0n ? 'read' : 'write'} at ${prefixedHex(port)} size ${size} count ${count} ` +
    `val ${prefixedHex(value)} ${count > 1n ? '(...)' : ''}`,
  [tp.TP_KVM_INJ_EXCEPTION]: ([exception, hasError, errorCode]) =>
    `${printSymbolic(exception, MODERN_EXCEPTION_NAMES)}${hasError === 0n ? '' : ` (${prefixedHex(errorCode)})`}`,
  [tp.TP_KVM_INJ_VIRQ]: ([irq, again]) => `IRQ ${prefixedHex(irq)}${again === 0n ? '' : ' [reinjected]'}`,
  [tp.TP_KVM_CPUID]: ([leaf, rax, rbx, rcx, rdx, found]) =>
    `func ${plainHex(leaf & LOW)} idx ${plainHex(leaf >> 32n)} rax ${plainHex(rax)} rbx ${plainHex(rbx)} ` +
    `rcx ${plainHex(rcx)} rdx ${plainHex(rdx)}, cpuid entry ${(found & 1n) === 0n ? 'not found' : 'found'}` +
    ((found & 2n) === 0n ? '' : ', used max basic'),
  [tp.TP_KVM_AGE_HVA]: (args) => `mmu notifier age hva: ${hvaRange(args)}`,
  [tp.TP_KVM_UNMAP_HVA_RANGE]: (args) => `mmu notifier unmap range: ${hvaRange(args)}`,
  [tp.TP_MMU_GET_PAGE]: (args) => `${shadowPage(args)} ${args[5] === 0n ? 'existing' : 'new'}`,
  [tp.TP_MMU_PREPARE_ZAP_PAGE]: shadowPage,
  [tp.TP_MMU_SYNC_PAGE]: shadowPage,
  [tp.TP_MMU_UNSYNC_PAGE]: shadowPage,
  [tp.TP_FAST_PAGE_FAULT]: fastPageFault,
  [tp.TP_MMU_INVALIDATE_ZAP_ALL_PAGES]: ([gen, used]) => `kvm-mmu-valid-gen ${gen} used_pages ${plainHex(used)}`,
  [tp.TP_MMU_SET_SPTE]: setSpte,
  [tp.TP_MMU_SPTE_REQUESTED]: ([gfn, pfn, level]) => `gfn ${plainHex(gfn)} pfn ${plainHex(pfn)} level ${level}`,
};
