/**
 * Synced indirect pages against the guest tables that they shadow: as long as a page is synced its table is write-protected,
 * so every entry that was made must still say what the guest's entry says (audit_mappings of mmu_audit.c looks at the frames
 * of synced pages; this looks at the guest's side of them).
 */
import { framesOf, type AuditPage, type AuditSpte, type AuditView } from './audit-view.ts';
import { gfnToPfn } from '../memslots/memslots.ts';
import { ROLE_CR0_WP, ROLE_CR4_PAE, ROLE_NXE, roleAccess } from '../mmu/shadow-page-role.ts';
import { PT_WRITABLE_MASK } from '../mmu/mmu.ts';
import { ACC_EXEC_MASK, ACC_USER_MASK, ACC_WRITE_MASK } from '../spte/access-bits.ts';
import { mmioSpteGfn } from '../spte/spte-mmio.ts';

const ROLE_QUADRANT_SHIFT = 5;
const PT_PRESENT = 1n;
const PT_WRITABLE = 2n;
const PT_USER = 4n;
const PT_ACCESSED = 0x20n;
const PT_DIRTY = 0x40n;
const PT_PAGE_SIZE = 0x80n;

interface GuestEntry {
  readonly value: bigint;
  /** First gfn that the shadow entry stands for. */
  readonly gfn: number;
  /** It maps memory, it does not point at a table. */
  readonly isLeaf: boolean;
}

export function auditGuestEntries(view: AuditView): void {
  const stands = (page: AuditPage): boolean => !page.direct && !page.unsync && !page.invalid;
  for (const leaf of view.leaves) {
    if (!stands(leaf.page)) continue;
    auditTarget(view, leaf, leaf.gfn, true);
    auditRights(view, leaf);
  }
  for (const spte of view.mmioSptes) {
    if (stands(spte.page)) auditTarget(view, spte, mmioSpteGfn(view.mmu.mmio, spte.lo, spte.hi), true);
  }
  for (const link of view.links) {
    const child = view.pageAt(link.lo & ~0xfff);
    if (child === undefined || !stands(link.page)) continue;
    auditTarget(view, link, child.gfn, child.direct);
    auditChildAccess(view, link, child);
  }
}

/**
 * The access of a page's role is what the entries above it allow, so it is no more than the one that links it does. Under
 * CR0.WP = 0 a large guest page may have been made writable for the supervisor, and lost its users.
 */
function auditChildAccess(view: AuditView, link: AuditSpte, child: AuditPage): void {
  const guest = guestEntry(view, link.page, link.index);
  if (guest === undefined || (guest.value & PT_PRESENT) === 0n) return;
  const access = roleAccess(child.role);
  const noExecute = guest.value >> 63n !== 0n && (link.page.role & ROLE_NXE) !== 0;
  // What stands for a large guest page has that page's D to look at (protect_clean_gpte), a table has none.
  const isClean = child.direct && (guest.value & PT_DIRTY) === 0n;
  const granted = Number(guest.value & 0x7n) & (isClean ? ACC_USER_MASK : ACC_WRITE_MASK | ACC_USER_MASK);
  const allowed = granted | (noExecute ? 0 : ACC_EXEC_MASK);
  const isSupervisors = child.direct && (child.role & ROLE_CR0_WP) === 0 && (access & ACC_USER_MASK) === 0;
  if ((access & ~allowed & ~(isSupervisors ? ACC_WRITE_MASK : 0)) === 0) return;
  const text = `the guest’s entry 0x${guest.value.toString(16)} gives access ${allowed}, the role of the page below it has ${access}`;
  view.reportSpte('guest-entry', { ...link, gfn: child.gfn }, text);
}

function auditTarget(view: AuditView, spte: AuditSpte, gfn: number, isMapping: boolean): void {
  const guest = guestEntry(view, spte.page, spte.index);
  if (guest === undefined) return;
  const value = `0x${guest.value.toString(16)}`;
  if ((guest.value & PT_PRESENT) === 0n) {
    view.reportSpte('guest-entry', { ...spte, gfn }, `the guest’s entry ${value} is not present, the shadow’s is`);
  } else if (guest.gfn !== gfn || guest.isLeaf !== isMapping) {
    const text = `the guest’s entry ${value} ${guest.isLeaf ? 'maps' : 'points at'} gfn 0x${guest.gfn.toString(16)}, the shadow’s ${isMapping ? 'maps' : 'shadows'} 0x${gfn.toString(16)}`;
    view.reportSpte('guest-entry', { ...spte, gfn }, text);
  } else if ((guest.value & PT_ACCESSED) === 0n) {
    // walk_addr sets A on its way, prefetch_invalid_gpte and sync_page pass over what has none.
    const text = `the guest’s entry ${value} was never accessed, the shadow’s is present`;
    view.reportSpte('guest-entry', { ...spte, gfn }, text);
  }
}

/** What a leaf allows that the guest's entry does not, in the words of a finding; undefined when there is nothing. */
function excessRight(view: AuditView, leaf: AuditSpte, guest: bigint): string | undefined {
  const { mmu } = view;
  const { lo, hi, page } = leaf;
  const isUsers = (lo & mmu.userMask) !== 0;
  if (isUsers && (guest & PT_USER) === 0n) return 'forbids the user’s access';
  const noExecute = guest >> 63n !== 0n && (page.role & ROLE_NXE) !== 0;
  if (noExecute && (hi & mmu.nxMaskHi) === 0) return 'forbids fetches';
  if ((lo & PT_WRITABLE_MASK) === 0) return undefined;
  // Under CR0.WP = 0 the supervisor's write makes a spte writable all the same, and takes it from the users (walk_addr).
  const isSupervisors = (page.role & ROLE_CR0_WP) === 0 && !isUsers;
  if ((guest & PT_WRITABLE) === 0n && !isSupervisors) return 'forbids writes';
  // protect_clean_gpte: the first write has to come to KVM, which sets D.
  return (guest & PT_DIRTY) === 0n ? 'is not dirty, so that a write has to set D' : undefined;
}

function auditRights(view: AuditView, leaf: AuditSpte): void {
  const guest = guestEntry(view, leaf.page, leaf.index);
  if (guest === undefined || (guest.value & PT_PRESENT) === 0n) return;
  const excess = excessRight(view, leaf, guest.value);
  if (excess === undefined) return;
  const text = `the guest’s entry 0x${guest.value.toString(16)} ${excess}, the shadow’s allows it`;
  view.reportSpte('guest-entry', leaf, text);
}

/** The guest entry that entry `index` of an indirect page shadows; undefined where the table is in no memory. */
function guestEntry(view: AuditView, page: AuditPage, index: number): GuestEntry | undefined {
  const { arena } = view.mmu;
  const pfn = gfnToPfn(arena, page.gfn, false);
  if (pfn < 0) return undefined;
  if ((page.role & ROLE_CR4_PAE) !== 0) {
    const value = arena.u64[(pfn * 4096 + index * 8) >> 3];
    const isLeaf = page.level === 1 || (page.level <= 3 && (value & PT_PAGE_SIZE) !== 0n);
    const frame = Number((value & 0x000f_ffff_ffff_f000n) >> 12n);
    const frames = framesOf(page.level);
    return { value, isLeaf, gfn: isLeaf ? frame - (frame % frames) : frame };
  }
  // 4-byte entries: a table of 1024 has two pages of level 1, or four of level 2 with two entries for each of the guest's.
  const quadrant = (page.role >>> ROLE_QUADRANT_SHIFT) & 3;
  const level1 = page.level === 1;
  const at = level1 ? quadrant * 512 + index : quadrant * 256 + (index >> 1);
  const value = BigInt(arena.u32[(pfn * 4096 + at * 4) >> 2]);
  const frame = Number(value >> 12n);
  const isLarge = !level1 && (value & PT_PAGE_SIZE) !== 0n;
  if (!isLarge) return { value, isLeaf: level1, gfn: frame };
  // PSE-36 puts address bits 32–39 at bits 13–20 (SDM vol 3A, "32-Bit Paging").
  const high = Number((value >> 13n) & 0xffn) * 0x10_0000;
  return { value, isLeaf: true, gfn: high + (frame & ~0x3ff) + (index & 1) * 512 };
}
