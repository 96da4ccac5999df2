/* The interrupt descriptor table, in the layout of the code that runs. */
#ifndef GATES_H
#define GATES_H
#include "guest.h"

enum { GATE_INTERRUPT = 0x8e, GATE_USER = 0x60, GATES = 256 };

#ifdef __x86_64__
struct gate {
  u16 offset_low, selector;
  u8 stack_table, attributes;
  u16 offset_middle;
  u32 offset_high, reserved;
};
enum { KERNEL_CODE = 0x18 };
#else
struct gate {
  u16 offset_low, selector;
  u8 reserved, attributes;
  u16 offset_high;
};
enum { KERNEL_CODE = 0x08 };
#endif

static inline void set_gate(struct gate *gate, void (*entry)(void), u8 attributes) {
  uptr offset = (uptr)entry;
  gate->offset_low = (u16)offset;
  gate->selector = KERNEL_CODE;
  gate->attributes = attributes;
#ifdef __x86_64__
  gate->offset_middle = (u16)(offset >> 16);
  gate->offset_high = (u32)(offset >> 32);
#else
  gate->offset_high = (u16)(offset >> 16);
#endif
}

static inline void load_gates(struct gate *table) {
  struct {
    u16 limit;
    uptr base;
  } __attribute__((packed)) pointer = {(u16)(GATES * sizeof(struct gate) - 1), (uptr)table};
  __asm__ volatile("lidt %0" : : "m"(pointer), "m"(*(struct gate(*)[GATES])table));
}
#endif
