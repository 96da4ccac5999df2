/*
 * An MMIO storm: touches `pages` pages behind RAM (in long mode from 4 GiB on), one access a page, `passes` times over.
 * Arguments: pages= (1 … 1000000, default 1000), passes= (default 10), op=read|write|both, gpa= (first page),
 * mode=flat|32|pae|long.
 */
#include "guest.h"
#include "paging.h"

enum { PAGE = 4096, MAX_PAGES = 1000000 };
/* The register bank of the machine; unclaimed MMIO ends here below 4 GiB. */
static const u64 BELOW_4_GIB = 0xfeb00000;
static const u64 FOUR_GIB = 0x100000000ull;

static u32 answers = 0xffffffff;

__attribute__((noinline)) void storm_read(uptr first, u32 pages) {
  u32 all = 0xffffffff;
  for (; pages > 0; pages--, first += PAGE) all &= read32(first);
  answers &= all;
}

__attribute__((noinline)) void storm_write(uptr first, u32 pages) {
  for (; pages > 0; pages--, first += PAGE) write32(first, pages);
}

static void put_rate(u64 accesses, u64 ticks) {
  u64 hundredths = divide(ticks * 100, accesses), whole = divide(hundredths, 100);
  u32 rest = (u32)(hundredths - whole * 100);
  put_number(whole);
  put_character('.');
  put_character((char)('0' + rest / 10));
  put_character((char)('0' + rest % 10));
}

void guest_main(void) {
  static const char *const names[] = {"pages", "passes", "op", "gpa", 0};
  allow_arguments(names);
  u64 pages = number_argument("pages", 1000), passes = number_argument("passes", 10);
  int is_long = current_mode() == MODE_LONG;
  u64 first = number_argument("gpa", is_long ? FOUR_GIB : end_of_ram()) & ~(u64)(PAGE - 1);
  int reads = !argument_is("op", "write"), writes = argument_is("op", "write") || argument_is("op", "both");
  if (has_argument("op") && !argument_is("op", "read") && !writes) refuse("op= is one of read, write, both");
  if (pages < 1 || pages > MAX_PAGES) refuse("pages= is between 1 and 1000000");
  if (passes < 1 || passes > 0xffffffffu) refuse("passes= is between 1 and 4294967295");
  u64 limit = is_long ? (u64)LONG_MODE_GIB << 30 : BELOW_4_GIB;
  if (first + pages * PAGE > limit) refuse("so many pages do not fit behind RAM; use fewer, less RAM or mode=long");

  put_text("storm: ");
  put_number(pages);
  put_text(" pages from ");
  put_hex(first);
  put_text(", ");
  put_number(passes);
  put_text(" passes, mode ");
  put_line(mode_name());

  u64 begin = read_tsc();
  for (u64 pass = 0; pass < passes; pass++) {
    if (reads) storm_read((uptr)first, (u32)pages);
    if (writes) storm_write((uptr)first, (u32)pages);
  }
  u64 ticks = read_tsc() - begin, accesses = pages * passes * (u64)(reads + writes);

  put_text("storm: ");
  put_number(accesses);
  put_text(" accesses in ");
  put_number(ticks);
  put_text(" ticks, ");
  put_rate(accesses, ticks);
  put_line(" ticks an access");
  if (reads && answers != 0xffffffff) put_line("storm: not every page answered with all ones");
  guest_exit(EXIT_PASSED);
}
