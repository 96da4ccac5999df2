/* The page-fault guest: what a case is, and the machinery that one access in user or supervisor mode takes. */
#ifndef FAULTS_H
#define FAULTS_H
#include "gates.h"
#include "paging.h"

/* Page-fault error code bits (SDM vol 3A, "Page-Fault Exceptions"). */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16, NO_FAULT = -1, OTHER_EXCEPTION = -2 };

/* PUSH is for user mode only: a supervisor's fault would find no stack for its frame. */
enum access { READ, WRITE, FETCH, MODIFY, PUSH };
enum privilege { SUPERVISOR, USER };

/* Processor features that can be on or off. */
enum { WP = 1, SMEP = 2, SMAP = 4, NX = 8 };

#ifndef __x86_64__
#define attempt_access attempt_access_32
#define page_fault_entry page_fault_entry_32
#define return_entry return_entry_32
#define unexpected_entry unexpected_entry_32
#endif

/* faults-32.S, faults-64.S: one access, in user mode through an IRET and back through INT3. Answers what ended it. */
uptr attempt_access(enum access access, enum privilege privilege, uptr address, u32 eflags);
enum { ENDED_BY_ITSELF = 0, ENDED_BY_PAGE_FAULT = 1 };
extern volatile uptr fault_error, fault_address;
void page_fault_entry(void), return_entry(void), unexpected_entry(void);

/*
 * fault-paging.c: a test page with an absent page behind it, each level of its walk in a table of its own, and aliases of the
 * user's code and stack that no case touches.
 */
void open_test_window(void);
uptr test_address(void);
int levels(void);
void write_entry(int level, u64 value);
/* Without telling the processor. */
void write_entry_only(int level, u64 value);
u64 read_entry(int level);
/* Every entry of the walk back to present, writable, user; the page full of RET instructions. */
void restore_window(void);
/* A bit of the entry that must be zero; 0 when the mode has none there. `large`: for an entry with the page-size bit. */
u64 reserved_bit(int level, int large);

u32 supported_features(void);
void use_features(u32 features);

/* faults.c: one attempt and its error code, NO_FAULT or OTHER_EXCEPTION. */
int attempt(enum access access, enum privilege privilege, uptr address, int with_ac);
/* Prints a line for the attempt and counts it. */
void expect(const char *what, int level, enum access access, enum privilege privilege, int got, int expected);
void check(const char *what, int holds);

/* fault-cases.c */
void run_cases(void);
#endif
