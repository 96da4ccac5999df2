/*
 * Provokes every kind of page fault and holds the error codes and CR2 against what the SDM says.
 * Arguments: mode=long (default), pae, 32; verbose=1 prints the lines of all cases, otherwise one of each error code.
 */
#include "faults.h"

enum { CR0_WP = 1 << 16, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21, EFER = 0xc0000080, EFER_NXE = 1 << 11, EFLAGS_AC = 1 << 18 };

static struct gate gates[GATES] __attribute__((aligned(4096)));
static u8 fault_stack[4096] __attribute__((aligned(16)));
static u32 tss[26];
static u32 cases_run, cases_failed, codes_shown;

static void load_task_state(void) {
  extern u64 boot_gdt_tss[2];
  uptr stack = (uptr)(fault_stack + sizeof fault_stack), base = (uptr)tss;
#ifdef __x86_64__
  tss[1] = (u32)stack;
  tss[2] = (u32)(stack >> 32);
  boot_gdt_tss[1] = base >> 32;
#else
  tss[1] = stack;
  tss[2] = 0x10;
#endif
  tss[25] = sizeof tss << 16;
  boot_gdt_tss[0] = (sizeof tss - 1) | (u64)(base & 0xffffff) << 16 | 0x89ull << 40 | (u64)(base >> 24 & 0xff) << 56;
  __asm__ volatile("ltr %w0" : : "r"(0x38));
}

static void load_handlers(void) {
  for (int vector = 0; vector < GATES; vector++) set_gate(&gates[vector], unexpected_entry, GATE_INTERRUPT);
  set_gate(&gates[14], page_fault_entry, GATE_INTERRUPT);
  set_gate(&gates[3], return_entry, GATE_INTERRUPT | GATE_USER);
  load_gates(gates);
}

static u32 cpuid(u32 leaf, int which) {
  u32 a, b, c, d;
  __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(leaf), "c"(0));
  return which == 0 ? a : which == 1 ? b : which == 2 ? c : d;
}

u32 supported_features(void) {
  u32 features = WP;
  if (cpuid(0, 0) >= 7) {
    u32 structured = cpuid(7, 1);
    if (structured & (1 << 7)) features |= SMEP;
    if (structured & (1 << 20)) features |= SMAP;
  }
  if (cpuid(0x80000000, 0) >= 0x80000001 && (cpuid(0x80000001, 3) & (1 << 20))) features |= NX;
  return features;
}

void use_features(u32 features) {
  uptr cr0, cr4;
  u32 low, high, supported = supported_features();
  __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
  __asm__ volatile("mov %0, %%cr0" : : "r"((cr0 & ~(uptr)CR0_WP) | (features & WP ? CR0_WP : 0)));
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  cr4 &= ~(uptr)(CR4_SMEP | CR4_SMAP);
  cr4 |= (features & SMEP ? CR4_SMEP : 0) | (features & SMAP ? CR4_SMAP : 0);
  __asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
  if (!(supported & NX)) return;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(EFER));
  low = (low & ~(u32)EFER_NXE) | (features & NX ? EFER_NXE : 0);
  __asm__ volatile("wrmsr" : : "a"(low), "d"(high), "c"(EFER) : "memory");
}

int attempt(enum access access, enum privilege privilege, uptr address, int with_ac) {
  uptr ended = attempt_access(access, privilege, address, 2 | (with_ac ? EFLAGS_AC : 0));
  if (ended == ENDED_BY_ITSELF) return NO_FAULT;
  if (ended != ENDED_BY_PAGE_FAULT) return OTHER_EXCEPTION;
  check("CR2 is the address", fault_address == address);
  return (int)fault_error;
}

static void put_result(int code) {
  if (code == NO_FAULT) put_text("no fault");
  else if (code == OTHER_EXCEPTION) put_text("another exception");
  else put_text("#PF "), put_hex((u32)code);
}

/* The first of each error code is shown, and whatever is wrong. */
static int is_new(int code) {
  u32 bit = code < 0 ? 0x80000000u : 1u << code;
  if (code < -1 || code > 30 || (codes_shown & bit)) return 0;
  codes_shown |= bit;
  return 1;
}

void expect(const char *what, int level, enum access access, enum privilege privilege, int got, int expected) {
  static const char *const accesses[] = {"read", "write", "fetch", "read-modify-write", "push"};
  int fails = got != expected, shown = is_new(got) || fails || has_argument("verbose");
  cases_run++;
  cases_failed += fails;
  if (!shown) return;
  put_text("faults: ");
  put_text(what);
  put_text(", level ");
  put_number((u64)level);
  put_text(privilege == USER ? ", user " : ", supervisor ");
  put_text(accesses[access]);
  put_text(": ");
  put_result(got);
  if (fails) put_text(", WRONG, expected "), put_result(expected);
  put_character('\n');
}

void check(const char *what, int holds) {
  cases_run++;
  if (holds) return;
  cases_failed++;
  put_text("faults: WRONG: ");
  put_line(what);
}

static int rights_used(int level) { return (int)read_entry(level) & (PTE_ACCESSED | PTE_DIRTY); }

/* What accesses that succeed leave in the entries. */
static void check_accessed_and_dirty(void) {
  restore_window();
  attempt(READ, USER, test_address(), 0);
  check("a read sets A and not D", rights_used(1) == PTE_ACCESSED);
  int upper_has_rights = current_mode() != MODE_PAE;
  for (int level = 2; level <= levels(); level++)
    if (level < 3 || upper_has_rights) check("a read sets A in every level", read_entry(level) & PTE_ACCESSED);
  attempt(WRITE, USER, test_address(), 0);
  check("a write sets D in the page's entry", rights_used(1) == (PTE_ACCESSED | PTE_DIRTY));
  restore_window();
  write_entry(1, read_entry(1) & ~(u64)PTE_WRITABLE);
  attempt(WRITE, USER, test_address(), 0);
  check("a refused write sets no D", !(rights_used(1) & PTE_DIRTY));
}

/* An access over the end of the page faults at the first byte of the absent one. */
static void check_page_crossing(void) {
  restore_window();
  uptr edge = test_address() + 4096;
  uptr ended = attempt_access(READ, SUPERVISOR, edge - 2, 2);
  check("a read across pages faults", ended == ENDED_BY_PAGE_FAULT && fault_error == 0);
  check("CR2 is the second page's first byte", fault_address == edge);
  ended = attempt_access(WRITE, USER, edge - 3, 2);
  check("a write across pages faults", ended == ENDED_BY_PAGE_FAULT && fault_error == (PF_W | PF_U));
  check("CR2 is the second page's first byte", fault_address == edge);
  check("nothing of the refused write is done", read32(test_address() + 4092) == 0xc3c3c3c3);
}

/* Absent entries are in no TLB: making one present needs no flush. INVLPG drops what was made absent. */
static void check_translations(void) {
  restore_window();
  u64 entry = read_entry(1);
  check("a present page is there", attempt(READ, SUPERVISOR, test_address(), 0) == NO_FAULT);
  write_entry_only(1, 0);
  __asm__ volatile("invlpg (%0)" : : "r"(test_address()) : "memory");
  check("an absent page faults after INVLPG", attempt(READ, SUPERVISOR, test_address(), 0) == 0);
  write_entry_only(1, entry);
  check("a page made present needs no flush", attempt(READ, SUPERVISOR, test_address(), 0) == NO_FAULT);
}

void guest_main(void) {
  static const char *const names[] = {"verbose", 0};
  allow_arguments(names);
  if (current_mode() == MODE_FLAT) refuse("without paging there are no page faults: mode= is long, pae or 32");
  put_text("faults: mode ");
  put_line(mode_name());
  load_task_state();
  load_handlers();
  open_test_window();
  run_cases();
  check_accessed_and_dirty();
  check_page_crossing();
  check_translations();
  put_text("faults: ");
  put_number(cases_run);
  put_text(" checks, ");
  put_number(cases_failed);
  put_line(" wrong");
  guest_exit(cases_failed ? EXIT_FAILED : EXIT_PASSED);
}
