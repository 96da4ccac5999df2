/*
 * Several processors at once: each hammers MMIO and RAM, and all count on shared words, by LOCK XADD, by CMPXCHG, by
 * CMPXCHG8B, by single bytes and under a lock of their own making. Nothing that is printed depends on who was faster.
 * Arguments: vcpus= (1 … 8, default 2), rounds= (1 … 100000000, default 1000), window= (a page to read, default behind RAM),
 * op=count|hammer|split, patience= (ticks in which the others have to start), mode=flat|32|pae|long.
 * op=split counts by what no single aligned access of up to 8 bytes does: LOCK XADD across two cache lines, CMPXCHG16B, LOCK BTC
 * with an offset in a register; and stores and loads of 8 bytes, of which nobody may see a half.
 * op=hammer goes on until the host sets `stop` in smp_board, and checks that nothing is read at `window` that had gone before:
 * the host says in smp_board which memslot change it has begun and which has returned; odd changes put RAM there whose first
 * word is the number of the change, even ones take it away.
 */
#include "smp.h"

extern u32 secondary_cr0, secondary_cr3, secondary_cr4, secondary_efer;

enum { BANK = 0xfeb00000, BANK_ID = 0x52424d55, BANK_SCRATCH = 0x20, PATIENCE = 20000000 };

static u32 processors, rounds, is_hammer, is_split;
static uptr window;
static u64 patience;

static inline u32 exchange_add(volatile u32 *at, u32 value) {
  __asm__ volatile("lock xaddl %0, %1" : "+r"(value), "+m"(*at) : : "memory", "cc");
  return value;
}

static inline u32 compare_exchange(volatile u32 *at, u32 expected, u32 value) {
  __asm__ volatile("lock cmpxchgl %2, %1" : "+a"(expected), "+m"(*at) : "r"(value) : "memory", "cc");
  return expected;
}

static inline int compare_exchange_8(volatile u64 *at, u64 *expected, u64 value) {
  u32 low = (u32)*expected, high = (u32)(*expected >> 32);
  u8 same;
  __asm__ volatile("lock cmpxchg8b %1; sete %0"
                   : "=q"(same), "+m"(*at), "+a"(low), "+d"(high)
                   : "b"((u32)value), "c"((u32)(value >> 32))
                   : "memory", "cc");
  *expected = ((u64)high << 32) | low;
  return same;
}

static inline u32 exchange(volatile u32 *at, u32 value) {
  __asm__ volatile("xchgl %0, %1" : "+r"(value), "+m"(*at) : : "memory");
  return value;
}

static inline void add_byte(volatile u8 *at) { __asm__ volatile("lock incb %0" : "+m"(*at) : : "memory", "cc"); }

enum { SPLIT_AT = 62, BIT_WORD = 11 };

#ifdef __x86_64__
static inline int compare_exchange_16(volatile u64 *at, u64 *low, u64 *high) {
  u8 same;
  __asm__ volatile("lock cmpxchg16b %1; sete %0"
                   : "=q"(same), "+m"(*(volatile u64(*)[2])at), "+a"(*low), "+d"(*high)
                   : "b"(*low + 1), "c"(*high - 1)
                   : "memory", "cc");
  return same;
}
#endif

static void count_split(u32 processor, u32 round) {
  struct board *board = &smp_board;
  exchange_add((volatile u32 *)(board->lines + SPLIT_AT), 1);
  if (processor == 1) {
    /* The upper byte of what is counted is this processor's: a plain store that no locked access of others may lose. */
    board->lines[SPLIT_AT + 3] = (u8)round;
    if (board->lines[SPLIT_AT + 3] != (u8)round) board->accounts[processor].lock_errors++;
  }
  __asm__ volatile("lock btcl %1, %0" : "+m"(board->bits) : "r"(BIT_WORD * 32 + processor) : "memory", "cc");
#ifdef __x86_64__
  u64 low = board->pair[0], high = board->pair[1];
  while (!compare_exchange_16(board->pair, &low, &high)) {
  }
  u64 half = (processor << 28) | round;
  board->whole = half | (half << 32);
  for (u32 look = 0; look < 8; look++) {
    u64 seen = board->whole;
    if ((u32)seen != (u32)(seen >> 32)) board->accounts[processor].ram_errors++;
  }
#else
  (void)round;
#endif
}

static void count(u32 processor) {
  struct board *board = &smp_board;
  exchange_add(&board->exchange_add, 1);

  u32 seen = board->compare_exchange;
  for (;;) {
    u32 found = compare_exchange(&board->compare_exchange, seen, seen + 1);
    if (found == seen) break;
    seen = found;
  }
  u64 wide = 0;
  while (!compare_exchange_8(&board->compare_exchange_8, &wide, wide + 0x100000001ull)) {
  }
  add_byte(&board->bytes[processor & 3]);

  while (exchange(&board->lock, 1)) __asm__ volatile("pause");
  u32 guarded = board->guarded;
  board->guarded = guarded + 1;
  if (board->lock != 1) board->accounts[processor].lock_errors++;
  board->lock = 0;
}

static void touch(u32 processor, u32 round) {
  struct account *account = &smp_board.accounts[processor];
  uptr scratch = BANK + BANK_SCRATCH + 4 * processor;
  u32 value = (processor << 24) | (round & 0xffffff);
  write32(scratch, value);
  if (read32(scratch) != value || read32(BANK) != BANK_ID) account->mmio_errors++;
  volatile u32 *page = smp_pages[processor];
  u32 at = (round * 7) & 1023;
  page[at] = value;
  if (page[at] != value || page[0] >> 24 != processor) account->ram_errors++;
}

static void read_window(u32 processor) {
  struct account *account = &smp_board.accounts[processor];
  u32 returned = smp_board.returned, value = read32(window), begun = smp_board.begun, fresh;
  account->reads++;
  if (value == 0xffffffff) {
    /* MMIO: before any change, after an even one that may have happened, or while a slot is between two places. */
    fresh = returned == 0 || (returned & 1) == 0 || begun > returned;
  } else {
    account->in_ram++;
    fresh = value >= returned && value <= begun;
  }
  if (fresh) return;
  if (account->stale++ == 0) {
    account->stale_value = value;
    account->stale_after = returned;
    account->stale_before = begun;
  }
}

/* All that a processor does, from the moment it is in the mode of the others. */
void smp_work(u32 processor) {
  struct board *board = &smp_board;
  struct account *account = &board->accounts[processor];
  if (processor >= processors) return;
  smp_pages[processor][0] = processor << 24;
  account->present = 1;
  while (!board->may_begin) __asm__ volatile("pause");
  for (u32 round = 1; is_hammer ? !board->stop : round <= rounds; round++) {
    if (is_split) {
      count_split(processor, round);
      account->rounds++;
      continue;
    }
    touch(processor, round);
    count(processor);
    if (is_hammer) read_window(processor);
    else if (read32(window) != 0xffffffff) account->mmio_errors++;
    account->rounds++;
  }
  account->done = 1;
}

static void await_others(int begun) {
  u64 began = read_tsc();
  for (u32 i = 0; i < processors; i++) {
    struct account *account = &smp_board.accounts[i];
    while (!(begun ? *(volatile u32 *)&account->done : *(volatile u32 *)&account->present)) {
      if (!begun && read_tsc() - began > patience) {
        put_text("smp: processor ");
        put_number(i);
        put_line(" did not start; give the machine as many vCPUs as vcpus= says");
        guest_exit(EXIT_FAILED);
      }
      __asm__ volatile("pause");
    }
  }
}

static void let_others_in(void) {
  uptr cr0 = 0, cr3 = 0, cr4 = 0;
  __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
  __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  secondary_cr0 = (u32)cr0;
  secondary_cr3 = (u32)cr3;
  secondary_cr4 = (u32)cr4;
  secondary_efer = current_mode() == MODE_LONG;
  exchange(&smp_board.may_enter, 1);
}

static int put_count(const char *name, u64 value, u64 expected) {
  put_text("smp: ");
  put_text(name);
  put_text(" counted ");
  put_number(value);
  put_line(value == expected ? "" : ", which is wrong");
  return value == expected;
}

static int put_errors(const char *name, u64 errors) {
  if (errors == 0) return 1;
  put_text("smp: ");
  put_number(errors);
  put_text(" errors of ");
  put_line(name);
  return 0;
}

static int conclude_split(void) {
  struct board *board = &smp_board;
  u64 all = 0, ram = 0, lost = 0;
  u32 bits = 0;
  for (u32 i = 0; i < processors; i++) {
    struct account *account = &board->accounts[i];
    all += account->rounds;
    ram += account->ram_errors;
    lost += account->lock_errors;
    if (account->rounds & 1) bits |= 1u << i;
  }
  int good = put_count("LOCK XADD across two lines", *(volatile u32 *)(board->lines + SPLIT_AT) & 0xffffff, all);
  good &= put_count("LOCK BTC of a bit string", board->bits[BIT_WORD], bits);
#ifdef __x86_64__
  good &= put_count("CMPXCHG16B", board->pair[0], all);
  good &= put_count("its upper half", 0 - board->pair[1], all);
#endif
  good &= put_errors("the lock: a store was lost", lost);
  return good & put_errors("the whole: 8 bytes were seen by halves", ram);
}

static int conclude(void) {
  struct board *board = &smp_board;
  u64 all = 0, mmio = 0, ram = 0, lock = 0, stale = 0;
  u8 bytes[4] = {0, 0, 0, 0};
  for (u32 i = 0; i < processors; i++) {
    struct account *account = &board->accounts[i];
    all += account->rounds;
    mmio += account->mmio_errors;
    ram += account->ram_errors;
    lock += account->lock_errors;
    stale += account->stale;
    bytes[i & 3] = (u8)(bytes[i & 3] + account->rounds);
  }
  int good = 1;
  if (!is_hammer) {
    good &= put_count("LOCK XADD", board->exchange_add, all);
    good &= put_count("CMPXCHG", board->compare_exchange, all);
    good &= put_count("CMPXCHG8B", board->compare_exchange_8, all * 0x100000001ull);
    good &= put_count("the lock", board->guarded, all);
  } else {
    good &= board->exchange_add == (u32)all && board->compare_exchange == (u32)all && board->guarded == (u32)all;
    if (!good) put_line("smp: the shared words miscounted");
  }
  for (u32 i = 0; i < 4; i++) {
    if (board->bytes[i] == bytes[i]) continue;
    put_line("smp: LOCK INC of a byte miscounted");
    good = 0;
  }
  good &= put_errors("MMIO", mmio);
  good &= put_errors("RAM", ram);
  good &= put_errors("the lock", lock);
  good &= put_errors("the window: what was read had gone", stale);
  return good;
}

void guest_main(void) {
  static const char *const names[] = {"vcpus", "rounds", "window", "op", "patience", 0};
  allow_arguments(names);
  u64 wanted = number_argument("vcpus", 2), each = number_argument("rounds", 1000);
  if (wanted < 1 || wanted > MAX_PROCESSORS) refuse("vcpus= is between 1 and 8");
  if (each < 1 || each > 100000000) refuse("rounds= is between 1 and 100000000");
  if (has_argument("op") && !argument_is("op", "count") && !argument_is("op", "hammer") && !argument_is("op", "split"))
    refuse("op= is count, hammer or split");
  processors = (u32)wanted;
  rounds = (u32)each;
  is_hammer = (u32)argument_is("op", "hammer");
  is_split = (u32)argument_is("op", "split");
  patience = number_argument("patience", PATIENCE);
  window = (uptr)(number_argument("window", end_of_ram()) & ~4095ull);

  put_text("smp: ");
  put_number(processors);
  put_text(" processors, ");
  if (!is_hammer) {
    put_number(rounds);
    put_text(" rounds each, ");
  }
  put_text("mode ");
  put_line(mode_name());

  smp_pages[0][0] = 0;
  smp_board.accounts[0].present = 1;
  let_others_in();
  await_others(0);
  exchange(&smp_board.may_begin, 1);
  smp_work(0);
  await_others(1);
  int good = is_split ? conclude_split() : conclude();
  put_line(good ? "smp: every access found what it should" : "smp: failed");
  guest_exit(good ? EXIT_PASSED : EXIT_FAILED);
}
