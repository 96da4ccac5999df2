/*
 * What every guest has: numbers, ports, a console on serial line and screen, arguments, the debug-exit port.
 * Each source is compiled twice, for 32-bit code (flat, 32-bit and PAE paging) and for 64-bit code (long mode).
 */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long uptr;

/* Exit values; the machine's status is (value << 1) | 1. */
enum { EXIT_PASSED = 0, EXIT_FAILED = 2, EXIT_BAD_ARGUMENT = 4 };

enum mode { MODE_FLAT, MODE_32, MODE_PAE, MODE_LONG };

/* boot.S and boot.c */
enum mode current_mode(void);
const char *mode_name(void);
/* First gpa behind RAM. */
u64 end_of_ram(void);

/* console.c */
void put_character(char c);
void put_text(const char *text);
void put_number(u64 value);
void put_hex(u64 value);
/* Prints a line of parts; see the macros. */
void put_line(const char *text);

/* arguments.c: "name=value" words of the command line */
int has_argument(const char *name);
int argument_is(const char *name, const char *value);
/* Decimal, 0x…, with k, m, g behind. A value that is none ends the guest with a sentence. */
u64 number_argument(const char *name, u64 otherwise);
/* Ends the guest with a sentence when an argument is not in the list (0-terminated). */
void allow_arguments(const char *const *names);
void refuse(const char *sentence) __attribute__((noreturn));
int equal_text(const char *a, const char *b);

/* arithmetic.c: 64-bit division without a runtime library */
u64 divide(u64 dividend, u64 divisor);

void guest_main(void);
void guest_exit(u32 value) __attribute__((noreturn));

static inline void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline u8 in8(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline void out32(u16 port, u32 value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
static inline u64 read_tsc(void) {
  u32 low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return ((u64)high << 32) | low;
}
static inline u32 read32(uptr address) { return *(volatile u32 *)address; }
static inline void write32(uptr address, u32 value) { *(volatile u32 *)address = value; }

#endif
