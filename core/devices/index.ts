/** The devices' public face. */
export { DeviceBus } from './device-bus.ts';
export { DeviceSet } from './device-set.ts';
export type { MmioDevice, PortDevice, TimedDevice } from './device.ts';
export type { PortAccess } from './port-access.ts';
export type { PicChipState } from './pic-chip.ts';
export type { PitCounterState } from './pit-counter.ts';
export { MMIO_BANK_BYTES, MMIO_BANK_GPA, MMIO_BANK_ID } from './mmio-bank.ts';
export { VGA_COLUMNS, VGA_ROWS, VGA_TEXT_BYTES, VGA_TEXT_GPA } from './vga.ts';
export { VirtualClock } from './virtual-clock.ts';
export { LockedBus, withDevices } from './locked-bus.ts';
