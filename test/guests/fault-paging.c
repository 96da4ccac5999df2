#include "faults.h"

/* Far from the identity map in long mode, so that its top-level entry can be taken away; else 2 GiB. */
#ifdef __x86_64__
static const uptr TEST = 1ul << 39;
#else
static const uptr TEST = 0x80000000u;
#endif
static const uptr ALIASES = 0xc0000000u;

enum { PAGE = 4096, LINK = PTE_PRESENT | PTE_WRITABLE | PTE_USER };
static const u64 ADDRESS_MASK = 0x000ffffffffff000ull;

#define PAGE_ALIGNED __attribute__((aligned(4096)))
static u64 test_table[512] PAGE_ALIGNED;
static u64 alias_table[512] PAGE_ALIGNED;
#ifdef __x86_64__
static u64 test_directory[512] PAGE_ALIGNED;
static u64 test_pointers[512] PAGE_ALIGNED;
#endif
static u8 test_page[PAGE] PAGE_ALIGNED;
static u8 user_stack[PAGE] PAGE_ALIGNED;

/* Entry by level, and what it holds at rest. */
static void *entries[5];
static u64 at_rest[5];
static int top_level;

static uptr root(void) {
  uptr value;
  __asm__ volatile("mov %%cr3, %0" : "=r"(value));
  return value & ~(uptr)(PAGE - 1);
}

static void flush(void) { __asm__ volatile("mov %0, %%cr3" : : "r"(root()) : "memory"); }

static int has_wide_entries(void) { return current_mode() != MODE_32; }

static void put(void *entry, u64 value) {
  if (has_wide_entries()) *(volatile u64 *)entry = value;
  else *(volatile u32 *)entry = (u32)value;
}

static void *slot(void *table, u32 index) { return (u8 *)table + index * (has_wide_entries() ? 8 : 4); }

static void *table_behind(void *table, u32 index) {
  u64 entry = has_wide_entries() ? *(u64 *)slot(table, index) : *(u32 *)slot(table, index);
  return (void *)(uptr)(entry & ADDRESS_MASK);
}

static void keep(int level, void *entry, u64 value) {
  entries[level] = entry;
  at_rest[level] = value;
  top_level = level;
}

void open_test_window(void) {
  extern u8 user_code[];
  void *top = (void *)root();
  u64 page = (uptr)test_page, table = (uptr)test_table;
  keep(1, test_table, page | LINK);
#ifdef __x86_64__
  keep(2, test_directory, table | LINK);
  keep(3, test_pointers, (uptr)test_directory | LINK);
  keep(4, slot(top, 1), (uptr)test_pointers | LINK);
  put(table_behind(table_behind(top, 0), 3), (uptr)alias_table | LINK);
#else
  if (current_mode() == MODE_PAE) {
    void *directory = table_behind(top, 2);
    keep(2, directory, table | LINK);
    keep(3, slot(top, 2), (uptr)directory | PTE_PRESENT);
    put(table_behind(top, 3), (uptr)alias_table | LINK);
  } else {
    keep(2, slot(top, 0x200), table | LINK);
    put(slot(top, 0x300), (uptr)alias_table | LINK);
  }
#endif
  put(slot(alias_table, 0), (uptr)user_code | PTE_PRESENT | PTE_USER);
  put(slot(alias_table, 1), (uptr)user_stack | LINK);
  restore_window();
}

void restore_window(void) {
  for (int level = 1; level <= top_level; level++) put(entries[level], at_rest[level]);
  for (int i = 0; i < PAGE; i++) *(volatile u8 *)&test_page[i] = 0xc3;
  flush();
}

uptr test_address(void) { return TEST; }
int levels(void) { return top_level; }

u64 read_entry(int level) {
  return has_wide_entries() ? *(volatile u64 *)entries[level] : *(volatile u32 *)entries[level];
}

void write_entry_only(int level, u64 value) { put(entries[level], value); }

void write_entry(int level, u64 value) {
  write_entry_only(level, value);
  flush();
}

/* Called by the assembler files on the way to user mode. */
uptr user_code_address(uptr label) { return ALIASES + (label & (PAGE - 1)); }
uptr user_stack_top(void) { return ALIASES + 2 * PAGE; }

static u32 physical_address_bits(void) {
  u32 a, b, c, d;
  __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x80000000));
  if (a < 0x80000008) return 36;
  __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x80000008));
  return a & 0xff;
}

u64 reserved_bit(int level, int large) {
  if (large) return current_mode() == MODE_32 ? 1 << 21 : 1 << 13;
  if (current_mode() == MODE_32) return 0;
  u32 bits = physical_address_bits();
  if (bits < 52) return 1ull << bits;
  /* All 52 address bits exist: PAE entries still have bits 52–62, long mode's are free for software. */
  return current_mode() == MODE_PAE && level < 3 ? 1ull << 52 : 0;
}
