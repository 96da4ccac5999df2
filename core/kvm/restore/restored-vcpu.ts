/** KVM's words in a vCPU's block as they came out of a file: the roots that the hardware starts from above all. */
import { MMU_PAGE_BYTES, SP_IN_USE } from '../../arena/mmu-layout.ts';
import { RestoredWords } from '../../arena/restored-words.ts';
import {
  OUTSIDE_GUEST_MODE,
  READING_SHADOW_PAGE_TABLES,
  VCPU_BYTES,
  VCPU_EPT_AD,
  VCPU_MAXPHYADDR,
  REQUEST_BUS_LOCK,
  VCPU_MODE,
  VCPU_REQUESTS,
  VCPU_ROOT_HPA,
  VCPU_ROOT_LEVELS,
  VCPU_ROOT_PAGE,
  VCPU_SECOND_LEVEL,
  VCPU_SKIP_MMIO_STOP,
} from '../../arena/vcpu-layout.ts';
import { checkRestoredCpu } from '../../x86/index.ts';
import { MMU_SHADOW, PT32_ROOT_LEVEL, PT32E_ROOT_LEVEL, PT64_ROOT_LEVEL, PT_PRESENT_MASK } from '../mmu/mmu.ts';
import {
  VCPU_IN_GUEST,
  VCPU_PAE_ROOT,
  VCPU_PENDING_EXCEPTION,
  VCPU_PENDING_INTERRUPT,
  VCPU_ROOT_VALID,
  VCPU_WRITE_FAULT_TO_SHADOW_PGTABLE,
} from '../mmu/mmu-words.ts';
import { NO_PAGE, pageHpa, pageOfHpa, pageRole } from '../mmu/shadow-page-pool.ts';
import { roleLevel } from '../mmu/shadow-page-role.ts';
import { KVM_REQ_MMU_RELOAD, KVM_REQ_MMU_SYNC, KVM_REQ_TLB_FLUSH, KVM_REQ_TRIPLE_FAULT } from '../vcpu/requests.ts';
import type { Vm } from '../vm.ts';

const REQUESTS =
  (1 << KVM_REQ_TLB_FLUSH) |
  (1 << KVM_REQ_MMU_RELOAD) |
  (1 << KVM_REQ_TRIPLE_FAULT) |
  (1 << KVM_REQ_MMU_SYNC) |
  REQUEST_BUS_LOCK;

/** @throws RestoreRefused */
export function checkRestoredVcpu(vm: Vm, id: number): void {
  const { arena, config, mmu } = vm;
  const words = new RestoredWords(arena, arena.layout.vcpus + id * VCPU_BYTES, `vCPU ${id}`);
  words.int(VCPU_SECOND_LEVEL * 4, mmu.mode, mmu.mode, 'its second level of translation');
  words.int(VCPU_MAXPHYADDR * 4, config.maxPhyAddr, config.maxPhyAddr, 'its MAXPHYADDR');
  const eptAd = config.eptAd === true ? 1 : 0;
  words.int(VCPU_EPT_AD * 4, eptAd, eptAd, 'its use of EPT’s accessed and dirty flags');
  const requests = arena.i32[(words.start >> 2) + VCPU_REQUESTS];
  words.require((requests & ~REQUESTS) === 0, 'it has requests that do not exist');
  words.int(VCPU_MODE * 4, OUTSIDE_GUEST_MODE, READING_SHADOW_PAGE_TABLES, 'its mode');
  words.int(VCPU_SKIP_MMIO_STOP * 4, 0, 1, 'its leave to pass an MMIO breakpoint');
  words.int(VCPU_IN_GUEST * 4, 0, 1, 'whether it is in the guest');
  words.int(VCPU_PENDING_INTERRUPT * 4, 0, 256, 'its interrupt to be delivered');
  words.int(VCPU_PENDING_EXCEPTION * 4, 0, 32, 'its exception to be delivered');
  words.int(VCPU_WRITE_FAULT_TO_SHADOW_PGTABLE * 4, 0, 1, 'write_fault_to_shadow_pgtable');
  checkRoots(words, vm, id);
  checkRestoredCpu(arena, id, mmu.mode === MMU_SHADOW);
}

/** One table of four levels, or four page directories below pae_root. */
function checkRoots(words: RestoredWords, { mmu }: Vm, id: number): void {
  if (words.int(VCPU_ROOT_VALID * 4, 0, 1, 'whether it has roots') === 0) {
    words.int(VCPU_ROOT_PAGE * 4, NO_PAGE, NO_PAGE, 'its root');
    return;
  }
  const levels = words.int(VCPU_ROOT_LEVELS * 4, PT32E_ROOT_LEVEL, PT64_ROOT_LEVEL, 'the levels of its root');
  const root = words.int(VCPU_ROOT_PAGE * 4, NO_PAGE, mmu.arena.layout.config.shadowPages - 1, 'its root');
  words.int(VCPU_ROOT_HPA * 4 + 4, 0, 0, 'the address of its root');
  if (levels === PT64_ROOT_LEVEL) {
    words.require(root !== NO_PAGE && isPageOfLevel(mmu, root, PT64_ROOT_LEVEL), 'its root is no page of level 4');
    words.int(VCPU_ROOT_HPA * 4, pageHpa(mmu, root), pageHpa(mmu, root), 'the address of its root');
    return;
  }
  words.require(mmu.mode === MMU_SHADOW, 'it has PAE roots');
  const paeRoot = mmu.arena.layout.vcpus + id * VCPU_BYTES + VCPU_PAE_ROOT * 4;
  words.int(VCPU_ROOT_HPA * 4, paeRoot, paeRoot, 'the address of its root');
  for (let n = 0; n < 4; n++) {
    const entry = mmu.i32[(paeRoot >> 2) + 2 * n];
    words.int((VCPU_PAE_ROOT + 2 * n + 1) * 4, 0, 0, 'a PAE root');
    const empty = entry === 0;
    const good =
      (entry & 0xfff) === PT_PRESENT_MASK && isPageOfLevel(mmu, pageOfHpa(mmu, entry & ~0xfff), PT32_ROOT_LEVEL);
    words.require(empty || good, 'a PAE root is no page of level 2');
  }
}

function isPageOfLevel(mmu: Vm['mmu'], page: number, level: number): boolean {
  const { layout } = mmu.arena;
  if (page < 0 || page >= layout.config.shadowPages) return false;
  const inUse = mmu.i32[(layout.mmuPages + page * MMU_PAGE_BYTES + SP_IN_USE) >> 2] === 1;
  return inUse && roleLevel(pageRole(mmu, page)) === level;
}
