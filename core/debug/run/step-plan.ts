/** Whether the instruction at rip is one to step over or one that returns, from its own encoding. */
import { FlowControl } from 'iced-x86';
import type { Cpu } from '../../x86/index.ts';
import { readCode } from '../code/disassembler.ts';
import { MAX_INSN_BYTES } from '../code/guest-code.ts';
import type { DevicePeek } from '../memory/memory-view.ts';
import { linearRip } from '../registers/vcpu-view.ts';

export type StepPlan =
  | { readonly kind: 'plain' }
  /** CALL, INT n or a repeated string instruction: it is over when `next` is reached. */
  | { readonly kind: 'over'; readonly next: bigint }
  /** RET or IRET. */
  | { readonly kind: 'return' };

const PLAIN: StepPlan = { kind: 'plain' };
const RETURN: StepPlan = { kind: 'return' };

export function planStep(cpu: Cpu, bus: DevicePeek): StepPlan {
  const rip = linearRip(cpu);
  const code = readCode(cpu, bus, rip, MAX_INSN_BYTES);
  if (code.unreadableAt(rip) !== undefined) return PLAIN;
  const instruction = code.decode(rip);
  try {
    if (instruction.isInvalid) return PLAIN;
    const next = rip + BigInt(instruction.length);
    switch (instruction.flowControl) {
      case FlowControl.Call:
      case FlowControl.IndirectCall:
      case FlowControl.Interrupt:
        return { kind: 'over', next };
      case FlowControl.Return:
        return RETURN;
      default:
        // The prefixes repeat string instructions only; elsewhere they are hints, on a branch BND.
        return instruction.isStringInstruction && (instruction.hasRepPrefix || instruction.hasRepnePrefix)
          ? { kind: 'over', next }
          : PLAIN;
    }
  } finally {
    instruction.free();
  }
}
