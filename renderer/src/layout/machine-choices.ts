/** What a machine can be made with, in words. */
import type { Era, MmuMode } from '../api/contract-words.ts';

export const MMU_CHOICES: readonly { readonly value: MmuMode; readonly title: string }[] = [
  { value: 'ept', title: 'Intel EPT' },
  { value: 'npt', title: 'AMD NPT' },
  { value: 'shadow', title: 'shadow paging' },
];

export const ERA_CHOICES: readonly { readonly value: Era; readonly title: string }[] = [
  { value: 'patch', title: 'patch — generation in the spte' },
  { value: 'v3.11', title: 'v3.11 — as released, bias −150' },
  { value: 'v3.10', title: 'v3.10 — no generation, walk and zap' },
];
