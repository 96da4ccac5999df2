/** All devices of one machine, wired together. */
import type { Arena } from '../arena/arena.ts';
import {
  BUS_LOCK,
  DEV_CLOCK,
  DEV_CMOS,
  DEV_DEBUG_EXIT,
  DEV_PIT,
  DEV_TURNS,
  DEV_UART,
  DEVICES_LOCK,
} from '../arena/device-layout.ts';
import { RestoredWords } from '../arena/restored-words.ts';
import type { TimedDevice } from './device.ts';
import { DeviceBus } from './device-bus.ts';
import { KeyboardController } from './keyboard-controller.ts';
import { MachineRequests } from './machine-requests.ts';
import { MmioBank } from './mmio-bank.ts';
import { Pic } from './pic.ts';
import { Pit } from './pit.ts';
import { PortAccessLog } from './port-access.ts';
import { Rtc } from './rtc.ts';
import { DebugExit, SystemPorts } from './system-ports.ts';
import { Uart } from './uart.ts';
import { VgaRegisters, VgaText } from './vga.ts';
import { VirtualClock } from './virtual-clock.ts';

export class DeviceSet {
  readonly bus: DeviceBus;
  readonly clock: VirtualClock;
  readonly requests: MachineRequests;
  readonly pic: Pic;
  readonly pit: Pit;
  readonly rtc: Rtc;
  readonly uart: Uart;
  readonly vga: VgaRegisters;
  readonly keyboard: KeyboardController;
  readonly portAccesses: PortAccessLog;
  readonly #ports: SystemPorts;
  readonly #bank: MmioBank;
  readonly #timed: readonly TimedDevice[];

  /** @param transmit takes each byte that the guest sends on the serial line */
  constructor(arena: Arena, transmit: (byte: number) => void) {
    this.clock = new VirtualClock(arena);
    this.requests = new MachineRequests(arena);
    this.pic = new Pic(arena);
    this.pit = new Pit(arena, this.clock, this.pic, this.requests);
    this.rtc = new Rtc(arena, this.clock, this.pic, this.requests);
    this.uart = new Uart(arena, this.clock, this.pic, this.requests, transmit);
    this.vga = new VgaRegisters(arena, this.clock);
    this.keyboard = new KeyboardController(arena, this.pic, this.requests);
    this.#ports = new SystemPorts(arena, this.requests);
    this.#bank = new MmioBank(arena, this.clock);
    this.portAccesses = new PortAccessLog(arena, this.clock);
    this.#timed = [this.pit, this.rtc, this.uart];
    this.bus = new DeviceBus(
      this.pic,
      this.requests,
      [this.uart, this.pic, this.pit, this.rtc, this.keyboard, this.vga, new DebugExit(this.requests), this.#ports],
      [this.#bank, new VgaText(arena)],
      this.portAccesses,
    );
  }

  /** Power on. `startSeconds`: what the clock on the wall says, in seconds since 1970. */
  reset(ramBytes: number, startSeconds: number): void {
    this.clock.setStartSeconds(startSeconds);
    this.#ports.reset();
    this.pic.reset();
    this.pit.reset();
    this.rtc.reset(ramBytes);
    this.uart.reset();
    this.vga.reset();
    this.keyboard.reset();
    this.#bank.reset();
    this.portAccesses.reset();
  }

  /** What the devices' blocks came out of a file with. @throws RestoreRefused */
  checkRestored(arena: Arena): void {
    const words = (block: number, name: string) => new RestoredWords(arena, arena.layout.devices + block, name);
    const turns = words(DEV_TURNS, 'the locks of the devices');
    turns.int(DEVICES_LOCK, 0, 0, 'the lock');
    turns.int(BUS_LOCK, 0, 0, 'the lock of the bus');
    this.clock.checkRestored(words(DEV_CLOCK, 'the clock'));
    this.uart.checkRestored(words(DEV_UART, this.uart.name));
    this.pit.checkRestored(words(DEV_PIT, this.pit.name));
    this.rtc.checkRestored(words(DEV_CMOS, this.rtc.name));
    this.requests.checkRestored(words(DEV_DEBUG_EXIT, 'what devices ask of the machine'));
    // The others keep bytes and words that they only mask and compare: any value of theirs is one that a guest could write.
  }

  /** Brings every timer up to the clock. */
  advance(): void {
    const now = this.clock.now();
    for (const device of this.#timed) device.advance(now);
  }

  /** The next moment at which a device does something by itself, in ns; Infinity when none will. */
  nextDeadline(): number {
    let at = Infinity;
    for (const device of this.#timed) at = Math.min(at, device.deadline());
    return at;
  }

  /** The same, among those that can wake a halted processor: their line is neither masked nor behind one in service. */
  nextWakeUp(): number {
    let at = Infinity;
    for (const device of this.#timed) {
      if (this.pic.canInterrupt(device.irq)) at = Math.min(at, device.deadline());
    }
    return at;
  }

  /** Whether a byte on the serial line would interrupt. */
  wakesOnInput(): boolean {
    return this.uart.wouldInterruptOnInput() && this.pic.canInterrupt(this.uart.irq);
  }
}
