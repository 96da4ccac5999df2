/** Devices, interrupt lines and the VGA text screen, as panels show them. */
import type { Moment } from './machine-snapshots.ts';

/** A register of a device as it stands; looking at it changed nothing. */
export interface DeviceRegister {
  readonly name: string;
  readonly value: number;
  /** Hexadecimal digits that it has. */
  readonly digits: number;
  readonly meaning: string;
}

export interface DeviceAccess {
  readonly space: 'port' | 'mmio';
  readonly isWrite: boolean;
  readonly address: bigint;
  readonly size: number;
  readonly value: bigint;
  /** Instructions that had retired. */
  readonly insns: number;
}

export interface DeviceSnapshot {
  readonly name: string;
  readonly ranges: readonly { readonly space: 'port' | 'mmio'; readonly first: bigint; readonly last: bigint }[];
  /** Its line at the interrupt controllers. */
  readonly irq: number | undefined;
  /** The last one; of MMIO, the last that the fault log still has. */
  readonly lastAccess: DeviceAccess | undefined;
  readonly groups: readonly { readonly title: string; readonly registers: readonly DeviceRegister[] }[];
}

/** The sixteen lines of the two 8259s. */
export interface InterruptLine {
  readonly irq: number;
  readonly device: string | undefined;
  readonly vector: number;
  readonly isHigh: boolean;
  readonly isRequested: boolean;
  readonly isMasked: boolean;
  readonly isInService: boolean;
  readonly isLevel: boolean;
}

export interface DevicesSnapshot {
  readonly moment: Moment;
  readonly devices: readonly DeviceSnapshot[];
  readonly lines: readonly InterruptLine[];
}

export interface VgaSnapshot {
  readonly moment: Moment;
  readonly columns: number;
  readonly rows: number;
  /** columns × rows × 2 bytes: character, attribute. */
  readonly cells: Uint8Array;
  readonly cursor: number;
}
