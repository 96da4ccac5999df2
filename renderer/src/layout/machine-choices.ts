/** What a machine can be made with, in words. */
import type { Era, HostPages, MmuMode } from '../api/contract-words.ts';

export const MMU_CHOICES: readonly { readonly value: MmuMode; readonly title: string }[] = [
  { value: 'ept', title: 'Intel EPT' },
  { value: 'npt', title: 'AMD NPT' },
  { value: 'shadow', title: 'shadow paging' },
];

export const ERA_CHOICES: readonly { readonly value: Era; readonly title: string }[] = [
  { value: 'patch', title: 'patch (seed of the series)' },
  { value: 'v3.11', title: 'v3.11 (as released)' },
  { value: 'v3.10', title: 'v3.10 (walk and zap)' },
  { value: 'v3.17', title: 'v3.17 (odd while updating)' },
  { value: 'v6.8', title: 'v6.8 (flag while updating)' },
];

export const HOST_PAGE_CHOICES: readonly { readonly value: HostPages; readonly title: string }[] = [
  { value: '4k', title: '4 KiB' },
  { value: 'thp', title: 'transparent huge pages' },
  { value: '2m', title: '2 MiB (hugetlbfs)' },
  { value: '1g', title: '1 GiB (hugetlbfs)' },
];
