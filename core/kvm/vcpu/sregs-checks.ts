/**
 * What KVM_SET_SREGS refuses, by era, and what VM entry refuses of that which KVM lets through. Until 4.16 KVM looked at one bit of
 * CR4 (OSXSAVE, of a guest without XSAVE) and believed the rest; since then it compares the mode's registers with each other
 * (kvm_is_valid_sregs of arch/x86/kvm/x86.c), and since 6.6 it looks at CR0 by itself (kvm_is_valid_cr0). What remains the processor
 * refuses (SDM vol 3C, "Checks on Guest Control Registers, Debug Registers, and MSRs"; APM vol 2, "Canonicalization and Consistency
 * Checks"): KVM_RUN comes back with KVM_EXIT_FAIL_ENTRY, and there is nothing to run.
 */
import type { Errno } from '../../base/errno.ts';
import { ERAS, type Era } from '../../base/machine-modes.ts';
import { PROCESSOR_BITS } from '../../x86/index.ts';
import { ERA_V6_8 } from '../eras.ts';

/** The registers of struct kvm_sregs that choose the mode, as a call would leave them. */
export interface ModeRegisters {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  /** CS.L. */
  readonly longCode: boolean;
}

export interface RegisterRefusal {
  /** Undefined where the kernel takes the value and something else refuses it. */
  readonly errno: Errno | undefined;
  /** Where it is refused: a function of KVM's, or `VM entry`. */
  readonly check: string;
  readonly message: string;
}

const CR0_PE = 1n;
const CR0_NW = 1n << 29n;
const CR0_CD = 1n << 30n;
const CR0_PG = 1n << 31n;
const CR4_PAE = 1n << 5n;
const CR4_OSXSAVE = 1n << 18n;
const EFER_LME = 1n << 8n;
const EFER_LMA = 1n << 10n;

const has = (value: bigint, bits: bigint): boolean => (value & bits) === bits;
const hex = (value: bigint): string => `0x${value.toString(16)}`;
const unsigned = (bits: number): bigint => BigInt(bits >>> 0);

const inval = (check: string, message: string): RegisterRefusal => ({ errno: 'EINVAL', check, message });

/** @param era number of the era; @returns undefined when KVM takes them */
function kvmRefusal({ cr0, cr3, cr4, efer, longCode }: ModeRegisters, era: number, maxPhyAddr: number) {
  if (era !== ERA_V6_8) {
    return has(cr4, CR4_OSXSAVE)
      ? inval('guest_cpuid_has_xsave', 'CR4.OSXSAVE is set, and the guest’s CPUID has no XSAVE.')
      : undefined;
  }
  const check = 'kvm_is_valid_sregs';
  if (has(efer, EFER_LME) && has(cr0, CR0_PG)) {
    if (!has(cr4, CR4_PAE)) return inval(check, 'with EFER.LME and CR0.PG set, CR4.PAE must be set.');
    if (!has(efer, EFER_LMA)) return inval(check, 'with EFER.LME and CR0.PG set, EFER.LMA must be set.');
    if (cr3 >> BigInt(maxPhyAddr) !== 0n) {
      return inval(check, `CR3 ${hex(cr3)} has bits above MAXPHYADDR (${maxPhyAddr}).`);
    }
  } else if (has(efer, EFER_LMA)) {
    return inval(check, 'EFER.LMA is set, and the guest is not in 64-bit mode: EFER.LME and CR0.PG are not both set.');
  } else if (longCode) {
    return inval(check, 'CS.L is set, and the guest is not in 64-bit mode.');
  }
  const reserved = cr4 & ~unsigned(PROCESSOR_BITS.cr4);
  if (reserved !== 0n) return inval('kvm_is_valid_cr4', `the guest’s processor has no CR4 bits ${hex(reserved)}.`);
  if (cr0 >> 32n !== 0n) return inval('kvm_is_valid_cr0', 'bits 63 to 32 of CR0 are reserved.');
  if (has(cr0, CR0_NW) && !has(cr0, CR0_CD)) return inval('kvm_is_valid_cr0', 'CR0.NW needs CR0.CD.');
  if (has(cr0, CR0_PG) && !has(cr0, CR0_PE)) return inval('kvm_is_valid_cr0', 'CR0.PG needs CR0.PE.');
  return undefined;
}

/** Of what KVM took. @param isAmd VMRUN looks at CR0.NW too */
function entryRefusal({ cr0, cr3, cr4, efer }: ModeRegisters, maxPhyAddr: number, isAmd: boolean): string | undefined {
  if (cr0 >> 32n !== 0n) return 'bits 63 to 32 of CR0 must be zero';
  if (has(cr0, CR0_PG) && !has(cr0, CR0_PE)) return 'CR0.PG needs CR0.PE';
  if (isAmd && has(cr0, CR0_NW) && !has(cr0, CR0_CD)) return 'CR0.NW needs CR0.CD';
  const cr4Bits = cr4 & ~unsigned(PROCESSOR_BITS.cr4);
  if (cr4Bits !== 0n) return `the processor has no CR4 bits ${hex(cr4Bits)}`;
  const eferBits = efer & ~unsigned(PROCESSOR_BITS.efer);
  if (eferBits !== 0n) return `the processor has no EFER bits ${hex(eferBits)}`;
  if (cr3 >> BigInt(maxPhyAddr) !== 0n) return `CR3 ${hex(cr3)} has bits above MAXPHYADDR (${maxPhyAddr})`;
  if (has(cr0, CR0_PG) && has(efer, EFER_LMA) !== has(efer, EFER_LME))
    return 'with CR0.PG set, EFER.LMA must equal EFER.LME';
  if (has(efer, EFER_LMA) && !has(cr0, CR0_PG)) return '64-bit mode (EFER.LMA) needs CR0.PG';
  if (has(efer, EFER_LMA) && !has(cr4, CR4_PAE)) return '64-bit mode (EFER.LMA) needs CR4.PAE';
  return undefined;
}

/** vmx_set_cr0 and svm_set_cr0: LMA follows paging while LME is set (enter_lmode, exit_lmode). */
export function followPaging(next: ModeRegisters, before: ModeRegisters): ModeRegisters {
  if (!has(next.efer, EFER_LME) || has(next.cr0, CR0_PG) === has(before.cr0, CR0_PG)) return next;
  return { ...next, efer: has(next.cr0, CR0_PG) ? next.efer | EFER_LMA : next.efer & ~EFER_LMA };
}

/** @returns the registers as the processor would have them after the call, or who refuses them */
export function settleMode(
  next: ModeRegisters,
  before: ModeRegisters,
  host: { readonly era: number; readonly maxPhyAddr: number; readonly isAmd: boolean },
): ModeRegisters | RegisterRefusal {
  const { era, maxPhyAddr, isAmd } = host;
  const refused = kvmRefusal(next, era, maxPhyAddr);
  if (refused !== undefined) return refused;
  const followed = followPaging(next, before);
  const why = entryRefusal(followed, maxPhyAddr, isAmd);
  if (why === undefined) return followed;
  const name: Era = ERAS[era];
  return {
    errno: undefined,
    check: 'VM entry',
    message: `KVM_SET_SREGS of ${name} takes it, but VM entry fails (KVM_EXIT_FAIL_ENTRY): ${why}.`,
  };
}
