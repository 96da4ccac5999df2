/* Every reason for a page fault, at every level of the walk, for every access that can meet it. */
#include "faults.h"

/* What a case does to an entry. */
enum change { NOT_PRESENT, SUPERVISOR_ONLY, READ_ONLY_ENTRY, RESERVED, RESERVED_LARGE, NO_EXECUTE, NOTHING };

struct fault_case {
  const char *name;
  enum change change;
  /* Accesses to try, as bits. */
  u8 accesses, privileges;
  u32 features;
  int with_ac;
  /* The error code without the bits for write, user and fetch, which follow from the access; or NO_FAULT. */
  int expected;
};

enum { R = 1 << READ, W = 1 << WRITE, X = 1 << FETCH, M = 1 << MODIFY, P = 1 << PUSH };
enum { S = 1 << SUPERVISOR, U = 1 << USER };

static const struct fault_case cases[] = {
    {"plain page", NOTHING, R | W | X | M, S | U, WP | NX, 0, NO_FAULT},
    {"not present", NOT_PRESENT, R | W | X | M, S | U, 0, 0, 0},
    {"not present, NX on", NOT_PRESENT, X, S | U, NX, 0, 0},
    {"not present, SMEP on", NOT_PRESENT, X, S | U, SMEP, 0, 0},
    {"not present", NOT_PRESENT, P, U, 0, 0, 0},
    {"supervisor only", SUPERVISOR_ONLY, R | W | X | M | P, U, 0, 0, PF_P},
    {"supervisor only, NX on", SUPERVISOR_ONLY, X, U, NX, 0, PF_P},
    {"supervisor only", SUPERVISOR_ONLY, R | W | X, S, WP | NX, 0, NO_FAULT},
    {"read only", READ_ONLY_ENTRY, W | M | P, U, 0, 0, PF_P},
    {"read only", READ_ONLY_ENTRY, R | X, S | U, WP, 0, NO_FAULT},
    {"read only, WP off", READ_ONLY_ENTRY, W | M, S, 0, 0, NO_FAULT},
    {"read only, WP on", READ_ONLY_ENTRY, W | M, S, WP, 0, PF_P},
    {"reserved bit", RESERVED, R | W | X | M, S | U, 0, 0, PF_P | PF_RSVD},
    {"reserved bit of a large page", RESERVED_LARGE, R | W | X, S | U, 0, 0, PF_P | PF_RSVD},
    {"NX bit while NX is off", NO_EXECUTE, R | W | X, S | U, 0, 0, PF_P | PF_RSVD},
    {"no execute", NO_EXECUTE, X, S | U, NX, 0, PF_P},
    {"no execute", NO_EXECUTE, R | W | M, S | U, NX, 0, NO_FAULT},
    {"user page, SMEP on", NOTHING, X, S, SMEP, 0, PF_P},
    {"user page, SMEP on", NOTHING, X, U, SMEP, 0, NO_FAULT},
    {"supervisor page, SMEP on", SUPERVISOR_ONLY, X, S, SMEP, 0, NO_FAULT},
    {"user page, SMAP on", NOTHING, R | W | M, S, SMAP, 0, PF_P},
    {"user page, SMAP on, AC set", NOTHING, R | W | M, S, SMAP, 1, NO_FAULT},
    {"user page, SMAP on", NOTHING, R | W | M, U, SMAP, 0, NO_FAULT},
};

/* The fetch bit is only reported when something can forbid fetches (SDM vol 3A, "Page-Fault Exceptions"). */
static int reports_fetches(u32 features) {
  return (features & SMEP) || ((features & NX) && current_mode() != MODE_32);
}

static int error_code(const struct fault_case *c, enum access access, enum privilege privilege) {
  if (c->expected == NO_FAULT) return NO_FAULT;
  int code = c->expected;
  if (access == WRITE || access == MODIFY || access == PUSH) code |= PF_W;
  if (privilege == USER) code |= PF_U;
  if (access == FETCH && reports_fetches(c->features)) code |= PF_I;
  return code;
}

/* The changed entry; 0 when this mode's entries at the level have no such bit. */
static u64 changed(enum change change, int level) {
  u64 entry = read_entry(level);
  int is_pae_pointer = current_mode() == MODE_PAE && level == 3;
  if (change == NOT_PRESENT) return entry & ~(u64)PTE_PRESENT;
  /* PDPTEs of PAE paging have no rights, and their reserved bits fault when CR3 is loaded. */
  if (is_pae_pointer) return 0;
  switch (change) {
  case SUPERVISOR_ONLY:
    return entry & ~(u64)PTE_USER;
  case READ_ONLY_ENTRY:
    return entry & ~(u64)PTE_WRITABLE;
  case RESERVED: {
    u64 bit = reserved_bit(level, 0);
    return bit ? entry | bit : 0;
  }
  case RESERVED_LARGE:
    return level == 1 ? 0 : entry | PTE_LARGE | reserved_bit(level, 1);
  case NO_EXECUTE:
    return current_mode() == MODE_32 ? 0 : entry | PTE_NX;
  default:
    return level == 1 ? entry : 0;
  }
}

static void run_case(const struct fault_case *c, int level) {
  for (int access = READ; access <= PUSH; access++) {
    for (int privilege = SUPERVISOR; privilege <= USER; privilege++) {
      if (!(c->accesses & (1 << access)) || !(c->privileges & (1 << privilege))) continue;
      restore_window();
      /* The entry goes in with NX already as the case has it: a set bit 63 is looked at in that light. */
      use_features(c->features);
      write_entry(level, changed(c->change, level));
      int got = attempt((enum access)access, (enum privilege)privilege, test_address(), c->with_ac);
      expect(c->name, level, (enum access)access, (enum privilege)privilege, got,
             error_code(c, (enum access)access, (enum privilege)privilege));
    }
  }
}

void run_cases(void) {
  u32 supported = supported_features();
  for (u32 i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const struct fault_case *c = &cases[i];
    if (c->features & ~supported) {
      put_text("faults: skipped, the processor cannot do it: ");
      put_line(c->name);
      continue;
    }
    for (int level = 1; level <= levels(); level++)
      if (changed(c->change, level) != 0) run_case(c, level);
  }
  restore_window();
  use_features(0);
}
