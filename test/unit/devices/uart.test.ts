import { describe, expect, test } from 'vitest';
import { type DeviceRig, deviceRig } from './device-rig.ts';

const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH] = [0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff];
const FCR = IIR;
const VECTOR = 0x24;

function rigWithInterrupts(enabled: number): DeviceRig {
  const rig = deviceRig();
  rig.startPics();
  rig.write(MCR, 0x08);
  rig.write(IER, enabled);
  return rig;
}
const type = ({ devices }: DeviceRig, text: string): number => devices.uart.receive(new TextEncoder().encode(text));
const readText = (rig: DeviceRig): string => {
  let text = '';
  while ((rig.read(LSR) & 1) !== 0) text += String.fromCharCode(rig.read(DATA));
  return text;
};
const acknowledge = (rig: DeviceRig): number | undefined => {
  const vector = rig.interrupt();
  rig.write(0x20, 0x20);
  return vector;
};

describe('the 16550', () => {
  test('sends what is written and is ready for more at once', () => {
    const rig = deviceRig();
    rig.write(DATA, 0x48, 0x69);
    expect(rig.sent).toEqual([0x48, 0x69]);
    expect(rig.read(LSR)).toBe(0x60);
  });

  test('the divisor latch lies under data and interrupt enable while DLAB is set, and sends nothing', () => {
    const rig = deviceRig();
    rig.write(LCR, 0x83);
    rig.write(DATA, 0x01);
    rig.write(IER, 0x02);
    expect([rig.read(DATA), rig.read(IER)]).toEqual([0x01, 0x02]);
    rig.write(LCR, 0x03);
    expect(rig.read(IER)).toBe(0);
    expect(rig.sent).toEqual([]);
  });

  test('the scratch register keeps a byte', () => {
    const rig = deviceRig();
    rig.write(SCRATCH, 0xa5);
    expect(rig.read(SCRATCH)).toBe(0xa5);
  });

  test('IIR shows the FIFOs once they are on', () => {
    const rig = deviceRig();
    expect(rig.read(IIR)).toBe(0x01);
    rig.write(FCR, 0x01);
    expect(rig.read(IIR)).toBe(0xc1);
    rig.write(FCR, 0xc0);
    expect(rig.read(IIR)).toBe(0x01);
  });

  test('typed text waits on the line until the receiver takes it, FIFO or not', () => {
    const text = 'a line that is longer than sixteen characters';
    for (const fifo of [0x00, 0x01]) {
      const rig = deviceRig();
      rig.write(FCR, fifo);
      expect(type(rig, text)).toBe(text.length);
      expect(readText(rig)).toBe(text);
      expect(rig.read(LSR) & 0x02).toBe(0);
    }
  });

  test('the line holds 64 KiB and says how much it took', () => {
    const rig = deviceRig();
    expect(rig.devices.uart.receive(new Uint8Array(70_000))).toBe(65_536);
    expect(rig.devices.uart.receive(new Uint8Array(10))).toBe(1); // one byte is in the receiver
  });

  test('a received byte interrupts until it is read', () => {
    const rig = rigWithInterrupts(0x01);
    type(rig, 'x');
    expect(rig.read(IIR)).toBe(0x04);
    expect(acknowledge(rig)).toBe(VECTOR);
    expect(rig.read(DATA)).toBe(0x78);
    expect(rig.read(IIR)).toBe(0x01);
    expect(acknowledge(rig)).toBeUndefined();
  });

  test('the FIFO interrupts at its trigger level, or after four character times of silence', () => {
    const rig = rigWithInterrupts(0x01);
    rig.write(LCR, 0x83);
    rig.write(DATA, 0x01);
    rig.write(IER, 0x00);
    rig.write(LCR, 0x03);
    rig.write(FCR, 0x81);
    type(rig, 'seven..');
    expect(rig.interrupt()).toBeUndefined();
    const fourCharacters = 4 * Math.ceil((10 * 1e9) / 115_200);
    rig.pass(fourCharacters - 1);
    expect(rig.interrupt()).toBeUndefined();
    rig.pass(1);
    expect(rig.read(IIR)).toBe(0xcc);
    expect(acknowledge(rig)).toBe(VECTOR);
    rig.read(DATA);
    expect(rig.read(IIR)).toBe(0xc1);
    type(rig, '..');
    expect(rig.read(IIR)).toBe(0xc4);
  });

  test('the transmitter interrupts when enabled and after each byte; reading IIR takes it back', () => {
    const rig = rigWithInterrupts(0x02);
    expect(acknowledge(rig)).toBe(VECTOR);
    expect(rig.read(IIR)).toBe(0x02);
    expect(rig.read(IIR)).toBe(0x01);
    rig.write(DATA, 0x41);
    expect(acknowledge(rig)).toBe(VECTOR);
    expect(rig.read(IIR)).toBe(0x02);
  });

  test('OUT2 keeps the interrupt off the bus', () => {
    const rig = rigWithInterrupts(0x01);
    rig.write(MCR, 0x00);
    type(rig, 'x');
    expect(rig.interrupt()).toBeUndefined();
    rig.write(MCR, 0x08);
    expect(rig.interrupt()).toBe(VECTOR);
  });

  test('in loopback a byte comes back instead of going out, and modem outputs become inputs', () => {
    const rig = deviceRig();
    rig.write(MCR, 0x10);
    rig.write(DATA, 0x5a);
    expect(rig.sent).toEqual([]);
    expect(rig.read(DATA)).toBe(0x5a);
    expect(rig.read(MSR) & 0xf0).toBe(0x00);
    rig.write(MCR, 0x1f);
    expect(rig.read(MSR) & 0xf0).toBe(0xf0);
  });

  test('a second byte in loopback without a FIFO is an overrun; reading LSR clears it', () => {
    const rig = deviceRig();
    rig.write(MCR, 0x10);
    rig.write(DATA, 1, 2);
    expect(rig.read(LSR)).toBe(0x63);
    expect(rig.read(LSR)).toBe(0x61);
    expect(rig.read(DATA)).toBe(2);
  });

  test('modem changes are reported once and interrupt', () => {
    const rig = rigWithInterrupts(0x08);
    expect(rig.read(MSR)).toBe(0xb0);
    rig.write(MCR, 0x18);
    expect(rig.read(MSR) & 0x0f).toBe(0x03);
    expect(rig.read(MSR) & 0x0f).toBe(0x00);
  });

  test('resetting the receive FIFO drops what is in it and lets the rest of the line in', () => {
    const rig = deviceRig();
    rig.write(FCR, 0x01);
    type(rig, '0123456789abcdefXYZ');
    rig.write(FCR, 0x03);
    expect(readText(rig)).toBe('XYZ');
  });
});
