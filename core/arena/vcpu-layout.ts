/**
 * One vCPU's block: registers as the SDM names them, the hardware's caches of them, and KVM's per-vCPU state.
 *
 * All `VCPU_*` constants are int32 indexes into the block (an `Int32Array` of it); 64-bit values take two consecutive
 * words, low half first, and the constant names the low half. `VCPU_F_*` are float64 indexes into the same block.
 * Written by the thread that runs the vCPU; while it is paused, by the engine on behalf of the user. Readers elsewhere may
 * see a running machine and must treat 64-bit values as possibly torn.
 */

/** rax rcx rdx rbx rsp rbp rsi rdi r8 … r15: register n at 2n (low) and 2n + 1 (high). */
export const VCPU_GPR = 0;
export const VCPU_RIP = 32;
/** RFLAGS as far as it is not lazy: the bits outside CF PF AF ZF SF OF are always right here; see FLAGS_*. */
export const VCPU_RFLAGS = 34;

/**
 * Lazy arithmetic flags: the operation that set them last and what is needed to work each flag out.
 * FLAGS_OP 0 means that VCPU_RFLAGS holds all of them. The encoding of the rest belongs to core/x86/exec/flags.ts.
 */
export const VCPU_FLAGS_OP = 36;
export const VCPU_FLAGS_RESULT = 38;
export const VCPU_FLAGS_SRC1 = 40;
export const VCPU_FLAGS_SRC2 = 42;
/** Low bit: carry-in of the operation. */
export const VCPU_FLAGS_CARRY = 44;

/** 0, 1, 2 or 3. Cached from SS.DPL (SDM vol 3A, "Privilege Levels"). */
export const VCPU_CPL = 46;
/** 16, 32 or 64: the code size in force, from CS.D/CS.L and EFER.LMA. */
export const VCPU_CODE_BITS = 47;

/**
 * Segment registers ES CS SS DS FS GS LDTR TR, SEGMENT_WORDS words each: selector, attributes (the descriptor's bits 40–55
 * shifted to 0–15, with the limit nibble zero: type, S, DPL, P, AVL, L, D/B, G; bit 16 = unusable), limit (bytes, scaled),
 * reserved, base (64 bits).
 */
export const VCPU_SEGMENTS = 48;
export const SEGMENT_WORDS = 6;
export const SEG_SELECTOR = 0;
export const SEG_ATTRIBUTES = 1;
export const SEG_LIMIT = 2;
export const SEG_BASE = 4;
export const SEG_UNUSABLE = 0x1_0000;
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const LDTR = 6;
export const TR = 7;

export const VCPU_GDTR_BASE = 96;
export const VCPU_GDTR_LIMIT = 98;
export const VCPU_IDTR_BASE = 100;
export const VCPU_IDTR_LIMIT = 102;
export const VCPU_CR0 = 104;
export const VCPU_CR2 = 106;
export const VCPU_CR3 = 108;
export const VCPU_CR4 = 110;
export const VCPU_CR8 = 112;
export const VCPU_EFER = 114;
/** DR0–DR3, DR6, DR7: two words each. */
export const VCPU_DR = 116;
/** PAE PDPTEs as loaded by MOV CR3 (SDM vol 3A, "PDPTE Registers"): four × 64 bits. */
export const VCPU_PDPTE = 128;

export const VCPU_MSR_STAR = 136;
export const VCPU_MSR_LSTAR = 138;
export const VCPU_MSR_CSTAR = 140;
export const VCPU_MSR_SFMASK = 142;
export const VCPU_MSR_KERNEL_GS_BASE = 144;
export const VCPU_MSR_SYSENTER_CS = 146;
export const VCPU_MSR_SYSENTER_ESP = 148;
export const VCPU_MSR_SYSENTER_EIP = 150;
export const VCPU_MSR_PAT = 152;
export const VCPU_MSR_APIC_BASE = 154;
export const VCPU_MSR_TSC_OFFSET = 156;
export const VCPU_MSR_TSC_AUX = 158;
export const VCPU_MSR_MTRR_DEF_TYPE = 160;
export const VCPU_MSR_MISC_ENABLE = 162;
/** Words 164 … 223 are free for further MSRs (core/x86/system/msr.ts owns their use). */
export const VCPU_MSR_MORE = 164;

/** Interruptibility: 0 none, 1 blocking by STI, 2 blocking by MOV SS (SDM vol 3C, "Guest Non-Register State"). */
export const VCPU_INTERRUPT_SHADOW = 224;
export const VCPU_ACTIVITY = 225;
/** It executes; has executed HLT; has met a triple fault; waits to be started (KVM_MP_STATE_UNINITIALIZED). */
export const ACTIVE = 0;
export const HALTED = 1;
export const SHUT_DOWN = 2;
export const UNINITIALIZED = 3;
/** 1: leave with EXIT_INTERRUPT_WINDOW as soon as RFLAGS.IF allows an interrupt. Set by KVM. */
export const VCPU_INTERRUPT_WINDOW = 226;

/** Two words that are always zero: the base or index register of an address that has none. */
export const VCPU_ZERO = 228;
/** 1: a single-step trap is due whose delivery ran into a VM exit (SDM vol 3C, "pending debug exceptions"). */
export const VCPU_PENDING_DEBUG = 230;
/** IDT-vectoring information: vector + 1 of the exception whose delivery the last exit interrupted, 0 = none was. */
export const VCPU_IDT_VECTORING = 231;

/** VM-exit information, valid after a run that ended in a VM exit. */
export const VCPU_EXIT_REASON = 232;
/** EPT: exit qualification. NPT and shadow: error code (PFERR bits). */
export const VCPU_EXIT_QUALIFICATION = 234;
export const VCPU_EXIT_GPA = 236;
export const VCPU_EXIT_GVA = 238;
/** Port exits: port, size in bytes, 1 for OUT, 1 for string forms. */
export const VCPU_EXIT_PORT = 240;
export const VCPU_EXIT_IO_SIZE = 241;
export const VCPU_EXIT_IO_OUT = 242;
export const VCPU_EXIT_IO_STRING = 243;
/** An exception being delivered: vector, error code, has error code. For EXIT_SHUTDOWN: the first of the three. */
export const VCPU_EXIT_VECTOR = 244;
export const VCPU_EXIT_ERROR_CODE = 245;
/** Length in bytes of the instruction that caused the exit. */
export const VCPU_EXIT_INSN_LENGTH = 246;

/**
 * The hardware control block: what the VMM sets before entry.
 * SECOND_LEVEL: 0 none (guest physical = host physical is never used; conformance runs go through EPT too), 1 EPT, 2 NPT, 3 shadow.
 */
export const VCPU_SECOND_LEVEL = 248;
/** Host physical address of the second-level or shadow root table. */
export const VCPU_ROOT_HPA = 250;
/** Levels of the table at ROOT_HPA: 4, or 3 for a PAE shadow table. */
export const VCPU_ROOT_LEVELS = 252;
/** Host and guest MAXPHYADDR. */
export const VCPU_MAXPHYADDR = 253;
/** Bit 6 of the EPT pointer: 1 when accessed and dirty flags of EPT entries are in use. */
export const VCPU_EPT_AD = 254;

/** KVM's per-vCPU state. REQUESTS: KVM_REQ_* bits, set by anyone with Atomics.or, served by the vCPU's thread. */
export const VCPU_REQUESTS = 256;
/** Bit of REQUESTS, the highest beside KVM's: keep out of guest mode while another vCPU has the bus locked. */
export const REQUEST_BUS_LOCK = 1 << 30;
/** vcpu->mode. */
export const VCPU_MODE = 257;
export const OUTSIDE_GUEST_MODE = 0;
export const IN_GUEST_MODE = 1;
/** It was kicked, and leaves guest mode at the next look. */
export const EXITING_GUEST_MODE = 2;
export const READING_SHADOW_PAGE_TABLES = 3;
/** vcpu->arch.mmio_gva (page aligned; 0 = none), access, mmio_gfn (64 bits; 0 = none). */
export const VCPU_MMIO_GVA = 258;
export const VCPU_MMIO_ACCESS = 260;
export const VCPU_MMIO_GFN = 262;
/** Index of the root kvm_mmu_page, or −1. */
export const VCPU_ROOT_PAGE = 264;
/** The debugger asked not to stop on the fault of the instruction at rip again: 1 until it retires. */
export const VCPU_SKIP_MMIO_STOP = 265;
/** Free words for KVM: 266 … 307 and 312 … 319. */

/**
 * More of the control block: what of the control registers is the host's. Bits of CR0 and CR4 that a MOV (or LMSW) may not
 * change without an exit (SDM vol 3C, "Guest/Host Masks and Read Shadows"); none on AMD.
 */
export const VCPU_CR0_GUEST_HOST_MASK = 308;
export const VCPU_CR4_GUEST_HOST_MASK = 309;
/** Bit n: reads of CRn exit; bit 16 + n: writes do (VMCB_CR_INTERCEPTS; on Intel the exiting controls of CR3 and CR8). */
export const VCPU_CR_INTERCEPTS = 310;
/** In VCPU_CR_INTERCEPTS, in the place of the CR15 that does not exist: INTERCEPT_SELECTIVE_CR0. */
export const CR_INTERCEPT_SELECTIVE_CR0 = 1 << 15;
/** Bit n: exception n exits instead of being delivered. That of #PF follows from SECOND_LEVEL and is not looked at. */
export const VCPU_EXCEPTION_BITMAP = 311;

/** float64 index: instructions retired since reset. Exact to 2^53. */
export const VCPU_F_INSNS = 160; // words 320–321
/** float64 index: exceptions delivered since reset. Each used up budget although nothing retired. */
export const VCPU_F_DELIVERIES = 161; // words 322–323
/** float64 index: first of the VCPU_COUNTERS (core/base/counters.ts). */
export const VCPU_F_COUNTERS = 164; // … up to 195

/** XMM0 … XMM15, four words each, lowest bits first; then MXCSR. */
export const VCPU_XMM = 448;
export const VCPU_MXCSR = 512;

/** TLBs begin here (int32 index); their geometry belongs to core/x86/tlb/tlb.ts. */
export const VCPU_TLB = 1024;
/** Byte offset in the block: a page in which locked instructions work on a copy (core/x86/exec/exec-locked.ts). */
export const VCPU_LOCK_PAGE = 131072;
/** Bytes of a vCPU block: 4 KiB of state, 124 KiB of TLBs, a page for locked instructions. */
export const VCPU_BYTES = 135168;
