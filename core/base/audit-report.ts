/**
 * What the auditor may find: the rules by name, and a finding with all that belongs to it. A rule is a statement about a
 * machine that stands still with mmu_lock free; where it comes from is said in the file of core/kvm/audit that checks it.
 */
import type { EntryField } from './entry-field.ts';

export const AUDIT_RULES = {
  'free-list': 'the pool’s free list holds exactly the pages not in use',
  'active-list': 'active_mmu_pages holds exactly the pages in use, linked both ways',
  'hash-chain': 'every page in use is in the hash chain of its gfn, once, and nothing else is',
  'used-pages': 'n_used_mmu_pages is the number of pages on active_mmu_pages',
  'root-count': 'root_count is the number of vCPU roots that name the page',
  'pte-list': 'every pte_list descriptor is in one list or free',
  'leaf-in-rmap': 'a present leaf is exactly once in the rmap of its gfn and level',
  'rmap-entry': 'an rmap names present leaves of its gfn and level only',
  'link-in-parents': 'a non-leaf spte is exactly once in the parent_ptes of its child',
  'parent-entry': 'parent_ptes names sptes that point at the page only',
  'child-place': 'a child page maps what its parent’s entry stands for, one level down',
  mapping: 'a present leaf maps the frame that gfn_to_pfn gives',
  'no-memslot': 'a present leaf maps a gfn that is in a memslot',
  'read-only': 'no writable spte maps a read-only slot',
  'direct-access': 'a leaf below a large guest page grants nothing that the role of its page does not',
  'dirty-log': 'what is writable in a slot that logs dirty pages is marked dirty, and is 4 KiB',
  'guest-entry': 'a synced shadow page agrees with the guest’s table',
  'write-protection': 'no spte of a gfn with a synced shadow page is writable, or may be made so without mmu_lock',
  unsync: 'only level-1 indirect pages are unsync, and all their ancestors know',
  'unsync-children': 'unsync_children is the number of bits set in unsync_child_bitmap',
  'unsync-count': 'mmu_unsync counts the unsync pages',
  'unsync-after-sync': 'no unsync page is below a root that has just been synced',
  'lpage-info': 'write_count is the static part plus the shadowed guest tables of the chunk',
  'lpage-disallowed': 'no large spte maps a chunk that write_count closes to large pages',
  'indirect-shadow-pages': 'indirect_shadow_pages counts the valid indirect pages',
  'mmio-in-slot': 'no MMIO spte of the current generation covers a gfn in a live slot',
  'mmio-spte': 'an MMIO spte stands at level 1, at its own gfn, and in no rmap',
  'mmio-cached': 'a page with MMIO sptes has mmio_cached set in the eras that walk by it',
  'mmio-count': 'the counts of live and fresh MMIO sptes are what a full walk finds',
  'generation-repeats': 'no MMIO spte carries a generation that is still to come',
  tlb: 'no TLB translates to a frame, or writably to one, that no spte maps so, unless a flush is on its way',
  'mmio-cache': 'no vCPU’s MMIO cache answers for a gfn in a live slot',
} as const;

export type AuditRule = keyof typeof AUDIT_RULES;

/** A bug that an era has: what is found is its own behaviour and no fault of the model. */
export interface EraBug {
  readonly name: string;
  /** The commit that mended it, and the version it came with. */
  readonly fix: string;
}

/** One thing that is not as a rule says. */
export interface AuditFinding {
  readonly rule: AuditRule;
  /** One sentence with the figures. */
  readonly text: string;
  /** hpa of the entry, and its value, when the finding is about one. */
  readonly sptep: number | undefined;
  readonly value: bigint | undefined;
  /** The kvm_mmu_page that the entry stands in, or that the finding is about: index in the pool. */
  readonly page: number | undefined;
  readonly level: number | undefined;
  readonly role: number | undefined;
  /** The frame concerned. */
  readonly gfn: number | undefined;
  /** Set when the era's own behaviour explains it. */
  readonly eraBug: EraBug | undefined;
}

export interface AuditEvent {
  /** Instructions retired when it happened. */
  readonly insns: number;
  readonly vcpu: number;
  /** A tracepoint's name, or `mmio-log`. */
  readonly name: string;
  /** The tracepoint's number, and the words of its record; 0 for a record of the MMIO log. */
  readonly event: number;
  readonly args: readonly bigint[];
  readonly fields: readonly (readonly [name: string, value: bigint | string])[];
}

export interface AuditViolation extends AuditFinding {
  /** The entry as the era reads it; undefined when the finding is about no entry. */
  readonly decoded:
    | {
        readonly kind: 'mmio' | 'present' | 'nonpresent' | 'special';
        readonly fields: readonly EntryField[];
        readonly notes: readonly string[];
      }
    | undefined;
  /** What the rings still hold of it, oldest first. */
  readonly events: readonly AuditEvent[];
}

export interface AuditReport {
  readonly violations: readonly AuditViolation[];
  /** Findings that were cut off. */
  readonly omitted: number;
  /** How much was looked at. */
  readonly pages: number;
  readonly leaves: number;
  readonly links: number;
  readonly mmioSptes: number;
}
