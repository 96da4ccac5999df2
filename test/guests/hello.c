/* Greets on the serial line and the screen, says what machine it finds itself in, and exits. */
#include "guest.h"

static void put_cpu(void) {
  u32 leaf, b, c, d;
  __asm__ volatile("cpuid" : "=a"(leaf), "=b"(b), "=c"(c), "=d"(d) : "a"(0));
  const u32 words[] = {b, d, c};
  for (int i = 0; i < 12; i++) put_character((char)(words[i / 4] >> (8 * (i % 4))));
}

void guest_main(void) {
  static const char *const names[] = {0};
  allow_arguments(names);
  put_line("Hello from the guest.");
  put_text("hello: mode ");
  put_text(mode_name());
  put_text(", RAM up to ");
  put_hex(end_of_ram());
  put_text(", CPU ");
  put_cpu();
  put_character('\n');
  guest_exit(EXIT_PASSED);
}
