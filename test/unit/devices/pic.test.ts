import { describe, expect, test } from 'vitest';
import { type DeviceRig, deviceRig } from './device-rig.ts';

function started(): DeviceRig {
  const rig = deviceRig();
  rig.startPics();
  rig.devices.pic.setIrq(0, false);
  return rig;
}

const pulse = ({ devices }: DeviceRig, irq: number): void => {
  devices.pic.setIrq(irq, false);
  devices.pic.setIrq(irq, true);
};
const eoi = (rig: DeviceRig): void => rig.write(0x20, 0x20);
const inService = (rig: DeviceRig, port = 0x20): number => {
  rig.write(port, 0x0b);
  return rig.read(port);
};
const requests = (rig: DeviceRig, port = 0x20): number => {
  rig.write(port, 0x0a);
  return rig.read(port);
};

describe('two 8259', () => {
  test('say nothing before they are initialised', () => {
    const rig = deviceRig();
    pulse(rig, 1);
    expect(rig.interrupt()).toBeUndefined();
  });

  test.each([
    { irq: 1, vector: 0x21 },
    { irq: 7, vector: 0x27 },
    { irq: 8, vector: 0x28 },
    { irq: 15, vector: 0x2f },
  ])('IRQ $irq comes as vector $vector', ({ irq, vector }) => {
    const rig = started();
    pulse(rig, irq);
    expect(rig.interrupt()).toBe(vector);
    expect(rig.interrupt()).toBeUndefined();
  });

  test('the mask holds a request back and lets it through when it is lifted', () => {
    const rig = started();
    rig.write(0x21, 0x08);
    pulse(rig, 3);
    expect(rig.interrupt()).toBeUndefined();
    expect(requests(rig)).toBe(0x08);
    rig.write(0x21, 0x00);
    expect(rig.interrupt()).toBe(0x23);
  });

  test('lower lines go first, and wait while a stronger one is in service', () => {
    const rig = started();
    pulse(rig, 4);
    pulse(rig, 1);
    expect(rig.interrupt()).toBe(0x21);
    expect(rig.interrupt()).toBeUndefined();
    expect(inService(rig)).toBe(0x02);
    eoi(rig);
    expect(rig.interrupt()).toBe(0x24);
  });

  test('a stronger line interrupts a weaker one in service; the end of interrupt is for the stronger', () => {
    const rig = started();
    pulse(rig, 4);
    rig.interrupt();
    pulse(rig, 1);
    expect(rig.interrupt()).toBe(0x21);
    eoi(rig);
    expect(inService(rig)).toBe(0x10);
  });

  test('the slave ranks between lines 1 and 3, and both chips want an end of interrupt', () => {
    const rig = started();
    pulse(rig, 3);
    pulse(rig, 12);
    expect(rig.interrupt()).toBe(0x2c);
    expect(rig.interrupt()).toBeUndefined();
    rig.write(0xa0, 0x20);
    expect(rig.interrupt()).toBeUndefined();
    eoi(rig);
    expect(rig.interrupt()).toBe(0x23);
  });

  test('a second request of the slave follows after its end of interrupt', () => {
    const rig = started();
    pulse(rig, 9);
    pulse(rig, 10);
    expect(rig.interrupt()).toBe(0x29);
    rig.write(0xa0, 0x20);
    eoi(rig);
    expect(rig.interrupt()).toBe(0x2a);
  });

  test('a specific end of interrupt ends the line it names', () => {
    const rig = started();
    pulse(rig, 5);
    rig.interrupt();
    pulse(rig, 2 + 1);
    rig.interrupt();
    rig.write(0x20, 0x60 | 5);
    expect(inService(rig)).toBe(0x08);
  });

  test('a line that has fallen before the acknowledge leaves the spurious vector and nothing in service', () => {
    const rig = started();
    pulse(rig, 4);
    rig.devices.pic.setIrq(4, false);
    expect(rig.devices.bus.interruptPending()).toBe(false);
    expect(rig.devices.bus.acknowledgeInterrupt()).toBe(0x27);
    expect(inService(rig)).toBe(0);
  });

  test('an edge is taken once however long the line stays high; a level comes again', () => {
    const rig = started();
    pulse(rig, 5);
    rig.interrupt();
    eoi(rig);
    expect(rig.interrupt()).toBeUndefined();
    rig.write(0x4d0, 0x20);
    expect(rig.interrupt()).toBe(0x25);
    eoi(rig);
    expect(rig.interrupt()).toBe(0x25);
    eoi(rig);
    rig.devices.pic.setIrq(5, false);
    expect(rig.interrupt()).toBeUndefined();
  });

  test('the edge/level register keeps the lines of the board edge triggered', () => {
    const rig = started();
    rig.write(0x4d0, 0xff);
    rig.write(0x4d1, 0xff);
    expect([rig.read(0x4d0), rig.read(0x4d1)]).toEqual([0xf8, 0xde]);
  });

  test('automatic end of interrupt leaves nothing in service', () => {
    const rig = deviceRig();
    rig.write(0x20, 0x11);
    rig.write(0x21, 0x20, 0x04, 0x03);
    pulse(rig, 3);
    expect(rig.interrupt()).toBe(0x23);
    expect(inService(rig)).toBe(0);
  });

  test('rotation puts the line just served last', () => {
    const rig = started();
    pulse(rig, 3);
    rig.interrupt();
    rig.write(0x20, 0xa0);
    pulse(rig, 3);
    pulse(rig, 6);
    expect(rig.interrupt()).toBe(0x26);
  });

  test('set priority makes the line after the named one the strongest', () => {
    const rig = started();
    rig.write(0x20, 0xc0 | 4);
    pulse(rig, 1);
    pulse(rig, 5);
    expect(rig.interrupt()).toBe(0x25);
  });

  test('special mask mode lets weaker lines through while the one in service is masked', () => {
    const rig = started();
    pulse(rig, 1);
    rig.interrupt();
    pulse(rig, 6);
    expect(rig.interrupt()).toBeUndefined();
    rig.write(0x20, 0x68);
    rig.write(0x21, 0x02);
    expect(rig.interrupt()).toBe(0x26);
  });

  test('a poll answers with the line and acknowledges it', () => {
    const rig = started();
    pulse(rig, 6);
    rig.write(0x20, 0x0c);
    expect(rig.read(0x20)).toBe(0x86);
    expect(inService(rig)).toBe(0x40);
    rig.write(0x20, 0x0c);
    expect(rig.read(0x20)).toBe(0x00);
  });

  test('initialisation clears masks, requests and service', () => {
    const rig = started();
    rig.write(0x21, 0xff);
    pulse(rig, 3);
    rig.startPics();
    expect(rig.read(0x21)).toBe(0);
    expect(requests(rig)).toBe(0);
  });

  test.each([
    { what: 'masked', prepare: (rig: DeviceRig) => rig.write(0x21, 0x01), can: false },
    { what: 'behind a line in service', prepare: (rig: DeviceRig) => (pulse(rig, 0), rig.interrupt()), can: false },
    { what: 'open', prepare: () => undefined, can: true },
  ])('a line that is $what can interrupt: $can', ({ prepare, can }) => {
    const rig = started();
    prepare(rig);
    expect(rig.devices.pic.canInterrupt(0)).toBe(can);
  });
});
