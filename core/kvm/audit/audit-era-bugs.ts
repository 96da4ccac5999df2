/** Bugs by which an era breaks a rule of the auditor itself: what is found is the era's own behaviour. */
import type { EraBug } from '../../base/audit-report.ts';
import type { Era } from '../../base/machine-modes.ts';

/** Eras before 3.17. */
const BEFORE_3_17: readonly Era[] = ['patch', 'v3.11', 'v3.10'];

/** A vCPU that still held the old slots could write an spte with the new generation. 3.10 has no generation, and walks after the install. */
export const corruptMmioCache = (era: Era): EraBug | undefined =>
  era !== 'v3.10' && BEFORE_3_17.includes(era)
    ? { name: 'potentially corrupt mmio cache', fix: 'ee3d1570b586 (3.17)' }
    : undefined;

/** The vCPU's cache had no generation and outlived memslot changes. */
export const staleMmioCache = (era: Era): EraBug | undefined =>
  BEFORE_3_17.includes(era) ? { name: 'stale mmio cache', fix: '56f17dd3fbc4 (3.17)' } : undefined;

/** MOVE did not make rmap and lpage_info anew for the slot's new alignment. */
export const staleLpageInfo = (era: Era): EraBug | undefined =>
  era !== 'v6.8' ? { name: 'lpage_info kept by MOVE', fix: 'edd4fa37baa6 (5.7)' } : undefined;
