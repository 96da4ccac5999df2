/** What KVM will make of a memory fault that the hardware is about to leave the guest with. Pure. */
import type { WalkKvm } from '../../base/address-walk.ts';
import { highHalf, lowHalf } from '../../base/address.ts';
import type { AccessKind } from '../../base/machine-modes.ts';
import { MMIO_OUTCOMES, type MmioOutcome } from '../../base/mmio-outcomes.ts';
import { ERA_V6_8 } from '../eras.ts';
import type { PredictedMmioFault } from '../hooks.ts';
import {
  gfnToMemslot,
  KVM_PFN_ERR_FAULT,
  KVM_PFN_ERR_RO_FAULT,
  memslotIsReadonly,
  NO_SLOT,
  slotGfnToPfn,
} from '../memslots/memslots.ts';
import { gfnOf, predictMmioFault } from '../mmio/mmio-predict.ts';
import { MMU_EPT, MMU_SHADOW, PT_WRITABLE_MASK, type Mmu } from '../mmu/mmu.ts';
import { isLocklesslyModifiable, isShadowPresent } from '../mmu/mmu-spte.ts';
import { predictShadowMmioFault } from '../mmio/shadow-mmio-predict.ts';
import { guestPagingMode, type GuestFrames } from '../../x86/index.ts';

export interface ForeseenFault {
  readonly vcpuId: number;
  readonly gva: bigint;
  readonly gpa: bigint;
  readonly access: AccessKind;
  /** An EPT misconfiguration, or RSVD in the error code. */
  readonly reserved: boolean;
  /** The leaf (or first entry that is not present) that the walk ended at; 0n when there is none. */
  readonly spte: bigint;
  /** The tables are new and empty: whatever stood in the old ones is not met again. */
  readonly emptyTables: boolean;
  /** Where KVM's software walker reads the guest's tables. */
  readonly frames: GuestFrames;
}

const ACCESS_CODES = { read: 0, write: 1, fetch: 2 } as const;
const MMIO_FAULT = 'handle_mmio_page_fault_common (arch/x86/kvm/mmu.c)';
const ABNORMAL_PFN = 'handle_abnormal_pfn (arch/x86/kvm/mmu.c)';

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

export function foreseeFault(mmu: Mmu, r: Int32Array, fault: ForeseenFault): WalkKvm {
  const foreseen = foreseeAnswer(mmu, r, fault);
  if (fault.access !== 'fetch' || !foreseen.action.endsWith('emulate')) return foreseen;
  if (isFetchable(mmu, fault.gpa)) {
    return { ...foreseen, text: `${foreseen.text}; the instruction is fetched through the memslot` };
  }
  const text = `${foreseen.text}; but the emulator cannot fetch an instruction from MMIO: KVM_RUN ends with KVM_EXIT_INTERNAL_ERROR`;
  return { ...foreseen, action: 'fetch-fails', text };
}

/** kvm_fetch_guest_virt reads memslots, whatever the MMIO cache and the sptes say of the frame. */
function isFetchable({ arena }: Mmu, gpa: bigint): boolean {
  const gfn = gfnOf(lowHalf(gpa), highHalf(gpa));
  return slotGfnToPfn(arena, gfnToMemslot(arena, gfn), gfn, false) >= 0;
}

function foreseeAnswer(mmu: Mmu, r: Int32Array, fault: ForeseenFault): WalkKvm {
  const predicted: PredictedMmioFault = {
    vcpuId: fault.vcpuId,
    gvaLo: lowHalf(fault.gva),
    gvaHi: highHalf(fault.gva),
    gpaLo: lowHalf(fault.gpa),
    gpaHi: highHalf(fault.gpa),
    access: ACCESS_CODES[fault.access],
    outcome: 0,
    spteGen: -1,
    kvmGen: -1,
  };
  const shadowed = mmu.mode === MMU_SHADOW && guestPagingMode(r) !== 'none';
  const isMmioFault = shadowed
    ? predictShadowMmioFault(mmu, r, predicted, fault.reserved, fault.frames)
    : predictMmioFault(mmu, r, predicted, fault.reserved);
  if (!isMmioFault) return foreseeMapping(mmu, fault);
  const spteGen = fault.emptyTables ? -1 : predicted.spteGen;
  const mmio = { outcome: MMIO_OUTCOMES[predicted.outcome], spteGen, kvmGen: predicted.kvmGen };
  return { ...mmioWords(mmu, fault, mmio), mmio };
}

type MmioPrediction = { readonly outcome: MmioOutcome; readonly spteGen: number; readonly kvmGen: number };

function mmioWords(
  mmu: Mmu,
  fault: ForeseenFault,
  { outcome, spteGen, kvmGen }: MmioPrediction,
): Pick<WalkKvm, 'action' | 'text' | 'source'> {
  const gfn = gfnOf(lowHalf(fault.gpa), highHalf(fault.gpa));
  switch (outcome) {
    case 'EMULATE': {
      const why =
        kvmGen < 0 ? 'sptes of this era carry no generation' : `its generation is the current one, ${hex(kvmGen)}`;
      return { action: 'emulate', text: `next access: EMULATE, because ${why}`, source: MMIO_FAULT };
    }
    case 'INVALID': {
      const why = `because its generation is ${hex(spteGen)} and the current one is ${hex(kvmGen)}`;
      const then = foreseeMapping(mmu, fault);
      return { action: then.action, text: `next access: INVALID, ${why}; then ${then.text}`, source: MMIO_FAULT };
    }
    case 'CACHED': {
      const text = `next access: CACHED, because the vCPU's MMIO cache holds gfn ${hex(gfn)}: emulated without a look at any spte`;
      return { action: 'emulate', text, source: 'quickly_check_mmio_pf (arch/x86/kvm/mmu.c)' };
    }
    case 'FIRST': {
      const { action, text, source } = foreseeMapping(mmu, fault);
      return { action, text: `next access: FIRST, ${text}`, source };
    }
    case 'RETRY': {
      const text = 'next access: RETRY, because the entry is not an MMIO spte: the guest makes the access again';
      return { action: 'retry', text, source: MMIO_FAULT };
    }
    case 'BUG': {
      const text = 'next access: BUG, because the entry is neither an MMIO spte nor empty: KVM gives up';
      return { action: 'bug', text, source: MMIO_FAULT };
    }
  }
}

/** The ordinary fault path: tdp_page_fault, nonpaging_page_fault, FNAME(page_fault). */
function foreseeMapping(mmu: Mmu, fault: ForeseenFault): WalkKvm {
  const { gpa, spte, access, reserved, emptyTables } = fault;
  const { arena } = mmu;
  const gfn = gfnOf(lowHalf(gpa), highHalf(gpa));
  // A stale entry on EPT goes on with error code 0, as if it had been read (handle_ept_misconfig).
  const write = access === 'write' && !(reserved && mmu.mode === MMU_EPT);
  const lo = lowHalf(spte);
  if (
    write &&
    !reserved &&
    !emptyTables &&
    isShadowPresent(mmu, lo, highHalf(spte)) &&
    isLocklesslyModifiable(mmu, lo, highHalf(spte))
  ) {
    const text =
      (lo & PT_WRITABLE_MASK) === 0
        ? 'fast_page_fault gives the spte its W bit back without mmu_lock and marks the frame dirty'
        : 'fast_page_fault finds the spte writable already: a spurious fault';
    return { action: 'fast-page-fault', mmio: undefined, text, source: 'fast_page_fault (arch/x86/kvm/mmu.c)' };
  }
  const slot = gfnToMemslot(arena, gfn);
  const pfn = slotGfnToPfn(arena, slot, gfn, write);
  if (pfn === KVM_PFN_ERR_RO_FAULT) {
    const text = 'the memslot is read-only, so the write is emulated and no spte is made for it';
    return { action: 'emulate', mmio: undefined, text, source: ABNORMAL_PFN };
  }
  if (pfn === KVM_PFN_ERR_FAULT) {
    const text = `KVM_RUN fails with EFAULT: gfn ${hex(gfn)} is in a memslot whose userspace address maps no memory`;
    return { action: 'efault', mmio: undefined, text, source: ABNORMAL_PFN };
  }
  if (pfn < 0 && slot !== NO_SLOT && mmu.era === ERA_V6_8) {
    const text = `the memslot of gfn ${hex(gfn)} is INVALID, its update is in flight: the guest makes the access again until it is through`;
    return { action: 'retry', mmio: undefined, text, source: 'kvm_faultin_pfn (arch/x86/kvm/mmu/mmu.c)' };
  }
  if (pfn < 0) {
    const why = slot === NO_SLOT ? `no memslot holds gfn ${hex(gfn)}` : `the memslot of gfn ${hex(gfn)} is INVALID`;
    const wide = gpa >> 48n !== 0n;
    const text = wide
      ? `${why}: the access is emulated (beyond 48 bits no spte can be made)`
      : `${why}: an MMIO spte is made and the access emulated`;
    return { action: wide ? 'emulate' : 'map-and-emulate', mmio: undefined, text, source: ABNORMAL_PFN };
  }
  const rights = memslotIsReadonly(arena, slot) ? 'read-only' : 'writable';
  const text = `gfn ${hex(gfn)} is mapped to the frame at hpa ${hex(pfn * 4096)}, ${rights}, and the guest makes the access again`;
  return { action: 'map', mmio: undefined, text, source: 'kvm_mmu_page_fault (arch/x86/kvm/mmu.c)' };
}
