/**
 * LOCK# on the bus: what the processor does for a locked access that one cache line does not hold (SDM vol 3A, "Bus Locking").
 * Here the vCPU that has it lets no other execute guest instructions. As with a kick they are asked to leave guest mode, are
 * waited for, and find the request again before they enter; what KVM does outside guest mode meanwhile is not held up.
 *
 * It is taken and given back outside guest mode only: in guest mode a vCPU may be waited for.
 */
import { DEV_TURNS, BUS_LOCK } from '../../arena/device-layout.ts';
import { awaitOther, lockWord, unlockWord } from '../../arena/futex-lock.ts';
import {
  EXITING_GUEST_MODE,
  IN_GUEST_MODE,
  REQUEST_BUS_LOCK,
  VCPU_BYTES,
  VCPU_MODE,
  VCPU_REQUESTS,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';

const NAME = 'the bus';
const busWord = ({ arena: { layout } }: Cpu): number => (layout.devices + DEV_TURNS + BUS_LOCK) >> 2;

export function lockBus(cpu: Cpu): void {
  const { i32, layout } = cpu.arena;
  lockWord(i32, busWord(cpu), NAME);
  cpu.ownsBus = true;
  for (let id = 0; id < layout.config.vcpus; id++) {
    if (id === cpu.vcpuId) continue;
    const block = (layout.vcpus + id * VCPU_BYTES) >> 2;
    Atomics.or(i32, block + VCPU_REQUESTS, REQUEST_BUS_LOCK);
    Atomics.compareExchange(i32, block + VCPU_MODE, IN_GUEST_MODE, EXITING_GUEST_MODE);
  }
  for (let id = 0; id < layout.config.vcpus; id++) {
    if (id === cpu.vcpuId) continue;
    const mode = ((layout.vcpus + id * VCPU_BYTES) >> 2) + VCPU_MODE;
    awaitOther(i32, mode, EXITING_GUEST_MODE, EXITING_GUEST_MODE, `vCPU ${id} does not leave the bus`);
  }
}

export function unlockBus(cpu: Cpu): void {
  cpu.ownsBus = false;
  unlockWord(cpu.arena.i32, busWord(cpu));
}

/** A vCPU that was asked to keep off the bus waits until it is free. */
export function awaitBus(cpu: Cpu): void {
  lockWord(cpu.arena.i32, busWord(cpu), NAME);
  unlockWord(cpu.arena.i32, busWord(cpu));
}
