/**
 * KVM's side of an arena that came out of a file. Each structure is checked before anything follows it: first the words and
 * indexes, then, by the auditor's rules, what the structures say of each other. Rules that a guest, a debugger or the era
 * itself may break without harm to the model (a guest table edited behind KVM's back, a bug of v3.11) are not asked.
 */
import type { Arena } from '../../arena/arena.ts';
import {
  VM_COUNTERS_AT,
  VM_ERA,
  VM_MAXPHYADDR,
  VM_MMU_LOCK,
  VM_MMU_MODE,
  VM_MMU_VALID_GEN,
  VM_N_MAX_MMU_PAGES,
  VM_N_REQUESTED_MMU_PAGES,
  VM_N_USED_MMU_PAGES,
  VM_SHADOW_MMIO_MASK,
  VM_TLBS_DIRTY,
} from '../../arena/mmu-layout.ts';
import { RestoredWords } from '../../arena/restored-words.ts';
import { VM_COUNTERS } from '../../base/counters.ts';
import { refuseUnless } from '../../base/restore-refused.ts';
import { auditMmu, type AuditRule } from '../audit/audit.ts';
import {
  VM_EPT_AD,
  VM_HOST_PAGES,
  VM_INVALID_LIST,
  VM_L1TF_CACHE_BITS,
  VM_MEMSLOTS_IN_CALL,
  VM_MMIO_WATCH,
  VM_MMU_LOCK_WAITERS,
  VM_PTE_LIST_USED,
  VM_THREADED,
  VM_ZAPPED_OBSOLETE,
  WATCH_RESYNCED,
} from '../mmu/mmu-words.ts';
import type { Vm } from '../vm.ts';
import { checkRestoredMemslots } from './restored-memslots.ts';
import { checkRestoredPages } from './restored-pages.ts';
import { checkRestoredRings } from './restored-rings.ts';
import { checkRestoredVcpu } from './restored-vcpu.ts';

/** Rules that lists, indexes and counts rest on. Without them KVM's code would follow a link into nowhere. */
const STRUCTURAL: ReadonlySet<AuditRule> = new Set<AuditRule>([
  'free-list',
  'active-list',
  'hash-chain',
  'used-pages',
  'root-count',
  'pte-list',
  'leaf-in-rmap',
  'rmap-entry',
  'link-in-parents',
  'parent-entry',
  'child-place',
  'no-memslot',
  'unsync-children',
  'unsync-count',
  'lpage-info',
  'indirect-shadow-pages',
  'mmio-count',
]);

/** Words that say what machine this is: as the machine that is restored into was made. */
const IDENTITY = [
  VM_MMU_MODE,
  VM_ERA,
  VM_MAXPHYADDR,
  VM_HOST_PAGES,
  VM_EPT_AD,
  VM_L1TF_CACHE_BITS,
  VM_SHADOW_MMIO_MASK,
  VM_SHADOW_MMIO_MASK + 4,
];

/** What a VM was made as, to be read before its arena is overwritten. */
export const vmIdentity = ({ i32, layout }: Arena): readonly number[] =>
  IDENTITY.map((word) => i32[(layout.vm + word) >> 2]);

/**
 * @param identity of the machine before its arena was overwritten
 * @throws RestoreRefused
 */
export function checkRestoredVm(vm: Vm, identity: readonly number[]): void {
  const { arena, mmu } = vm;
  const { shadowPages } = arena.layout.config;
  const words = new RestoredWords(arena, arena.layout.vm, 'the VM');
  const same = vmIdentity(arena).every((word, n) => word === identity[n]);
  words.require(same, 'the arena is that of a machine with other options');
  words.int(VM_THREADED, 0, 1, 'the mark of vCPUs on threads');
  // Whoever stands still stands the same way on a thread of its own and waiting for its turn.
  arena.i32[(arena.layout.vm + VM_THREADED) >> 2] = vm.config.threaded === true ? 1 : 0;
  words.int(VM_MMU_LOCK, 0, 0, 'mmu_lock');
  words.int(VM_MMU_LOCK_WAITERS, 0, 0, 'the waiters for mmu_lock');
  words.int(VM_MEMSLOTS_IN_CALL, 0, 0, 'the memslot call in progress');
  words.int(VM_INVALID_LIST, 0, 0, 'the list of zapped pages');
  words.int(VM_ZAPPED_OBSOLETE, 0, 0, 'the list of zapped obsolete pages');
  words.int(VM_MMIO_WATCH, 0, WATCH_RESYNCED, 'the watch on MMIO');
  words.int(VM_N_USED_MMU_PAGES, 0, shadowPages, 'n_used_mmu_pages');
  words.int(VM_N_MAX_MMU_PAGES, 0, shadowPages, 'n_max_mmu_pages');
  words.int(VM_N_REQUESTED_MMU_PAGES, 0, shadowPages, 'n_requested_mmu_pages');
  words.int(VM_MMU_VALID_GEN, 0, 2 ** 31 - 2, 'mmu_valid_gen');
  words.int(VM_TLBS_DIRTY, 0, 2 ** 31 - 1, 'tlbs_dirty');
  words.int(VM_PTE_LIST_USED, 0, arena.layout.pteListDescCount, 'the pte_list descriptors in use');
  words.wholes(VM_COUNTERS_AT, VM_COUNTERS.length, -(2 ** 53), 2 ** 53, 'counter');
  checkRestoredMemslots(arena, vm.limits);
  checkRestoredPages(mmu);
  for (const { id } of vm.vcpus) checkRestoredVcpu(vm, id);
  checkRestoredRings(arena);
  checkStructure(vm);
}

function checkStructure({ mmu }: Vm): void {
  const { violations } = auditMmu(mmu, { limit: 1000, events: 0 });
  const broken = violations.find(({ rule, eraBug }) => STRUCTURAL.has(rule) && eraBug === undefined);
  refuseUnless(broken === undefined, `KVM’s structures contradict each other: ${broken?.text ?? ''}.`);
}
