/**
 * Where KVM's unhandled MMIO and port accesses arrive: finds the device, or answers for the empty bus — reads give all
 * ones, writes go nowhere, `device` stays −1 and KVM traces the access as unsatisfied. (Shape: VmBus of core/kvm/bus.ts.)
 */
import { assert } from '../base/assert.ts';
import type { MmioDevice, PortDevice } from './device.ts';
import type { MachineRequests } from './machine-requests.ts';
import type { InterruptController } from './pic.ts';
import type { PortAccessLog } from './port-access.ts';

const PORTS = 0x1_0000;

export class DeviceBus {
  hi = 0;
  device = -1;
  /** Names by device number. */
  readonly names: readonly string[];
  readonly mmioDevices: readonly MmioDevice[];

  readonly #pic: InterruptController;
  readonly #requests: MachineRequests;
  readonly portDevices: readonly PortDevice[];
  readonly #accesses: PortAccessLog;
  /** Device number + 1 by port; a cache of the devices' own lists. */
  readonly #portMap = new Uint8Array(PORTS);
  /** First address of each MMIO device, and the one after its last: an access that nobody claims asks no device. */
  readonly #mmioFirst: Float64Array;
  readonly #mmioEnd: Float64Array;
  #exitsLeft = -1;

  constructor(
    pic: InterruptController,
    requests: MachineRequests,
    portDevices: readonly PortDevice[],
    mmioDevices: readonly MmioDevice[],
    accesses: PortAccessLog,
  ) {
    this.#pic = pic;
    this.#requests = requests;
    this.portDevices = portDevices;
    this.mmioDevices = mmioDevices;
    this.#accesses = accesses;
    this.#mmioFirst = Float64Array.from(mmioDevices, ({ gpa }) => gpa);
    this.#mmioEnd = Float64Array.from(mmioDevices, ({ gpa, bytes }) => gpa + bytes);
    this.names = [...portDevices.map((d) => d.name), ...mmioDevices.map((d) => d.name)];
    for (const [index, device] of portDevices.entries()) {
      for (const { first, last } of device.ports) {
        for (let port = first; port <= last; port += 1) {
          assert(this.#portMap[port] === 0, `port ${port.toString(16)} is claimed twice`);
          this.#portMap[port] = index + 1;
        }
      }
    }
  }

  mmioRead(gpaLo: number, gpaHi: number, size: number): number {
    this.hi = -1;
    this.device = -1;
    const i = gpaHi === 0 ? this.#findMmio(gpaLo >>> 0) : -1;
    if (i < 0) return size < 4 ? -1 >>> (32 - 8 * size) : -1;
    const device = this.mmioDevices[i];
    const offset = (gpaLo >>> 0) - device.gpa;
    this.device = this.portDevices.length + i;
    if (offset + size > device.bytes) return this.#readAcrossEnd(device, offset, size);
    device.hi = 0;
    const low = device.readMmio(offset, size);
    this.hi = device.hi;
    return low;
  }

  mmioWrite(gpaLo: number, gpaHi: number, size: number, lo: number, hi: number): void {
    this.device = -1;
    const i = gpaHi === 0 ? this.#findMmio(gpaLo >>> 0) : -1;
    if (i < 0) return;
    const device = this.mmioDevices[i];
    const offset = (gpaLo >>> 0) - device.gpa;
    this.device = this.portDevices.length + i;
    device.writeMmio(offset, Math.min(size, device.bytes - offset), lo, hi);
  }

  pioRead(port: number, size: number): number {
    const number = this.#portMap[port & 0xffff];
    this.device = number - 1;
    if (number !== 0) {
      const device = this.portDevices[number - 1];
      if (size === 1 || device.takesWideAccess) {
        const value = device.readPort(port, size);
        this.#accesses.noteRead(number - 1, port, size, value);
        return value;
      }
    } else if (size === 1) return 0xff;
    return this.#readPortBytes(port, size);
  }

  pioWrite(port: number, size: number, value: number): void {
    const number = this.#portMap[port & 0xffff];
    this.device = number - 1;
    if (number !== 0) {
      const device = this.portDevices[number - 1];
      if (size === 1 || device.takesWideAccess) {
        const low = size === 1 ? value & 0xff : value;
        this.#accesses.noteWrite(number - 1, port, size, low);
        return device.writePort(port, size, low);
      }
    } else if (size === 1) return;
    for (let i = 0; i < size; i += 1) this.#writePortByte((port + i) & 0xffff, (value >>> (8 * i)) & 0xff);
  }

  interruptPending(): boolean {
    return this.#pic.interruptPending();
  }

  acknowledgeInterrupt(): number {
    return this.#pic.acknowledge();
  }

  stopRequested(): boolean {
    return this.#requests.any() || (this.#exitsLeft >= 0 && this.#isLastExit());
  }

  /** Lets a vCPU come back to its caller after so many exits, whatever else; −1: after as many as it takes. */
  limitExits(exits: number): void {
    this.#exitsLeft = exits;
  }

  /** The exits that {@link limitExits} granted are used up. */
  get exitsSpent(): boolean {
    return this.#exitsLeft === 0;
  }

  #isLastExit(): boolean {
    if (this.#exitsLeft > 0) this.#exitsLeft -= 1;
    return this.#exitsLeft === 0;
  }

  /** The MMIO device that claims an address. */
  mmioDeviceAt(gpa: bigint): MmioDevice | undefined {
    return this.mmioDevices.find((device) => gpa >= BigInt(device.gpa) && gpa < BigInt(device.gpa + device.bytes));
  }

  /** The byte that a read of MMIO would give, without its side effects; undefined where no device is. */
  peekMmio(gpa: bigint): number | undefined {
    const device = this.mmioDeviceAt(gpa);
    return device?.peekMmio(Number(gpa) - device.gpa);
  }

  /** The byte that a read of a port would give, without its side effects; undefined where no device is. */
  peekPort(port: number): number | undefined {
    const number = this.#portMap[port & 0xffff];
    return number === 0 ? undefined : this.portDevices[number - 1].peekPort(port & 0xffff);
  }

  /** Index of the device that claims an address below 4 GiB, or −1. */
  #findMmio(address: number): number {
    const first = this.#mmioFirst;
    const end = this.#mmioEnd;
    for (let i = 0; i < first.length; i += 1) if (address >= first[i] && address < end[i]) return i;
    return -1;
  }

  #readAcrossEnd(device: MmioDevice, offset: number, size: number): number {
    let low = 0;
    let high = 0;
    for (let i = 0; i < size; i += 1) {
      const byte = offset + i < device.bytes ? device.readMmio(offset + i, 1) & 0xff : 0xff;
      if (i < 4) low |= byte << (8 * i);
      else high |= byte << (8 * (i - 4));
    }
    this.hi = high;
    return low;
  }

  #readPortBytes(port: number, size: number): number {
    let value = 0;
    for (let i = 0; i < size; i += 1) {
      const at = (port + i) & 0xffff;
      const number = this.#portMap[at];
      const byte = number === 0 ? 0xff : this.portDevices[number - 1].readPort(at, 1) & 0xff;
      if (number !== 0) this.#accesses.noteRead(number - 1, at, 1, byte);
      value |= byte << (8 * i);
    }
    return value;
  }

  #writePortByte(port: number, value: number): void {
    const number = this.#portMap[port];
    if (number === 0) return;
    this.#accesses.noteWrite(number - 1, port, 1, value);
    this.portDevices[number - 1].writePort(port, 1, value);
  }
}
