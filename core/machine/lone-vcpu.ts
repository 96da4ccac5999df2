/**
 * One vCPU that executes a little while all the others, and a memslot update, stand where they are (docs/race-lab.md). The
 * virtual clock goes on with its instructions, so devices do what they would do.
 */
import { VCPU_F_INSNS } from '../arena/vcpu-layout.ts';
import type { DeviceSet } from '../devices/index.ts';
import { RUN_BUDGET, RUN_HLT, RUN_VMM_STOP, type Vcpu } from '../kvm/index.ts';
import { type MachineStop, stopOfVcpu } from './machine-stop.ts';

/** As much as is wanted of it, whichever comes first. */
export interface LoneWish {
  /** Instructions to retire. */
  readonly insns: number;
  /** Exits to take: an instruction that KVM has begin again never retires. */
  readonly exits: number;
  /** Do not stop at an execution breakpoint on the very first instruction. */
  readonly skipBreakpoint: boolean;
}

/** Pieces without an exit in which nothing retires: exceptions that raise exceptions, for ever. */
const MAX_FRUITLESS = 64;

const DONE: MachineStop = { kind: 'budget' };

/** A vCPU that halts has done what it can: nobody lets the time pass for it. */
export function runAlone(
  vcpu: Vcpu,
  devices: DeviceSet,
  wish: LoneWish,
  asked: () => MachineStop | undefined,
): MachineStop {
  const { bus } = devices;
  const { f } = vcpu.cpu;
  const end = f[VCPU_F_INSNS] + wish.insns;
  let skip = wish.skipBreakpoint;
  let fruitless = 0;
  bus.limitExits(wish.exits);
  try {
    for (;;) {
      devices.requests.takeTimersChanged();
      devices.advance();
      const stop = asked();
      if (stop !== undefined) return stop;
      const retired = f[VCPU_F_INSNS];
      const left = end - retired;
      if (left <= 0 || bus.exitsSpent || fruitless >= MAX_FRUITLESS) return DONE;
      const untilEvent = devices.clock.insnsUntil(devices.nextDeadline());
      const code = vcpu.run(Math.min(left, Math.max(1, untilEvent)), skip);
      skip = false;
      if (code === RUN_HLT) return DONE;
      if (code !== RUN_BUDGET && code !== RUN_VMM_STOP) return stopOfVcpu(vcpu, code);
      if (f[VCPU_F_INSNS] === retired) fruitless += 1;
    }
  } finally {
    bus.limitExits(-1);
  }
}
