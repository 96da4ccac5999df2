#include "paging.h"

#ifndef __x86_64__
#define PAGE_ALIGNED __attribute__((aligned(4096)))

u32 paging_root;

static u32 legacy_directory[1024] PAGE_ALIGNED;
static u64 pointer_table[512] PAGE_ALIGNED;
static u64 top_table[512] PAGE_ALIGNED;
static u64 directories[LONG_MODE_GIB][512] PAGE_ALIGNED;

/* Upper levels allow everything: what a page allows is said in its own entry. */
static const u32 LINK = PTE_PRESENT | PTE_WRITABLE | PTE_USER;
static const u32 LEAF = PTE_PRESENT | PTE_WRITABLE | PTE_LARGE;

static void fill_directories(u32 gibibytes) {
  for (u32 gib = 0; gib < gibibytes; gib++)
    for (u32 i = 0; i < 512; i++) directories[gib][i] = ((u64)gib << 30) + ((u64)i << 21) + LEAF;
}

static void turn_on(u32 cr4_bits) {
  u32 value;
  paging_root = (u32)(uptr)(cr4_bits & 0x20 ? (void *)pointer_table : (void *)legacy_directory);
  __asm__ volatile("movl %%cr4, %0" : "=r"(value));
  __asm__ volatile("movl %0, %%cr4" : : "r"(value | cr4_bits));
  __asm__ volatile("movl %0, %%cr3" : : "r"(paging_root) : "memory");
  __asm__ volatile("movl %%cr0, %0" : "=r"(value));
  __asm__ volatile("movl %0, %%cr0" : : "r"(value | 0x80000000u) : "memory");
}

void prepare_paging(enum mode mode) {
  switch (mode) {
  case MODE_FLAT:
    return;
  case MODE_32:
    for (u32 i = 0; i < 1024; i++) legacy_directory[i] = (i << 22) | LEAF;
    turn_on(0x10); /* PSE */
    return;
  case MODE_PAE:
    fill_directories(4);
    for (u32 i = 0; i < 4; i++) pointer_table[i] = (u32)(uptr)directories[i] | PTE_PRESENT;
    turn_on(0x20);
    return;
  case MODE_LONG:
    fill_directories(LONG_MODE_GIB);
    for (u32 i = 0; i < LONG_MODE_GIB; i++) pointer_table[i] = (u32)(uptr)directories[i] | LINK;
    top_table[0] = (u32)(uptr)pointer_table | LINK;
    paging_root = (u32)(uptr)top_table;
    return;
  }
}
#endif
