import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MMIO_BANK_GPA, VGA_TEXT_GPA } from '../../../core/devices/index.ts';
import { deviceBytes, deviceRig } from './device-rig.ts';

const BANK = MMIO_BANK_GPA | 0;

describe('the bus', () => {
  test.each([
    { size: 1, low: 0xff },
    { size: 2, low: 0xffff },
    { size: 3, low: 0xff_ffff },
    { size: 4, low: -1 },
    { size: 8, low: -1 },
  ])('a read of $size bytes that nobody claims gives all ones', ({ size, low }) => {
    const { bus } = deviceRig().devices;
    expect(bus.mmioRead(0x1000_0000, 0, size)).toBe(low);
    expect(bus.device).toBe(-1);
    if (size === 8) expect(bus.hi).toBe(-1);
  });

  test('a device is not found again 4 GiB higher up', () => {
    const { bus } = deviceRig().devices;
    expect(bus.mmioRead(BANK, 1, 4)).toBe(-1);
    expect(bus.device).toBe(-1);
  });

  test('an access names the device that claims it', () => {
    const { bus } = deviceRig().devices;
    bus.mmioRead(BANK, 0, 4);
    expect(bus.names[bus.device]).toBe('MMIO bank');
    bus.mmioWrite(VGA_TEXT_GPA, 0, 2, 0x0741, 0);
    expect(bus.names[bus.device]).toBe('VGA text memory');
    bus.pioRead(0x3fd, 1);
    expect(bus.names[bus.device]).toBe('16550 UART');
    bus.pioWrite(0x1234, 1, 0);
    expect(bus.device).toBe(-1);
  });

  test('unclaimed ports read all ones in every size', () => {
    const { bus } = deviceRig().devices;
    expect([1, 2, 4].map((size) => bus.pioRead(0x1234, size))).toEqual([0xff, 0xffff, -1]);
  });

  test('a wide access to byte-wide ports is bytes at consecutive ports, those without a device all ones', () => {
    const rig = deviceRig();
    rig.write(0x3ff, 0x42);
    expect(rig.devices.bus.pioRead(0x3ff, 2)).toBe(0xff42);
    rig.devices.bus.pioWrite(0x3d4, 2, 0x120e);
    expect(rig.read(0x3d5)).toBe(0x12);
  });

  test('an access over the end of a device reads ones behind it and does not write there', () => {
    const { bus } = deviceRig().devices;
    bus.mmioWrite(BANK + 0xffe, 0, 4, 0x4433_2211, 0);
    expect(bus.mmioRead(BANK + 0xffe, 0, 4)).toBe(0xffff_2211 | 0);
  });

  test('peeking at any port or device byte changes nothing', () => {
    const rig = deviceRig();
    rig.devices.uart.receive(new Uint8Array([1, 2, 3]));
    rig.write(0x43, 0xb6);
    rig.write(0x42, 0x33, 0x05);
    rig.devices.bus.mmioWrite(BANK + 0x18, 0, 4, 0xff, 0);
    rig.pass(123_456_789);
    const before = deviceBytes(rig);
    for (let port = 0; port < 0x1_0000; port += 1) rig.devices.bus.peekPort(port);
    for (let offset = 0; offset < 4096; offset += 1) rig.devices.bus.peekMmio(BigInt(MMIO_BANK_GPA + offset));
    for (let offset = 0; offset < 4096; offset += 1) rig.devices.bus.peekMmio(BigInt(VGA_TEXT_GPA + offset));
    expect(deviceBytes(rig)).toEqual(before);
  });

  test('a peek shows the byte that a read would give', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(0x500), fc.nat(255)), { maxLength: 40 }),
        fc.nat(2_000_000_000),
        fc.nat(0x500),
        (writes, ns, port) => {
          const rig = deviceRig();
          for (const [at, value] of writes) rig.write(at, value);
          rig.pass(ns);
          const peeked = rig.devices.bus.peekPort(port);
          return peeked === undefined ? rig.read(port) === 0xff : peeked === rig.read(port);
        },
      ),
    );
  });

  test('no port access of any kind throws or leaves its size', () => {
    const access = fc.record({
      port: fc.oneof(fc.nat(0x500), fc.nat(0xffff)),
      size: fc.constantFrom(1, 2, 4),
      value: fc.integer(),
      ns: fc.nat(50_000_000),
      out: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(access, { maxLength: 60 }), (accesses) => {
        const rig = deviceRig();
        for (const { port, size, value, ns, out } of accesses) {
          rig.run(Math.min(ns, 3_000_000));
          if (out) rig.devices.bus.pioWrite(port, size, value);
          else expect(rig.devices.bus.pioRead(port, size) >>> 0).toBeLessThan(2 ** (8 * size));
          rig.interrupt();
        }
      }),
      { numRuns: 60 },
    );
  });
});
