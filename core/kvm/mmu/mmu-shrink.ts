/**
 * mmu_shrink (arch/x86/kvm/mmu.c of v3.11): the host is short of memory and asks for shadow pages back. The kernel asks one
 * VM at a time, and each gives little: what it has zapped and not freed yet, or else its oldest page.
 */
import { VM_ZAPPED_OBSOLETE } from './mmu-words.ts';
import { mmuLock, mmuUnlock, type Mmu } from './mmu.ts';
import { commitZapPage, INVALID_LIST, prepareZapOldest } from './shadow-page-zap.ts';

/** @returns shadow pages that went back to the pool */
export function mmuShrink(mmu: Mmu): number {
  const { i32 } = mmu;
  const zappedObsolete = (mmu.vm + VM_ZAPPED_OBSOLETE) >> 2;
  // Looked at without the lock, as the kernel does: a VM that only begins to use its MMU is not worth it.
  if (i32[mmu.usedPages] === 0 && i32[zappedObsolete] === 0) return 0;
  mmuLock(mmu);
  let freed = 0;
  if (i32[zappedObsolete] !== 0) {
    freed = commitZapPage(mmu, VM_ZAPPED_OBSOLETE);
  } else {
    prepareZapOldest(mmu);
    freed = commitZapPage(mmu, INVALID_LIST);
  }
  mmuUnlock(mmu);
  return freed;
}
