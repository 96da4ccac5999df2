/* Serial line at 0x3f8 and text screen at 0xb8000; both get everything. */
#include "guest.h"

enum { COM1 = 0x3f8, LINE_STATUS = COM1 + 5, TRANSMITTER_EMPTY = 0x20, COLUMNS = 80, ROWS = 25, GREY = 0x0700 };

static volatile u16 *const screen = (volatile u16 *)0xb8000;
static u32 cell;

static void move_cursor(void) {
  out8(0x3d4, 14);
  out8(0x3d5, (u8)(cell >> 8));
  out8(0x3d4, 15);
  out8(0x3d5, (u8)cell);
}

static void scroll(void) {
  for (u32 i = 0; i < COLUMNS * (ROWS - 1); i++) screen[i] = screen[i + COLUMNS];
  for (u32 i = COLUMNS * (ROWS - 1); i < COLUMNS * ROWS; i++) screen[i] = GREY | ' ';
  cell -= COLUMNS;
}

static void put_on_screen(char c) {
  if (c == '\n') cell += COLUMNS - cell % COLUMNS;
  else screen[cell++] = GREY | (u8)c;
  if (cell >= COLUMNS * ROWS) scroll();
  if (c == '\n') move_cursor();
}

void put_character(char c) {
  if (c == '\n') put_character('\r');
  while (!(in8(LINE_STATUS) & TRANSMITTER_EMPTY)) {
  }
  out8(COM1, (u8)c);
  if (c != '\r') put_on_screen(c);
}

void put_text(const char *text) {
  while (*text) put_character(*text++);
}

void put_line(const char *text) {
  put_text(text);
  put_character('\n');
}

void put_hex(u64 value) {
  int digits = 1;
  while (digits < 16 && value >> (4 * digits)) digits++;
  put_text("0x");
  while (digits-- > 0) put_character("0123456789abcdef"[(value >> (4 * digits)) & 15]);
}

void put_number(u64 value) {
  char digits[20];
  int count = 0;
  do {
    u64 quotient = divide(value, 10);
    digits[count++] = (char)('0' + (value - quotient * 10));
    value = quotient;
  } while (value);
  while (count > 0) put_character(digits[--count]);
}

void guest_exit(u32 value) {
  out32(0xf4, value);
  for (;;) __asm__ volatile("cli; hlt");
}
