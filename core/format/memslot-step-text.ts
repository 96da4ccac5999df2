/** The steps of a memslot update in words, era by era (docs/race-lab.md has the same as a table). */
import type { Era } from '../base/machine-modes.ts';

export interface StepText {
  /** Two or three words. */
  readonly label: string;
  /** A sentence without a full stop: what has happened when the step is done. */
  readonly meaning: string;
}

const isOld = (era: Era): boolean => era === 'v3.10' || era === 'patch' || era === 'v3.11';

function published(era: Era): string {
  if (era === 'v3.17') return 'under an odd generation, which no MMIO spte carries';
  if (era === 'v6.8') return 'under the old generation, with the flag that says an update is in flight';
  return 'and the next generation with it';
}

function settled(era: Era): string {
  if (era === 'v3.17') return 'the generation is even again: sptes made from now on are fresh';
  if (era === 'v6.8') return 'the flag is gone, and the generation has moved by two, one for each address space';
  return 'nothing more to do: in this era the generation moved when the table was published';
}

function wrapChecked(era: Era): string {
  const look = 'kvm_mmu_invalidate_mmio_sptes has looked whether the generation went round';
  if (era === 'v3.10') return 'nothing to do: this era keeps no generation in its sptes';
  if (era === 'v3.17') return `${look}, after it was published`;
  if (era === 'v6.8') return `${look}, before anybody can make an spte of it`;
  return `${look}, as the last part of the commit`;
}

const COMMITS: Readonly<Partial<Record<Era, string>>> = {
  'v3.10': 'the page quota is set, dirty logs are write-protected, and MMIO sptes are walked and zapped',
};

export function memslotStepText(era: Era, step: string): StepText {
  const ofInvalid = step.startsWith('invalid-');
  switch (step.replace(/^invalid-/, '')) {
    case 'installed':
      return ofInvalid
        ? { label: 'INVALID installed', meaning: `a copy of the slot marked INVALID is published ${published(era)}` }
        : { label: 'new slots installed', meaning: `the new table is published ${published(era)}` };
    case 'settled':
      return { label: isOld(era) ? 'generation had moved' : 'generation settled', meaning: settled(era) };
    case 'drained':
      return {
        label: 'readers drained',
        meaning: 'synchronize_srcu_expedited: no reader of the old table is left',
      };
    case 'wrap-checked':
      return { label: 'wrap checked', meaning: wrapChecked(era) };
    case 'flushed':
      return {
        label: 'pages zapped',
        meaning: 'kvm_arch_flush_shadow_memslot: all shadow pages are zapped or obsolete',
      };
    case 'committed':
      return {
        label: 'committed',
        meaning: `kvm_arch_commit_memory_region: ${COMMITS[era] ?? 'the page quota is set, dirty logs are write-protected'}`,
      };
    case 'freed':
      return { label: 'old slot freed', meaning: 'what only the old slot used is given back' };
    default:
      return { label: step, meaning: '' };
  }
}
