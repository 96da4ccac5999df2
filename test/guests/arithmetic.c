#include "guest.h"

u64 divide(u64 dividend, u64 divisor) {
  u64 quotient = 0, rest = 0;
  for (int bit = 63; bit >= 0; bit--) {
    u64 carry = rest >> 63;
    rest = (rest << 1) | ((dividend >> bit) & 1);
    if (carry || rest >= divisor) {
      rest -= divisor;
      quotient |= 1ull << bit;
    }
  }
  return quotient;
}

/* What the compiler may call by itself. */
void *memset(void *start, int value, uptr bytes) {
  for (u8 *at = start; bytes-- > 0; at++) *(volatile u8 *)at = (u8)value;
  return start;
}

void *memcpy(void *to, const void *from, uptr bytes) {
  u8 *out = to;
  for (const u8 *in = from; bytes-- > 0;) *(volatile u8 *)out++ = *in++;
  return to;
}
