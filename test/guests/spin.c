/*
 * A loop of arithmetic and memory accesses, to measure the processor with: `n` turns (default 10000000), nine instructions
 * each, over 64 KiB of its own. Says a checksum that does not depend on the machine. mode=flat|32|pae|long.
 */
#include "guest.h"

enum { WORDS = 16384 };
static u32 words[WORDS] __attribute__((aligned(4096)));

u32 spin_loop(u32 *memory, u32 turns);
__asm__(".text\n"
        ".globl spin_loop\n"
        ".type spin_loop, @function\nspin_loop:\n"
#ifdef __x86_64__
        "  movq %rdi, %r8\n  movl %esi, %ecx\n  xorl %eax, %eax\n  xorl %edx, %edx\n"
        "1: movl (%r8,%rdx,4), %esi\n"
        "  addl %ecx, %esi\n"
        "  xorl %esi, %eax\n"
        "  movl %esi, (%r8,%rdx,4)\n"
        "  roll $5, %eax\n"
        "  leal 17(%rdx), %edx\n"
        "  andl $16383, %edx\n"
        "  subl $1, %ecx\n"
        "  jnz 1b\n"
        "  ret\n"
#else
        "  pushl %ebx\n  pushl %esi\n"
        "  movl 12(%esp), %ebx\n  movl 16(%esp), %ecx\n  xorl %eax, %eax\n  xorl %edx, %edx\n"
        "1: movl (%ebx,%edx,4), %esi\n"
        "  addl %ecx, %esi\n"
        "  xorl %esi, %eax\n"
        "  movl %esi, (%ebx,%edx,4)\n"
        "  roll $5, %eax\n"
        "  leal 17(%edx), %edx\n"
        "  andl $16383, %edx\n"
        "  subl $1, %ecx\n"
        "  jnz 1b\n"
        "  popl %esi\n  popl %ebx\n  ret\n"
#endif
        ".size spin_loop, . - spin_loop\n");

void guest_main(void) {
  static const char *const names[] = {"n", 0};
  allow_arguments(names);
  u64 turns = number_argument("n", 10000000);
  if (turns < 1 || turns > 0xffffffffu) refuse("n= is between 1 and 4294967295");
  u64 begin = read_tsc();
  u32 sum = spin_loop(words, (u32)turns);
  u64 ticks = read_tsc() - begin;
  put_text("spin: ");
  put_number(turns);
  put_text(" turns in ");
  put_number(ticks);
  put_text(" ticks, checksum ");
  put_hex(sum);
  put_character('\n');
  guest_exit(EXIT_PASSED);
}
