/** The devices of a machine with their ranges, the last access that each saw, and their registers in words. */
import type { Arena } from '../../arena/arena.ts';
import type { DeviceSet } from '../../devices/index.ts';
import type { DeviceAccess, DeviceSnapshot, InterruptLine } from '../../protocol/snapshots.ts';
import { mmioFaultCount, readMmioLog } from '../logs/mmio-records.ts';
import { registersOf } from './device-registers.ts';

/** Records of the fault log that are looked through for a device's last access. */
const LOOKED_THROUGH = 2000;

export function listDevices(arena: Arena, devices: DeviceSet): readonly DeviceSnapshot[] {
  const { bus } = devices;
  const lastMmio = lastMmioAccesses(arena, devices);
  const ports = bus.portDevices.map((device, number) => ({
    name: device.name,
    ranges: device.ports.map(({ first, last }) => ({
      space: 'port' as const,
      first: BigInt(first),
      last: BigInt(last),
    })),
    irq: IRQS[device.name],
    lastAccess: lastPortAccess(devices, number),
    groups: registersOf(devices, device.name),
  }));
  const mmio = bus.mmioDevices.map(({ name, gpa, bytes }) => ({
    name,
    ranges: [{ space: 'mmio' as const, first: BigInt(gpa), last: BigInt(gpa + bytes - 1) }],
    irq: undefined,
    lastAccess: lastMmio.get(name),
    groups: registersOf(devices, name),
  }));
  return [...ports, ...mmio];
}

/** PC/AT wiring; the devices raise them by number. */
const IRQS: Readonly<Record<string, number>> = {
  '8254 PIT': 0,
  '8042 keyboard controller': 1,
  '16550 UART': 4,
  'CMOS/RTC': 8,
};
const CASCADE = 2;

export function listInterruptLines({ pic }: DeviceSet): readonly InterruptLine[] {
  const { master, slave } = pic.state();
  return Array.from({ length: 16 }, (_unused, irq) => {
    const chip = irq < 8 ? master : slave;
    const bit = 1 << (irq & 7);
    const device = Object.entries(IRQS).find(([, line]) => line === irq)?.[0];
    return {
      irq,
      device: irq === CASCADE ? 'the second 8259' : device,
      vector: chip.vectorBase | (irq & 7),
      isHigh: (chip.lines & bit) !== 0,
      isRequested: (chip.irr & bit) !== 0,
      isMasked: (chip.imr & bit) !== 0,
      isInService: (chip.isr & bit) !== 0,
      isLevel: (chip.level & bit) !== 0,
    };
  });
}

function lastPortAccess({ portAccesses }: DeviceSet, number: number): DeviceAccess | undefined {
  const access = portAccesses.last(number);
  if (access === undefined) return undefined;
  const { port, value, ...others } = access;
  return { space: 'port', address: BigInt(port), value: BigInt(value), ...others };
}

function lastMmioAccesses(arena: Arena, { bus }: DeviceSet): ReadonlyMap<string, DeviceAccess> {
  const last = new Map<string, DeviceAccess>();
  const since = Math.max(0, mmioFaultCount(arena) - LOOKED_THROUGH);
  const { records } = readMmioLog(arena, since, LOOKED_THROUGH, (number) => bus.names[number]);
  for (const { device, access, gpa, size, value, insns } of records) {
    if (device === undefined) continue;
    last.set(device, { space: 'mmio', isWrite: access === 'write', address: gpa, size, value, insns });
  }
  return last;
}
