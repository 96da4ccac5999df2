/** Devices without a processor: the test is the guest, and time passes when it says so. */
import { type Arena, createArena } from '../../../core/arena/arena.ts';
import { CLOCK_IDLE_NS, DEV_CLOCK } from '../../../core/arena/device-layout.ts';
import { DeviceSet } from '../../../core/devices/index.ts';

/** 2013-06-07T00:00:00Z, a Friday. */
export const START = Date.UTC(2013, 5, 7) / 1000;

export interface DeviceRig {
  readonly arena: Arena;
  readonly devices: DeviceSet;
  /** Bytes that went out on the serial line. */
  readonly sent: number[];
  read(port: number): number;
  write(port: number, ...values: readonly number[]): void;
  /** Lets time pass in one go and brings the devices up to it. */
  pass(ns: number): void;
  /** Lets time pass as a machine does, stopping at every deadline. */
  run(ns: number): void;
  /** Master at vectors 0x20, slave at 0x28, everything unmasked. */
  startPics(): void;
  /** Acknowledges what is pending; undefined when nothing is. */
  interrupt(): number | undefined;
}

export function deviceRig(startSeconds = START): DeviceRig {
  const config = { ramBytes: 0x10_0000, vcpus: 1, memslots: 8, shadowPages: 64, traceRecords: 64 };
  const arena = createArena(config, (bytes) => new SharedArrayBuffer(bytes));
  const sent: number[] = [];
  const devices = new DeviceSet(arena, (byte) => sent.push(byte));
  devices.reset(64 << 20, startSeconds);
  const { bus, clock } = devices;
  const idle = (arena.layout.devices + DEV_CLOCK + CLOCK_IDLE_NS) >> 3;
  const rig: DeviceRig = {
    arena,
    devices,
    sent,
    read: (port) => bus.pioRead(port, 1),
    write: (port, ...values) => {
      for (const value of values) bus.pioWrite(port, 1, value);
    },
    pass: (ns) => {
      arena.f64[idle] += ns;
      devices.advance();
    },
    run: (ns) => {
      const end = clock.now() + ns;
      while (clock.now() < end) {
        arena.f64[idle] = Math.min(end, Math.max(devices.nextDeadline(), clock.now() + 1));
        devices.advance();
      }
    },
    startPics: () => {
      rig.write(0x20, 0x11);
      rig.write(0x21, 0x20, 0x04, 0x01);
      rig.write(0xa0, 0x11);
      rig.write(0xa1, 0x28, 0x02, 0x01);
    },
    interrupt: () => (bus.interruptPending() ? bus.acknowledgeInterrupt() : undefined),
  };
  return rig;
}

/** The devices' whole region of the arena, to see that nothing in it moved. */
export const deviceBytes = ({ arena }: DeviceRig): Uint8Array =>
  arena.u8.slice(arena.layout.devices, arena.layout.devices + 131_072);
