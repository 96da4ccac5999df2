/** The bus for one of several threads: devices are one machine's, and one vCPU at a time is at them. (Shape: VmBus of core/kvm/bus.ts.) */
import type { Arena } from '../arena/arena.ts';
import { DEV_TURNS, DEVICES_LOCK } from '../arena/device-layout.ts';
import { ENGINE_OWNER, lockOwnerOf, lockWord, orphanWord, unlockWord } from '../arena/futex-lock.ts';
import type { DeviceBus } from './device-bus.ts';

/** Runs `work` with the devices to itself. @param vcpu whose thread this is; the engine's unless said */
export function withDevices<T>(arena: Arena, work: () => T, vcpu?: number): T {
  const word = devicesLock(arena);
  lockWord(arena.i32, word, NAME, vcpu === undefined ? ENGINE_OWNER : lockOwnerOf(vcpu));
  try {
    return work();
  } finally {
    unlockWord(arena.i32, word);
  }
}

/** The thread of a vCPU is no more. @returns whether it was in the middle of a device, which nobody can use from now on */
export function abandonDevices(arena: Arena, vcpu: number): boolean {
  return orphanWord(arena.i32, devicesLock(arena), lockOwnerOf(vcpu));
}

const NAME = 'the lock of the devices';

const devicesLock = (arena: Arena): number => (arena.layout.devices + DEV_TURNS + DEVICES_LOCK) >> 2;

export class LockedBus {
  hi = 0;
  device = -1;
  readonly #bus: DeviceBus;
  readonly #i32: Int32Array<SharedArrayBuffer>;
  readonly #lock: number;
  readonly #owner: number;
  readonly #stop: () => boolean;

  /**
   * @param vcpu whose thread this is
   * @param stop whether the thread is wanted elsewhere
   */
  constructor(arena: Arena, bus: DeviceBus, vcpu: number, stop: () => boolean) {
    this.#bus = bus;
    this.#i32 = arena.i32;
    this.#lock = devicesLock(arena);
    this.#owner = lockOwnerOf(vcpu);
    this.#stop = stop;
  }

  mmioRead(gpaLo: number, gpaHi: number, size: number): number {
    this.#take();
    try {
      const low = this.#bus.mmioRead(gpaLo, gpaHi, size);
      this.hi = this.#bus.hi;
      return low;
    } finally {
      this.#give();
    }
  }

  mmioWrite(gpaLo: number, gpaHi: number, size: number, lo: number, hi: number): void {
    this.#take();
    try {
      this.#bus.mmioWrite(gpaLo, gpaHi, size, lo, hi);
    } finally {
      this.#give();
    }
  }

  pioRead(port: number, size: number): number {
    this.#take();
    try {
      return this.#bus.pioRead(port, size);
    } finally {
      this.#give();
    }
  }

  pioWrite(port: number, size: number, value: number): void {
    this.#take();
    try {
      this.#bus.pioWrite(port, size, value);
    } finally {
      this.#give();
    }
  }

  /** One word of the controller: no lock. */
  interruptPending(): boolean {
    return this.#bus.interruptPending();
  }

  acknowledgeInterrupt(): number {
    this.#take();
    try {
      return this.#bus.acknowledgeInterrupt();
    } finally {
      this.#give();
    }
  }

  stopRequested(): boolean {
    return this.#stop() || this.#bus.stopRequested();
  }

  #take(): void {
    lockWord(this.#i32, this.#lock, NAME, this.#owner);
  }

  #give(): void {
    this.device = this.#bus.device;
    unlockWord(this.#i32, this.#lock);
  }
}
