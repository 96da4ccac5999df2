/**
 * Watched pages in the TLB, as QEMU's TLB_WATCHPOINT has them: the entry stays, so that the guest sees the very translations
 * that it would see unwatched, but its tags are those that only the slow path takes for a hit (docs/adr/0010).
 */
import type { Cpu } from '../cpu.ts';
import { isCodePage } from '../memory/system-code-pages.ts';
import { fastTag, hideFromFastPath, T_FLAGS, T_HIGH, T_PAGE, T_READ, T_WRITE, TLB_WATCHED } from './tlb.ts';
import { TLB_AT, TLB_END, TLB_ENTRY_WORDS } from './tlb-layout.ts';

/** To be called when what is watched has changed: entries are hidden or shown again. */
export function watchesChanged(cpu: Cpu): void {
  const { r, watch } = cpu;
  for (let t = TLB_AT; t < TLB_END; t += TLB_ENTRY_WORDS) {
    if ((r[t + T_FLAGS] & TLB_WATCHED) !== 0) {
      if (r[t + T_READ] !== 0) r[t + T_READ] = fastTag(r[t + T_READ]);
      if (r[t + T_WRITE] !== 0 && !isCodePage(cpu, r[t + T_PAGE] >>> 12)) r[t + T_WRITE] = fastTag(r[t + T_WRITE]);
      r[t + T_FLAGS] &= ~TLB_WATCHED;
    }
    const tag = r[t + T_READ] | r[t + T_WRITE];
    if (tag === 0 || watch === undefined || !watch.memory) continue;
    if (watch.watchesPage(tag & ~0xfff, r[t + T_HIGH], r[t + T_PAGE])) hideFromFastPath(r, t);
  }
}
