/* What the processors of the smp guest share. The page is in smp-start.S, outside both compilations; the host writes to it too. */
#ifndef SMP_H
#define SMP_H
#include "guest.h"

enum { MAX_PROCESSORS = 8 };

/* One processor's account, in a cache line of its own. */
struct account {
  u32 present, done, rounds, mmio_errors, ram_errors, lock_errors;
  /* hammer: reads of the window, those that saw a mapping that had gone, and the first of these */
  u32 reads, stale, stale_value, stale_after, stale_before, in_ram;
  u32 unused[4];
};

struct board {
  /* hammer: number of the last memslot change that has returned, and of the last that was begun. Written by the host. */
  volatile u32 returned, begun;
  /* hammer: ends it. Written by the host. */
  volatile u32 stop;
  /* Set by the boot processor when the others may leave flat mode, and when they may begin. */
  volatile u32 may_enter, may_begin;
  u32 unused0[11];
  volatile u32 exchange_add, unused1[15];
  volatile u32 compare_exchange, unused2[15];
  volatile u64 compare_exchange_8;
  u32 unused3[14];
  volatile u32 lock, guarded, unused4[14];
  volatile u8 bytes[64];
  struct account accounts[MAX_PROCESSORS];
  /* split: a word across two cache lines (from byte 62), 16 bytes, a bit string, and 8 bytes that are stored and loaded plainly */
  volatile u8 lines[128];
  volatile u64 pair[2] __attribute__((aligned(16)));
  u64 unused5[6];
  volatile u32 bits[16];
  volatile u64 whole, unused6[7];
};

extern struct board smp_board;
/* Pages of RAM for the processors to write to, one each. */
extern volatile u32 smp_pages[MAX_PROCESSORS][1024];

void smp_work(u32 processor);
#endif
