/**
 * How fast the bare core executes: an endless-looking loop of loads, stores, arithmetic and branches, in 32- and 64-bit code,
 * in instructions a second of this process's own CPU time (other load on the machine does not count against it).
 *
 * Constants of other modules are immediates only in a bundle, so it is run as one: `node test/bench/run-core-speed.mjs`.
 */
import { cpuUsage } from 'node:process';
import { createArena } from '../../core/arena/arena.ts';
import * as L from '../../core/arena/vcpu-layout.ts';
import { HVA_BASE } from '../../core/base/address.ts';
import { Vm, type VmBus } from '../../core/kvm/index.ts';
import { allocateArena } from '../../electron/host/arena-memory.ts';

const RAM = 4 << 20;
const CODE = 0x1_0000;
const DATA = 0x2_0000;
const ROUNDS = 6;
const SLICES = 200;
const SLICE = 100_000;

/** mov eax,[esi]; add eax,ecx; mov [esi+4],eax; xor edx,eax; add edx,3; cmp edx,ecx; jb; xor ebx,ebx; add ebx,[esi+8]; dec ecx; jnz */
const LOOP_32 = '8b06 01c8 894604 31c2 83c203 39ca 7202 31db 035e08 ffc9 75e7 f4';
/** The same with REX.W. */
const LOOP_64 = '488b06 4801c8 48894608 4831c2 4883c203 4839ca 7203 4831db 48035e10 48ffc9 75de f4';

const NO_DEVICES: VmBus = {
  hi: 0,
  device: -1,
  mmioRead: () => -1,
  mmioWrite: () => undefined,
  pioRead: () => -1,
  pioWrite: () => undefined,
  interruptPending: () => false,
  acknowledgeInterrupt: () => 0,
  stopRequested: () => false,
};

function makeGuest(bits: 32 | 64) {
  const layout = { ramBytes: RAM, vcpus: 1, memslots: 128, shadowPages: 256, traceRecords: 64 };
  const arena = createArena(layout, allocateArena);
  const vm = new Vm(arena, { mmu: 'ept', era: 'patch', maxPhyAddr: 40, vcpus: 1 }, NO_DEVICES);
  const slot = { slot: 0, flags: 0, guestPhysAddr: 0n, memorySize: BigInt(RAM), userspaceAddr: HVA_BASE };
  if (!vm.setUserMemoryRegion(slot).ok) throw new Error('the memory slot was refused');
  const [vcpu] = vm.vcpus;
  const { r } = vcpu.cpu;
  const segment = (number: number, selector: number, attributes: number): void => {
    const words = L.VCPU_SEGMENTS + number * L.SEGMENT_WORDS;
    r.fill(0, words, words + L.SEGMENT_WORDS);
    r[words + L.SEG_SELECTOR] = selector;
    r[words + L.SEG_ATTRIBUTES] = attributes;
    r[words + L.SEG_LIMIT] = -1;
  };
  segment(L.CS, 8, bits === 64 ? 0xa09b : 0xc09b);
  for (const number of [L.SS, L.DS, L.ES, L.FS, L.GS]) segment(number, 16, 0xc093);
  r[L.VCPU_CODE_BITS] = bits;
  r[L.VCPU_CR0] = bits === 64 ? 0x8000_0011 : 0x11;
  if (bits === 64) {
    const put = (gpa: number, value: bigint): void => arena.view.setBigUint64(arena.layout.ram + gpa, value, true);
    put(0x10_0000, 0x10_1003n);
    put(0x10_1000, 0x10_2003n);
    put(0x10_2000, 0x83n);
    r[L.VCPU_CR3] = 0x10_0000;
    r[L.VCPU_CR4] = 0x20;
    r[L.VCPU_EFER] = 0x500;
  }
  const code = (bits === 64 ? LOOP_64 : LOOP_32).replaceAll(' ', '').match(/../g) ?? [];
  arena.u8.set(
    code.map((byte) => Number.parseInt(byte, 16)),
    arena.layout.ram + CODE,
  );
  r[L.VCPU_RIP] = CODE;
  r[L.VCPU_RIP + 1] = 0;
  r[L.VCPU_GPR + 2] = -1;
  r[L.VCPU_GPR + 12] = DATA;
  vcpu.registersChanged();
  return vcpu;
}

for (const bits of [32, 64] as const) {
  const vcpu = makeGuest(bits);
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = cpuUsage();
    const retired = vcpu.cpu.instructions();
    for (let slice = 0; slice < SLICES; slice++) vcpu.run(SLICE, true);
    rates.push((vcpu.cpu.instructions() - retired) / cpuUsage(before).user);
  }
  console.log(`${bits}-bit: ${rates.map((rate) => rate.toFixed(1)).join(' ')} million instructions a CPU second`);
}
