/**
 * The walk of one address through both trees, as a pure function of the arena: the guest's page tables level by level (each
 * access to one translated by the second level in its turn), the tables that the hardware walks below, the rule that fails,
 * and what hardware and KVM then do. It follows paging-64bit.ts, second-level.ts and exit-handlers-fault.ts, by the probes of
 * core/x86, and changes nothing.
 */
import { VCPU_BYTES, VCPU_CR4, VCPU_EFER, VCPU_MAXPHYADDR, VCPU_REQUESTS } from '../../arena/vcpu-layout.ts';
import type {
  AddressWalk,
  WalkEnd,
  WalkGuestEntry,
  WalkGuestTree,
  WalkHostEntry,
  WalkHostTree,
  WalkKvm,
  WalkRule,
  WalkStage,
} from '../../base/address-walk.ts';
import { PAGE_OFFSET_MASK } from '../../base/address.ts';
import type { AccessKind } from '../../base/machine-modes.ts';
import {
  ENTRY_NAMES,
  eptRights,
  probeGuestWalk,
  probeSecondLevelWalk,
  probeTlb,
  type GuestFrames,
  type GuestWalkProbe,
  type ProbedGuestEntry,
  type ProbedSecondLevelEntry,
  type SecondLevelProbe,
} from '../../x86/index.ts';
import { gfnToPfn } from '../memslots/memslots.ts';
import { MMU_SHADOW, type Mmu } from '../mmu/mmu.ts';
import { VCPU_ROOT_VALID } from '../mmu/mmu-words.ts';
import { foreseeFault } from './probe-fault.ts';
import { guestEntryFields } from './probe-guest-fields.ts';
import { explainSpteHere, mmioSpteOf, shadowPageOf } from './probe-spte.ts';
import { gfnOf } from '../mmio/mmio-predict.ts';
import { KVM_REQ_MMU_RELOAD } from '../vcpu/requests.ts';
import { isObsolete, pageHeader, pageRole } from '../mmu/shadow-page-pool.ts';
import { ROLE_INVALID, roleLevel } from '../mmu/shadow-page-role.ts';
import { SP_IN_USE } from '../../arena/mmu-layout.ts';
import { describeHardwareEnd } from './probe-walk-end.ts';

const CR4_PSE = 0x10;
const EFER_NXE = 0x800;
const PTE_ACCESSED = 0x20;
const PTE_DIRTY = 0x40;

export interface WalkQuestion {
  readonly space: 'gva' | 'gpa';
  readonly address: bigint;
  readonly access: AccessKind;
  readonly user: boolean;
}

export function probeWalk(mmu: Mmu, vcpuId: number, question: WalkQuestion): AddressWalk {
  const { arena } = mmu;
  const { space, address, access, user } = question;
  const block = mmu.vcpuBlock(vcpuId);
  const r = mmu.i32.subarray(block, block + VCPU_BYTES / 4);
  const reload = r[VCPU_ROOT_VALID] === 0 || (r[VCPU_REQUESTS] & (1 << KVM_REQ_MMU_RELOAD)) !== 0;
  const emptyTables = reload && !hasUsableRoot(mmu);
  const root = emptyTables ? 0 : undefined;
  const shadow = mmu.mode === MMU_SHADOW;

  const guestProbes = space === 'gpa' ? undefined : walkGuestTables(mmu, vcpuId, question, root);
  const guest = guestProbes === undefined ? undefined : describeGuest(mmu, r, vcpuId, guestProbes, root);
  const hostAddress = space === 'gpa' || shadow ? address : guest?.gpa;
  const hostProbe =
    hostAddress === undefined
      ? undefined
      : probeSecondLevelWalk(arena, vcpuId, hostAddress, access, user, 'final', root);
  const host =
    hostProbe === undefined || hostAddress === undefined
      ? undefined
      : describeHost(mmu, hostAddress, hostProbe, reload);

  const tlb = space === 'gpa' || reload ? undefined : probeTlb(arena, vcpuId, address, access, user);
  const about = { vcpu: vcpuId, space, address, access, user, guest, host, tlb };
  if (reload && !emptyTables) return { ...about, end: RELOAD, kvm: undefined };

  const hardware = guestProbes?.hardware;
  const { end, exit } = describeHardwareEnd(hardware, hostProbe, question, hostAddress);
  if (exit === undefined) return { ...about, end, kvm: undefined };
  // Under the shadow MMU it is KVM that walks the guest's tables, after the exit; a fault with RSVD is looked at before that.
  if (shadow && guest?.rule !== undefined && !exit.reserved) return { ...about, end, kvm: injected(guest) };
  const gpa = shadow ? (guest?.gpa ?? address) : exit.gpa;
  const kvm = foreseeFault(mmu, r, {
    vcpuId,
    gva: address,
    gpa,
    access: exit.access,
    reserved: exit.reserved,
    spte: exit.probe.entries.at(-1)?.value ?? 0n,
    emptyTables,
    frames: memslotFrames(mmu),
  });
  return { ...about, end, kvm };
}

const RELOAD: WalkEnd = {
  kind: 'reload',
  code: undefined,
  gpa: undefined,
  text: 'the vCPU loads its roots anew before it enters the guest again, and what they hold is decided then: step it and ask again',
  source: 'vcpu_enter_guest (arch/x86/kvm/x86.c), KVM_REQ_MMU_RELOAD',
};

const injected = (guest: WalkGuestTree): WalkKvm => ({
  action: 'inject-page-fault',
  mmio: undefined,
  text: `KVM's walk of the guest's tables finds the fault, and injects #PF with error code 0x${(guest.errorCode ?? 0).toString(16)}`,
  source: 'FNAME(page_fault), inject_page_fault (arch/x86/kvm/paging_tmpl.h)',
});

/** A root in the pool that kvm_mmu_get_page could find again; without one, new roots are empty. */
function hasUsableRoot(mmu: Mmu): boolean {
  const top = mmu.mode === MMU_SHADOW ? 2 : 4;
  for (let page = 0; page < mmu.arena.layout.config.shadowPages; page++) {
    if (mmu.i32[pageHeader(mmu, page) + (SP_IN_USE >> 2)] === 0) continue;
    const role = pageRole(mmu, page);
    if (roleLevel(role) >= top && (role & ROLE_INVALID) === 0 && !isObsolete(mmu, page)) return true;
  }
  return false;
}

/** Guest tables as KVM's software walker reads them. */
const memslotFrames = ({ arena, mode }: Mmu): GuestFrames => ({
  frameOf(gpaLo, gpaHi) {
    // Where it is KVM's walk that decides, a table in read-only memory cannot be walked.
    const pfn = gfnToPfn(arena, gfnOf(gpaLo, gpaHi), mode === MMU_SHADOW);
    return pfn < 0 ? -1 : pfn * (PAGE_OFFSET_MASK + 1) + (gpaLo & PAGE_OFFSET_MASK);
  },
});

interface GuestProbes {
  /** As the processor walks, through the second level; undefined under the shadow MMU, where it does not. */
  readonly hardware: GuestWalkProbe | undefined;
  /** As KVM's software walker reads the same tables, through memslots: all that there is to see. */
  readonly software: GuestWalkProbe;
}

function walkGuestTables(mmu: Mmu, vcpuId: number, question: WalkQuestion, root: number | undefined): GuestProbes {
  const { arena } = mmu;
  const { address, access, user } = question;
  const software = probeGuestWalk(arena, vcpuId, address, access, memslotFrames(mmu), user);
  if (mmu.mode === MMU_SHADOW) return { hardware: undefined, software };
  return { hardware: probeGuestWalk(arena, vcpuId, address, access, undefined, user, root), software };
}

/** The tree as far as the processor can read it, and from there as the memslots have it. */
function describeGuest(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  { hardware, software }: GuestProbes,
  root: number | undefined,
): WalkGuestTree {
  const main = hardware ?? software;
  const complete = hardware !== undefined && hardware.fault?.table === undefined ? hardware : software;
  const levels = complete.levels.map((entry, index) =>
    describeGuestEntry(mmu, r, vcpuId, complete.mode, main.levels[index] ?? entry, hardware !== undefined, root),
  );
  const { fault } = main;
  return {
    mode: complete.mode,
    levels,
    gpa: complete.gpa,
    pageSize: complete.pageSize,
    rights: accRights(complete.rights),
    rule: fault === undefined ? undefined : { text: fault.reason, source: fault.source, level: fault.level },
    errorCode: fault?.errorCode,
  };
}

function describeGuestEntry(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  mode: WalkGuestTree['mode'],
  entry: ProbedGuestEntry,
  throughSecondLevel: boolean,
  root: number | undefined,
): WalkGuestEntry {
  const { level, gpa, value, leaf, rights, marks } = entry;
  const setting = {
    mode,
    maxPhyAddr: r[VCPU_MAXPHYADDR],
    nxe: (r[VCPU_EFER] & EFER_NXE) !== 0,
    pse: (r[VCPU_CR4] & CR4_PSE) !== 0,
  };
  const marked = [(marks & PTE_ACCESSED) !== 0 ? 'A' : '', (marks & PTE_DIRTY) !== 0 ? 'D' : ''];
  return {
    level,
    name: ENTRY_NAMES[level],
    gpa,
    value,
    leaf,
    rights: accRights(rights),
    fields: guestEntryFields(setting, level, leaf, value),
    marks: marked.filter((name) => name !== '').join(' '),
    stage:
      gpa === undefined || !throughSecondLevel
        ? undefined
        : describeStage(
            probeSecondLevelWalk(mmu.arena, vcpuId, gpa, 'read', false, marks === 0 ? 'table' : 'table-write', root),
          ),
  };
}

function describeStage(probe: SecondLevelProbe): WalkStage {
  const entries = probe.entries.map((entry) => ({ ...entry, rights: rightsText(probe, entry.rights) }));
  return { entries, hpa: probe.hpa, rule: ruleOf(probe) };
}

function describeHost(mmu: Mmu, address: bigint, probe: SecondLevelProbe, reload: boolean): WalkHostTree {
  return {
    kind: probe.kind,
    address,
    levels: probe.entries.map((entry) => describeSpte(mmu, probe, entry)),
    hpa: probe.hpa,
    pageSize: probe.pageSize,
    rule: ruleOf(probe),
    reload,
  };
}

function describeSpte(mmu: Mmu, probe: SecondLevelProbe, entry: ProbedSecondLevelEntry): WalkHostEntry {
  const { sptep, value } = entry;
  const decoded = explainSpteHere(mmu, value);
  return {
    ...entry,
    rights: rightsText(probe, entry.rights),
    kind: decoded.kind,
    fields: decoded.fields,
    notes: decoded.notes,
    page: shadowPageOf(mmu, sptep),
    mmio: mmioSpteOf(mmu, value, decoded),
  };
}

const rightsText = (probe: SecondLevelProbe, rights: number): string =>
  probe.kind === 'ept' ? eptRights(rights) : accRights(rights);

/** `wux`: ACC_WRITE 2, ACC_USER 4, ACC_EXEC 1. */
const accRights = (rights: number): string =>
  `${(rights & 2) !== 0 ? 'w' : '-'}${(rights & 4) !== 0 ? 'u' : '-'}${(rights & 1) !== 0 ? 'x' : '-'}`;

function ruleOf({ fault }: SecondLevelProbe): WalkRule | undefined {
  return fault === undefined ? undefined : { text: fault.reason, source: fault.source, level: fault.level };
}
