/* Page tables that map every gva to the same gpa: 4 GiB with large pages, in long mode 16 GiB. */
#ifndef PAGING_H
#define PAGING_H
#include "guest.h"

enum {
  PTE_PRESENT = 1 << 0,
  PTE_WRITABLE = 1 << 1,
  PTE_USER = 1 << 2,
  PTE_ACCESSED = 1 << 5,
  PTE_DIRTY = 1 << 6,
  PTE_LARGE = 1 << 7
};
#define PTE_NX (1ull << 63)

enum { LONG_MODE_GIB = 16 };

extern u32 paging_root;
void prepare_paging(enum mode mode);
#endif
