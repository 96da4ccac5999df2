/*
 * Waits in HLT for ticks of the 8254 and of the real-time clock, counts them, and holds one clock against the other.
 * Arguments: ticks= (default 20), hz= of the 8254 (19 … 20000, default 100), mode=flat|32|pae|long.
 */
#include "gates.h"

enum { PIT_HERTZ = 1193182, RTC_HERTZ = 1024, VECTOR_TICK = 0x20, VECTOR_SPURIOUS = 0x27, VECTOR_CLOCK = 0x28 };

#ifdef __x86_64__
void tick_entry_64(void), clock_entry_64(void), spurious_entry_64(void);
#define TICK_ENTRY tick_entry_64
#define CLOCK_ENTRY clock_entry_64
#define SPURIOUS_ENTRY spurious_entry_64
#else
void tick_entry_32(void), clock_entry_32(void), spurious_entry_32(void);
#define TICK_ENTRY tick_entry_32
#define CLOCK_ENTRY clock_entry_32
#define SPURIOUS_ENTRY spurious_entry_32
#endif

static struct gate gates[GATES] __attribute__((aligned(4096)));
static volatile u32 ticks, clocks, spurious;

static u8 read_cmos(u8 index) {
  out8(0x70, index);
  return in8(0x71);
}

static void write_cmos(u8 index, u8 value) {
  out8(0x70, index);
  out8(0x71, value);
}

void on_tick(void) {
  ticks++;
  out8(0x20, 0x20);
}

void on_clock(void) {
  clocks++;
  read_cmos(0x0c);
  out8(0xa0, 0x20);
  out8(0x20, 0x20);
}

/* No end of interrupt: nothing is in service. */
void on_spurious(void) { spurious++; }

static void start_controllers(void) {
  out8(0x20, 0x11), out8(0x21, VECTOR_TICK), out8(0x21, 4), out8(0x21, 1);
  out8(0xa0, 0x11), out8(0xa1, VECTOR_CLOCK), out8(0xa1, 2), out8(0xa1, 1);
  out8(0x21, 0xfa); /* the timer and the cascade */
  out8(0xa1, 0xfe); /* the clock */
}

static void start_timer(u32 hz) {
  u32 count = (u32)divide(PIT_HERTZ, hz);
  out8(0x43, 0x34); /* counter 0, both bytes, mode 2 */
  out8(0x40, (u8)count);
  out8(0x40, (u8)(count >> 8));
}

static void start_clock(void) {
  write_cmos(0x0a, 0x26); /* 1024 a second */
  write_cmos(0x0b, (u8)(read_cmos(0x0b) | 0x40));
  read_cmos(0x0c);
}

static void put_two_digits(u8 bcd) {
  put_character((char)('0' + (bcd >> 4)));
  put_character((char)('0' + (bcd & 15)));
}

static void put_date(void) {
  static const u8 parts[] = {0x32, 9, 8, 7, 4, 2, 0};
  static const char before[] = "..-- ::";
  while (read_cmos(0x0a) & 0x80) {
  }
  put_text("timer: the clock says ");
  for (int i = 0; i < 7; i++) {
    if (i > 1) put_character(before[i]);
    put_two_digits(read_cmos(parts[i]));
  }
  put_character('\n');
}

void guest_main(void) {
  static const char *const names[] = {"ticks", "hz", 0};
  allow_arguments(names);
  u64 wanted = number_argument("ticks", 20), hz = number_argument("hz", 100);
  if (wanted < 1 || wanted > 1000000) refuse("ticks= is between 1 and 1000000");
  if (hz < 19 || hz > 20000) refuse("hz= is between 19 and 20000");
  put_date();
  set_gate(&gates[VECTOR_TICK], TICK_ENTRY, GATE_INTERRUPT);
  set_gate(&gates[VECTOR_CLOCK], CLOCK_ENTRY, GATE_INTERRUPT);
  set_gate(&gates[VECTOR_SPURIOUS], SPURIOUS_ENTRY, GATE_INTERRUPT);
  load_gates(gates);
  start_controllers();
  start_clock();
  start_timer((u32)hz);
  u64 begin = read_tsc();
  u32 shown = 0, step = (u32)divide(wanted + 3, 4);
  while (ticks < wanted) {
    /* STI takes effect after the next instruction: no interrupt is lost between the test and HLT. */
    __asm__ volatile("cli" : : : "memory");
    if (ticks < wanted) __asm__ volatile("sti; hlt" : : : "memory");
    __asm__ volatile("sti" : : : "memory");
    if (ticks < shown + step) continue;
    shown = ticks;
    put_text("timer: ");
    put_number(shown);
    put_line(" ticks");
  }
  __asm__ volatile("cli");
  u64 elapsed = read_tsc() - begin;
  u64 expected = divide(wanted * RTC_HERTZ, hz);
  put_text("timer: ");
  put_number(ticks);
  put_text(" ticks at ");
  put_number(hz);
  put_text(" Hz, ");
  put_number(clocks);
  put_text(" of the clock at 1024 Hz, ");
  put_number(elapsed);
  put_text(" TSC ticks, ");
  put_number(spurious);
  put_line(" spurious");
  int agrees = clocks + 2 >= expected && clocks <= expected + 2;
  put_line(agrees ? "timer: the two clocks agree" : "timer: the two clocks disagree");
  guest_exit(agrees ? EXIT_PASSED : EXIT_FAILED);
}
