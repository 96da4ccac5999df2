/* Modes and memory as the boot loader and the command line tell them. */
#include "guest.h"
#include "paging.h"

extern u32 boot_magic, boot_information, chosen_mode;

enum mode current_mode(void) { return (enum mode)chosen_mode; }

const char *mode_name(void) {
  static const char *const names[] = {"flat", "32", "pae", "long"};
  return names[chosen_mode];
}

u64 end_of_ram(void) {
  const u32 *information = (const u32 *)(uptr)boot_information;
  return 0x100000 + ((u64)information[2] << 10);
}

#ifndef __x86_64__
/* Runs before guest_main, without paging. Answers whether the rest is to run in long mode. */
int prepare_mode(void) {
  if (boot_magic != 0x2badb002) refuse("not started by a Multiboot 1 loader");
  if (!has_argument("mode")) chosen_mode = DEFAULT_MODE;
  else if (argument_is("mode", "flat")) chosen_mode = MODE_FLAT;
  else if (argument_is("mode", "32")) chosen_mode = MODE_32;
  else if (argument_is("mode", "pae")) chosen_mode = MODE_PAE;
  else if (argument_is("mode", "long")) chosen_mode = MODE_LONG;
  else refuse("mode= is one of flat, 32, pae, long");
#ifndef WITH_LONG_MODE
  if (chosen_mode == MODE_LONG) refuse("this guest has no long mode");
#endif
  prepare_paging((enum mode)chosen_mode);
  return chosen_mode == MODE_LONG;
}
#endif
