/*
 * Watches one gpa and says when it turns from MMIO into RAM and back, as memory slots come and go under it.
 * Arguments: gpa= (default 0xe0000000), limit= polls before it exits (0 = never), count= changes before it exits (0 = never),
 * pause= turns of an empty loop between two polls (default 20000), cache= (below), mode=.
 *
 * KVM keeps the page of a vCPU's last MMIO access in a cache of its own, which kernels before 3.17 do not drop when the slots
 * change: a guest that touches this one page and no other MMIO never sees the new slot. So between two polls another MMIO page is
 * read (the screen); cache=keep leaves that out and shows the bug.
 */
#include "guest.h"
#include "paging.h"

enum kind { MMIO, RAM, READ_ONLY };

static const u32 ALL_ONES = 0xffffffff;

/* The one load and the one store that reach the polled page. */
__attribute__((noinline)) u32 poll_read(uptr address) { return read32(address); }
__attribute__((noinline)) void poll_write(uptr address, u32 value) { write32(address, value); }

static const char *name_of(enum kind kind) {
  static const char *const names[] = {"MMIO", "RAM", "read-only memory"};
  return names[kind];
}

/* Nobody at home answers all ones and forgets what is written. */
static enum kind poll(uptr address, u32 pattern) {
  u32 before = poll_read(address);
  poll_write(address, pattern);
  u32 after = poll_read(address);
  if (after == pattern) return RAM;
  return before == ALL_ONES && after == ALL_ONES ? MMIO : READ_ONLY;
}

static void wait_a_little(u64 turns) {
  for (volatile u32 left = (u32)turns; left > 0; left--) {
  }
}

static void touch_another_page(void) { (void)*(volatile u16 *)0xb8000; }

static void put_polls(u64 polls) {
  put_text(" at poll ");
  put_number(polls);
  put_character('\n');
}

void guest_main(void) {
  static const char *const names[] = {"gpa", "limit", "count", "pause", "cache", 0};
  allow_arguments(names);
  u64 gpa = number_argument("gpa", 0xe0000000u);
  u64 limit = number_argument("limit", 0), count = number_argument("count", 0), pause = number_argument("pause", 20000);
  u64 top = current_mode() == MODE_LONG ? (u64)LONG_MODE_GIB << 30 : 0x100000000ull;
  if (gpa & 3 || gpa + 4 > top) refuse("gpa= is a multiple of 4 that the mode can reach");
  int keeps_cache = argument_is("cache", "keep");
  if (has_argument("cache") && !keeps_cache) refuse("cache= takes keep");
  if (pause > ALL_ONES) refuse("pause= is below 4294967296");

  u32 pattern = 0x5a000000;
  enum kind kind = poll((uptr)gpa, ++pattern);
  put_text("poller: gpa ");
  put_hex(gpa);
  put_text(" is ");
  put_text(name_of(kind));
  put_polls(1);
  u64 changes = 0;
  for (u64 polls = 2; limit == 0 || polls <= limit; polls++) {
    wait_a_little(pause);
    if (!keeps_cache) touch_another_page();
    /* Never all ones: a pattern that reads back is RAM. */
    if (++pattern >= 0x5b000000) pattern = 0x5a000001;
    enum kind now = poll((uptr)gpa, pattern);
    if (now == kind) continue;
    put_text("poller: gpa ");
    put_hex(gpa);
    put_text(" turned from ");
    put_text(name_of(kind));
    put_text(" into ");
    put_text(name_of(now));
    put_polls(polls);
    kind = now;
    if (++changes == count) break;
  }
  put_text("poller: ");
  put_number(changes);
  put_line(" changes");
  guest_exit(EXIT_PASSED);
}
