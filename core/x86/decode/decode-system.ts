/** System instructions, and which of the rest are #UD because CPUID does not offer them. */
import { Code, CpuidFeature, Mnemonic } from 'iced-x86';
import { FS, GS, DS, ES, SS } from '../../arena/vcpu-layout.ts';
import type { Draft, DraftBuilder, FamilyTable } from './decode-draft.ts';
import * as control from '../exec/exec-control.ts';
import * as far from '../exec/exec-far.ts';
import { executeUnimplementedSse, executeX87 } from '../exec/exec-scalar.ts';
import * as segments from '../exec/exec-segment.ts';
import * as system from '../exec/exec-system.ts';
import { DWORD, I_OPERATION, type InstructionHandler, operation, QWORD, WORD } from './instruction.ts';

const simple =
  (handler: InstructionHandler, number = 0): DraftBuilder =>
  (draft) =>
    draft.plain(number, 0, handler);

/** Operand size from a letter of the name: w, d, q as in Retfq, Lgdtd. */
const sizeByName = (draft: Draft, stem: string): number => {
  const letter = Code[draft.instruction.code].charAt(stem.length);
  return letter === 'q' ? QWORD : letter === 'd' ? DWORD : WORD;
};

const farReturn: DraftBuilder = (draft) => {
  draft.setImmediate(draft.instruction.opCount === 0 ? 0 : draft.instruction.immediate16);
  return draft.plain(0, sizeByName(draft, 'Retf'), far.executeFarReturn);
};

/** LDS and its kin: offset of the register's size and a selector. */
const farPointer =
  (segment: number): DraftBuilder =>
  (draft) =>
    draft.plain(segment, draft.size(0), segments.executeLoadFarPointer);

const descriptorTable =
  (number: number): DraftBuilder =>
  (draft) => {
    const name = Code[draft.instruction.code];
    return draft.plain(
      number,
      name.includes('_m1664') ? QWORD : name.includes('w_') ? WORD : DWORD,
      segments.executeDescriptorTable,
    );
  };

/** Stores 16 bits to memory, or to a register of its own size. */
const storeWord =
  (number: number, handler: InstructionHandler): DraftBuilder =>
  (draft) => {
    const memory = draft.isMemory(0);
    draft.code[draft.i + I_OPERATION] = operation(number, memory ? WORD : draft.size(0), memory ? 1 : 0, 0);
    return handler;
  };

const readWord =
  (number: number, handler: InstructionHandler): DraftBuilder =>
  (draft) =>
    draft.source(number, WORD, handler);

/** LAR, LSL: the selector is 16 bits of memory or of a register, the result as wide as the destination. */
const rights =
  (number: number): DraftBuilder =>
  (draft) =>
    draft.extend(number, draft.size(0), segments.executeLoadRights);

const segmentBase =
  (segment: number, handler: InstructionHandler): DraftBuilder =>
  (draft) => {
    draft.setImmediate(segment);
    return draft.plain(0, draft.size(0), handler);
  };

export const SYSTEM_TABLE: FamilyTable = new Map<number, DraftBuilder>([
  [Mnemonic.Retf, farReturn],
  [Mnemonic.Iret, (draft) => draft.plain(0, WORD, far.executeInterruptReturn)],
  [Mnemonic.Iretd, (draft) => draft.plain(0, DWORD, far.executeInterruptReturn)],
  [Mnemonic.Iretq, (draft) => draft.plain(0, QWORD, far.executeInterruptReturn)],
  [Mnemonic.Int, simple(far.executeInterrupt, 0)],
  [Mnemonic.Int3, simple(far.executeInterrupt, 1)],
  [Mnemonic.Int1, simple(far.executeInterrupt, 2)],
  [Mnemonic.Into, simple(far.executeInterrupt, 3)],
  [Mnemonic.Syscall, simple(far.executeSyscall)],
  [Mnemonic.Sysret, (draft) => draft.plain(0, DWORD, far.executeSysret)],
  [Mnemonic.Sysretq, (draft) => draft.plain(0, QWORD, far.executeSysret)],
  [Mnemonic.Sysenter, simple(far.executeSysenter)],
  [Mnemonic.Sysexit, (draft) => draft.plain(0, DWORD, far.executeSysexit)],
  [Mnemonic.Sysexitq, (draft) => draft.plain(0, QWORD, far.executeSysexit)],
  [Mnemonic.Lds, farPointer(DS)],
  [Mnemonic.Les, farPointer(ES)],
  [Mnemonic.Lss, farPointer(SS)],
  [Mnemonic.Lfs, farPointer(FS)],
  [Mnemonic.Lgs, farPointer(GS)],
  [Mnemonic.Lgdt, descriptorTable(0)],
  [Mnemonic.Lidt, descriptorTable(1)],
  [Mnemonic.Sgdt, descriptorTable(2)],
  [Mnemonic.Sidt, descriptorTable(3)],
  [Mnemonic.Sldt, storeWord(0, segments.executeStoreSelector)],
  [Mnemonic.Str, storeWord(1, segments.executeStoreSelector)],
  [Mnemonic.Smsw, storeWord(0, system.executeSmsw)],
  [Mnemonic.Lmsw, readWord(0, system.executeLmsw)],
  [Mnemonic.Lldt, readWord(0, segments.executeLoadSelector)],
  [Mnemonic.Ltr, readWord(1, segments.executeLoadSelector)],
  [Mnemonic.Verr, storeWord(0, segments.executeVerify)],
  [Mnemonic.Verw, storeWord(1, segments.executeVerify)],
  [Mnemonic.Lar, rights(0)],
  [Mnemonic.Lsl, rights(1)],
  [Mnemonic.Clts, simple(system.executeClts)],
  [Mnemonic.Vmcall, simple(system.executeHypercall, 0)],
  [Mnemonic.Vmmcall, simple(system.executeHypercall, 1)],
  [Mnemonic.Invlpg, simple(system.executeInvlpg)],
  [Mnemonic.Wbinvd, simple(system.executeWbinvd)],
  // Without the feature the prefix means nothing (APM vol 3, WBNOINVD).
  [Mnemonic.Wbnoinvd, simple(system.executeWbinvd)],
  [Mnemonic.Invd, simple(system.executeWbinvd)],
  [Mnemonic.Cpuid, simple(system.executeCpuidOrExit)],
  [Mnemonic.Rdmsr, simple(system.executeReadMsr)],
  [Mnemonic.Wrmsr, simple(system.executeWriteMsr)],
  [Mnemonic.Swapgs, simple(segments.executeSwapgs)],
  [Mnemonic.Rdfsbase, segmentBase(FS, segments.executeReadBase)],
  [Mnemonic.Rdgsbase, segmentBase(GS, segments.executeReadBase)],
  [Mnemonic.Wrfsbase, segmentBase(FS, segments.executeWriteBase)],
  [Mnemonic.Wrgsbase, segmentBase(GS, segments.executeWriteBase)],
  [Mnemonic.Rdtsc, simple(control.executeReadTimestamp)],
  [Mnemonic.Rdtscp, simple(control.executeReadTimestampAndProcessor)],
  [Mnemonic.Rdpmc, simple(control.executeReadCounter)],
  [Mnemonic.Clac, simple(control.executeAccessControl, 0)],
  [Mnemonic.Stac, simple(control.executeAccessControl, 1)],
  [Mnemonic.Clflush, simple(control.executeCacheLine)],
  [Mnemonic.Ud0, simple(system.executeInvalid)],
  [Mnemonic.Ud1, simple(system.executeInvalid)],
  [Mnemonic.Ud2, simple(system.executeInvalid)],
  [Mnemonic.Wait, simple(executeX87)],
]);

/** Instruction sets that every x86-64 processor has without saying so in CPUID, less x87. */
const ALWAYS_PRESENT: ReadonlySet<CpuidFeature> = new Set([
  CpuidFeature.INTEL8086,
  CpuidFeature.INTEL8086_ONLY,
  CpuidFeature.INTEL186,
  CpuidFeature.INTEL286,
  CpuidFeature.INTEL386,
  CpuidFeature.INTEL486,
  CpuidFeature.X64,
]);

const X87: ReadonlySet<CpuidFeature> = new Set([
  CpuidFeature.FPU,
  CpuidFeature.FPU287,
  CpuidFeature.FPU287XL_ONLY,
  CpuidFeature.FPU387,
  CpuidFeature.FPU387SL_ONLY,
]);

const SSE: ReadonlySet<CpuidFeature> = new Set([
  CpuidFeature.MMX,
  CpuidFeature.SSE,
  CpuidFeature.SSE2,
  CpuidFeature.SSE3,
  CpuidFeature.SSSE3,
  CpuidFeature.SSE4_1,
  CpuidFeature.SSE4_2,
  CpuidFeature.SSE4A,
  CpuidFeature.FXSR,
]);

/**
 * What no table has. An extension that CPUID does not offer is an undefined opcode, as on a processor that lacks it: AVX,
 * RDRAND, XSAVE, VMX, SVM, TSX, and MMX and SSE unless CR4.OSFXSR was set in spite of CPUID. Anything that every processor
 * has but this one not yet stops the machine under its name.
 */
export function remainingHandler(draft: Draft): InstructionHandler {
  const features = draft.instruction.cpuidFeatures();
  const memory = [...Array(draft.instruction.opCount).keys()].some((operand) => draft.isMemory(operand)) ? 1 : 0;
  if (features.some((feature) => X87.has(feature))) return draft.plain(memory, 0, executeX87);
  if (features.some((feature) => SSE.has(feature))) return draft.plain(memory, 0, executeUnimplementedSse);
  return features.every((feature) => ALWAYS_PRESENT.has(feature)) ? system.executeUnimplemented : system.executeInvalid;
}
