/**
 * Pages of the host that back guest memory. They decide how large a mapping KVM may make of a frame.
 * - `4k`: ordinary pages.
 * - `thp`: transparent huge pages; a mapping that would be 4 KiB is made 2 MiB (transparent_hugepage_adjust).
 * - `2m`: hugetlbfs with 2 MiB pages; the level of a mapping is known before its frame is (mapping_level).
 * - `1g`: hugetlbfs with 1 GiB pages, and 2 MiB pages where memory is no whole GiB.
 */
export const HOST_PAGES = ['4k', 'thp', '2m', '1g'] as const;
export type HostPages = (typeof HOST_PAGES)[number];
