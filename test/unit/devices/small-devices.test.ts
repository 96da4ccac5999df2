import { describe, expect, test } from 'vitest';
import { MMIO_BANK_GPA, VGA_TEXT_GPA } from '../../../core/devices/index.ts';
import { deviceRig } from './device-rig.ts';

const BANK = MMIO_BANK_GPA | 0;

describe('the debug-exit port', () => {
  test.each([
    { value: 0, size: 4, status: 1 },
    { value: 1, size: 1, status: 3 },
    { value: 0x10, size: 4, status: 33 },
    { value: 0xffff_ffff, size: 4, status: 255 },
  ])('writing $value in $size bytes exits with $status', ({ value, size, status }) => {
    const { bus, requests } = deviceRig().devices;
    bus.pioWrite(0xf4, size, value | 0);
    expect(bus.stopRequested()).toBe(true);
    expect(requests.exitStatus()).toBe(status);
  });
});

describe('the ways to reset a PC', () => {
  test.each([
    { what: 'a pulse of the keyboard controller', writes: [[0x64, 0xfe]], source: /keyboard/ },
    {
      what: "the keyboard controller's output port",
      writes: [
        [0x64, 0xd1],
        [0x60, 0xde],
      ],
      source: /keyboard/,
    },
    { what: 'port 0x92', writes: [[0x92, 0x03]], source: /0x92/ },
    { what: 'port 0xcf9', writes: [[0xcf9, 0x06]], source: /0xcf9/ },
  ])('$what', ({ writes, source }) => {
    const rig = deviceRig();
    for (const [port, value] of writes) rig.write(port, value);
    expect(rig.devices.requests.resetSource()).toMatch(source);
  });

  test.each([[[0x92, 0x00]], [[0x64, 0xdd]]])('closing the A20 gate by %j stops the machine', ([port, value]) => {
    const rig = deviceRig();
    expect(rig.devices.bus.stopRequested()).toBe(false);
    rig.write(port, value);
    expect(rig.devices.requests.isA20Open()).toBe(false);
    expect(rig.devices.bus.stopRequested()).toBe(true);
  });
});

describe('the keyboard controller', () => {
  test('tests itself and says so', () => {
    const rig = deviceRig();
    rig.write(0x64, 0xaa);
    expect(rig.read(0x64) & 0x05).toBe(0x05);
    expect(rig.read(0x60)).toBe(0x55);
    expect(rig.read(0x64) & 0x01).toBe(0);
  });

  test('keeps its command byte and interrupts with an answer when told to', () => {
    const rig = deviceRig();
    rig.startPics();
    rig.write(0x21, 0xfd);
    rig.write(0x64, 0x60);
    rig.write(0x60, 0x41);
    rig.write(0x64, 0x20);
    expect(rig.interrupt()).toBe(0x21);
    expect(rig.read(0x60)).toBe(0x41);
  });

  test('has no keyboard: a command to it times out', () => {
    const rig = deviceRig();
    rig.write(0x60, 0xff);
    expect(rig.read(0x64) & 0x41).toBe(0x41);
    expect(rig.read(0x60)).toBe(0xfe);
  });
});

describe('VGA text', () => {
  test('starts blank, grey on black, the cursor at home', () => {
    const { vga } = deviceRig().devices;
    expect([...vga.cells()].every((byte, i) => byte === (i % 2 === 0 ? 0x20 : 0x07))).toBe(true);
    expect(vga.cursor()).toBe(0);
  });

  test('shows what is written, from the start address on', () => {
    const rig = deviceRig();
    rig.devices.bus.mmioWrite(VGA_TEXT_GPA + 160, 0, 4, 0x1f42_1e41, 0);
    expect([...rig.devices.vga.cells().subarray(160, 164)]).toEqual([0x41, 0x1e, 0x42, 0x1f]);
    rig.write(0x3d4, 13);
    rig.write(0x3d5, 80);
    expect([...rig.devices.vga.cells().subarray(0, 4)]).toEqual([0x41, 0x1e, 0x42, 0x1f]);
  });

  test('the cursor follows the CRTC and can be switched off', () => {
    const rig = deviceRig();
    for (const [index, value] of [
      [14, 0x01],
      [15, 0x02],
    ]) {
      rig.write(0x3d4, index);
      rig.write(0x3d5, value);
    }
    expect(rig.devices.vga.cursor()).toBe(0x102);
    rig.write(0x3d4, 10);
    rig.write(0x3d5, 0x20);
    expect(rig.devices.vga.cursor()).toBe(-1);
  });

  test('the attribute controller takes index and data in turns; reading 0x3da starts over', () => {
    const rig = deviceRig();
    rig.write(0x3c0, 0x01, 0x2a);
    rig.write(0x3c0, 0x05);
    rig.read(0x3da);
    rig.write(0x3c0, 0x01);
    expect(rig.read(0x3c1)).toBe(0x2a);
  });

  test('CRTC 0 to 7 are protected as firmware leaves them, but for the line compare bit in 7', () => {
    const rig = deviceRig();
    for (const [index, kept] of [0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x0f].entries()) {
      rig.write(0x3d4, index);
      rig.write(0x3d5, 0x00);
      expect(rig.read(0x3d5), `register ${index}`).toBe(kept);
    }
    rig.write(0x3d5, 0xff);
    expect(rig.read(0x3d5), 'register 7').toBe(0x1f);
  });

  test('CRTC 0 to 7 can be written once the protection is off', () => {
    const rig = deviceRig();
    rig.write(0x3d4, 17);
    rig.write(0x3d5, 0x0e);
    for (let index = 0; index < 8; index += 1) {
      rig.write(0x3d4, index);
      rig.write(0x3d5, 0x5a);
      expect(rig.read(0x3d5), `register ${index}`).toBe(0x5a);
    }
  });

  test('both retraces come and go with time', () => {
    const rig = deviceRig();
    const seen = new Set<number>();
    for (let i = 0; i < 2000; i += 1) {
      seen.add(rig.read(0x3da));
      rig.pass(7919);
    }
    expect([...seen].toSorted((a, b) => a - b)).toEqual([0, 1, 9]);
  });
});

describe('the register bank', () => {
  const read = (rig: ReturnType<typeof deviceRig>, offset: number): number =>
    rig.devices.bus.mmioRead(BANK + offset, 0, 4);
  const write = (rig: ReturnType<typeof deviceRig>, offset: number, value: number): void =>
    rig.devices.bus.mmioWrite(BANK + offset, 0, 4, value, 0);

  test('identifies itself', () => {
    const rig = deviceRig();
    expect(String.fromCharCode(...new Uint8Array(new Int32Array([read(rig, 0)]).buffer))).toBe('UMBR');
    expect(read(rig, 4)).toBe(1);
    write(rig, 0, 0);
    expect(read(rig, 4)).toBe(1);
  });

  test('the counter counts its reads', () => {
    const rig = deviceRig();
    expect([read(rig, 0x10), read(rig, 0x10)]).toEqual([0, 1]);
    write(rig, 0x10, 41);
    read(rig, 0x10);
    expect(read(rig, 0x10)).toBe(42);
  });

  test('the latch gathers bits, gives them once, and can be looked at without', () => {
    const rig = deviceRig();
    write(rig, 0x18, 0x03);
    write(rig, 0x18, 0x30);
    expect([read(rig, 0x1c), read(rig, 0x18), read(rig, 0x18)]).toEqual([0x33, 0x33, 0]);
  });

  test('writes are counted until they are cleared', () => {
    const rig = deviceRig();
    write(rig, 0x20, 1);
    write(rig, 0x24, 2);
    expect(read(rig, 0x14)).toBe(2);
    write(rig, 0x14, 0);
    expect(read(rig, 0x14)).toBe(0);
  });

  test.each([0x20, 0x3c, 0x800, 0xff8])('offset %i keeps what is written in any size', (offset) => {
    const rig = deviceRig();
    const { bus } = rig.devices;
    write(rig, offset, 0x4433_2211);
    expect(read(rig, offset)).toBe(0x4433_2211);
    bus.mmioWrite(BANK + offset + 1, 0, 1, 0x99, 0);
    expect(bus.mmioRead(BANK + offset, 0, 2)).toBe(0x9911);
  });

  test('eight bytes go in and out in one', () => {
    const { bus } = deviceRig().devices;
    bus.mmioWrite(BANK + 0x800, 0, 8, 0x1122_3344, 0x5566_7788);
    expect(bus.mmioRead(BANK + 0x800, 0, 8)).toBe(0x1122_3344);
    expect(bus.hi).toBe(0x5566_7788);
  });

  test('what is no register reads all ones', () => {
    const rig = deviceRig();
    expect(read(rig, 0x100)).toBe(-1);
    expect(rig.devices.bus.mmioRead(BANK, 0, 1)).toBe(0xff);
  });
});
