/** What the memory operands of the instruction at rip would touch if it ran now: RAM and its slot, MMIO and its device. */
import {
  OpAccess,
  Register,
  RegisterExt,
  type Instruction,
  type InstructionInfoFactory,
  type UsedMemory,
} from 'iced-x86';
import type { Arena } from '../../arena/arena.ts';
import { MEMSLOT_ID } from '../../arena/memslot-layout.ts';
import { SEGMENT_WORDS, SEG_BASE, VCPU_SEGMENTS } from '../../arena/vcpu-layout.ts';
import { u64FromHalves } from '../../base/address.ts';
import type { Cpu } from '../../x86/index.ts';
import type { CodeBits } from './guest-code.ts';
import { translateGva } from '../memory/guest-translation.ts';
import { resolveGpa } from '../memory/memory-target.ts';
import type { DevicePeek } from '../memory/memory-view.ts';
import { readRegister } from '../registers/register-file.ts';

const SEGMENT_REGISTERS: readonly Register[] = [
  Register.ES,
  Register.CS,
  Register.SS,
  Register.DS,
  Register.FS,
  Register.GS,
];

/** One phrase per operand, `;` between them; undefined when the instruction touches no memory. */
export function operandEffects(
  cpu: Cpu,
  bus: DevicePeek,
  bits: CodeBits,
  instruction: Instruction,
  infos: InstructionInfoFactory,
): string | undefined {
  const info = infos.info(instruction);
  const operands = info.usedMemory();
  const phrases = new Set<string>();
  for (const operand of operands) {
    const kind = accessWord(operand.access);
    if (kind !== undefined)
      phrases.add(`${kind} ${describeTarget(cpu.arena, bus, cpu.vcpuId, linearAddress(cpu, bits, operand))}`);
    operand.free();
  }
  info.free();
  return phrases.size === 0 ? undefined : [...phrases].join('; ');
}

function accessWord(access: OpAccess): string | undefined {
  switch (access) {
    case OpAccess.Read:
    case OpAccess.CondRead:
      return 'reads';
    case OpAccess.Write:
    case OpAccess.CondWrite:
      return 'writes';
    case OpAccess.ReadWrite:
    case OpAccess.ReadCondWrite:
      return 'reads and writes';
    default:
      return undefined;
  }
}

/** Segmentation and the addressing form (SDM vol 1, "Specifying an Offset"). */
function linearAddress(cpu: Cpu, bits: CodeBits, operand: UsedMemory): bigint {
  const base = registerValue(cpu, operand.base);
  const index = registerValue(cpu, operand.index);
  const widest = [operand.base, operand.index].reduce(
    (size, register) => (register === Register.None ? size : Math.max(size, RegisterExt.size(register) * 8)),
    0,
  );
  const effective = BigInt.asUintN(widest || bits, base + index * BigInt(operand.scale) + operand.displacement);
  const segment = SEGMENT_REGISTERS.indexOf(operand.segment);
  const flat = bits === 64 && operand.segment !== Register.FS && operand.segment !== Register.GS;
  if (segment < 0 || flat) return effective;
  const word = VCPU_SEGMENTS + segment * SEGMENT_WORDS + SEG_BASE;
  return BigInt.asUintN(bits === 64 ? 64 : 32, effective + u64FromHalves(cpu.r[word], cpu.r[word + 1]));
}

/** Zero for no register. Address registers are general registers or the instruction pointer. */
function registerValue(cpu: Cpu, register: Register): bigint {
  if (register === Register.None) return 0n;
  const size = RegisterExt.size(register) * 8;
  const full = RegisterExt.fullRegister(register);
  const name = full >= Register.RAX && full <= Register.R15 ? GENERAL[full - Register.RAX] : 'rip';
  return BigInt.asUintN(size, readRegister(cpu, name) ?? 0n);
}

const GENERAL = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');

function describeTarget(arena: Arena, bus: DevicePeek, vcpuId: number, gva: bigint): string {
  const hex = (value: bigint): string => `0x${value.toString(16)}`;
  const walked = translateGva(arena, vcpuId, gva);
  if (!walked.ok) return `gva ${hex(gva)}: ${walked.error}`;
  const gpa = walked.value;
  const where = gpa === gva ? `gpa ${hex(gpa)}` : `gva ${hex(gva)} = gpa ${hex(gpa)}`;
  const target = resolveGpa(arena, gpa);
  switch (target.kind) {
    case 'ram':
      return `${where}: RAM, slot ${arena.i32[(target.slot + MEMSLOT_ID) >> 2]}`;
    case 'unreadable':
      return `${where}: ${target.reason}`;
    case 'mmio': {
      const at = Number(gpa);
      const device = bus.mmioDevices.find((candidate) => at >= candidate.gpa && at < candidate.gpa + candidate.bytes);
      return `${where}: MMIO, ${device === undefined ? 'no device claims it' : device.name}`;
    }
  }
}
