import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cyclesAt, timeOfCycle } from '../../../core/devices/oscillator.ts';
import { PIT_HERTZ } from '../../../core/devices/pit.ts';
import { type DeviceRig, deviceRig } from './device-rig.ts';

/** Brings the rig to the moment at which `cycles` of the 8254's clock have passed since now. */
function passCycles(rig: DeviceRig, cycles: number): void {
  const now = rig.devices.clock.now();
  rig.run(timeOfCycle(PIT_HERTZ, cyclesAt(PIT_HERTZ, now) + cycles) - now);
}

const readBoth = (rig: DeviceRig, port: number): number => rig.read(port) | (rig.read(port) << 8);

/** Counter 2 with its gate open. */
function program(rig: DeviceRig, mode: number, count: number): void {
  rig.write(0x61, 0x01);
  rig.write(0x43, 0xb0 | (mode << 1));
  rig.write(0x42, count & 0xff, count >> 8);
}
const out2 = (rig: DeviceRig): number => (rig.read(0x61) >> 5) & 1;

/** OUT of counter 2 after each of the next cycles; the first of them loads the count. */
function wave(rig: DeviceRig, cycles: number): string {
  let levels = '';
  for (let i = 0; i < cycles; i += 1) {
    passCycles(rig, 1);
    levels += out2(rig) === 1 ? '-' : '_';
  }
  return levels;
}

describe('the 8254', () => {
  test.each([
    { mode: 0, count: 4, levels: '____--------', says: 'low until the count is over' },
    { mode: 2, count: 4, levels: '---_---_---_', says: 'low for the last of every four' },
    { mode: 3, count: 4, levels: '--__--__--__', says: 'a square of four' },
    { mode: 3, count: 5, levels: '---__---__---__', says: 'an odd square is high for one more' },
    { mode: 4, count: 4, levels: '----_-------', says: 'a strobe of one after the count' },
  ])('mode $mode with count $count: $says', ({ mode, count, levels }) => {
    const rig = deviceRig();
    program(rig, mode, count);
    expect(wave(rig, levels.length)).toBe(levels);
  });

  test.each([
    { mode: 1, levels: '____----' },
    { mode: 5, levels: '----_---' },
  ])('mode $mode waits for its gate', ({ mode, levels }) => {
    const rig = deviceRig();
    program(rig, mode, 4);
    expect(wave(rig, 3)).toBe('---');
    rig.write(0x61, 0x00);
    rig.write(0x61, 0x01);
    expect(wave(rig, 8)).toBe(levels);
  });

  test('counts down from what was written, one a cycle', () => {
    const rig = deviceRig();
    program(rig, 0, 1000);
    passCycles(rig, 1);
    rig.write(0x43, 0x80);
    expect(readBoth(rig, 0x42)).toBe(1000);
    passCycles(rig, 250);
    rig.write(0x43, 0x80);
    expect(readBoth(rig, 0x42)).toBe(750);
  });

  test('a latched count stays until it is read', () => {
    const rig = deviceRig();
    program(rig, 0, 1000);
    passCycles(rig, 101);
    rig.write(0x43, 0x80);
    passCycles(rig, 100);
    expect(readBoth(rig, 0x42)).toBe(900);
    expect(readBoth(rig, 0x42)).toBe(800);
  });

  test('BCD counts in tens', () => {
    const rig = deviceRig();
    rig.write(0x61, 0x01);
    rig.write(0x43, 0xb1);
    rig.write(0x42, 0x00, 0x10);
    passCycles(rig, 2);
    rig.write(0x43, 0x80);
    expect(readBoth(rig, 0x42)).toBe(0x0999);
  });

  test('a count of zero is the largest', () => {
    const rig = deviceRig();
    program(rig, 0, 0);
    passCycles(rig, 65_536);
    expect(out2(rig)).toBe(0);
    passCycles(rig, 1);
    expect(out2(rig)).toBe(1);
  });

  test.each([
    { access: 1, write: [7], reads: [7, 7] },
    { access: 2, write: [7], reads: [7, 7] },
    { access: 3, write: [7, 9], reads: [7, 9] },
  ])('access mode $access reads and writes its bytes in order', ({ access, write, reads }) => {
    const rig = deviceRig();
    rig.write(0x61, 0x01);
    rig.write(0x43, 0x80 | (access << 4));
    rig.write(0x42, ...write);
    rig.write(0x61, 0x00);
    expect([rig.read(0x42), rig.read(0x42)]).toEqual(reads);
  });

  test('read-back gives status, then count: OUT, null count, access, mode', () => {
    const rig = deviceRig();
    rig.write(0x61, 0x01);
    rig.write(0x43, 0xb4);
    rig.write(0x43, 0xe8);
    expect(rig.read(0x42)).toBe(0x80 | 0x40 | 0x34);
    rig.write(0x42, 0x10, 0x00);
    passCycles(rig, 2);
    rig.write(0x43, 0xc8);
    expect(rig.read(0x42)).toBe(0x80 | 0x34);
    expect(readBoth(rig, 0x42)).toBe(0x0f);
  });

  test('a new count in mode 2 waits for the end of the period', () => {
    const rig = deviceRig();
    program(rig, 2, 4);
    passCycles(rig, 2);
    rig.write(0x42, 2, 0);
    expect(wave(rig, 6)).toBe('-_-_-_');
  });

  test('a closed gate holds the count of mode 0 and lets it go on', () => {
    const rig = deviceRig();
    program(rig, 0, 100);
    passCycles(rig, 11);
    rig.write(0x61, 0x00);
    passCycles(rig, 1000);
    rig.write(0x43, 0x80);
    expect(readBoth(rig, 0x42)).toBe(90);
    rig.write(0x61, 0x01);
    passCycles(rig, 10);
    rig.write(0x43, 0x80);
    expect(readBoth(rig, 0x42)).toBe(80);
  });

  test('counter 0 interrupts at its rate', () => {
    const rig = deviceRig();
    rig.startPics();
    rig.write(0x43, 0x34);
    rig.write(0x40, 11_932 & 0xff, 11_932 >> 8);
    let ticks = 0;
    for (let ms = 0; ms < 1000; ms += 1) {
      rig.run(1_000_000);
      if (rig.interrupt() === 0x20) {
        ticks += 1;
        rig.write(0x20, 0x20);
      }
    }
    expect(ticks).toBe(99); // 99.998 periods
  });

  test('a tick is due exactly at the deadline and not a nanosecond before', () => {
    const rig = deviceRig();
    rig.startPics();
    rig.write(0x43, 0x30);
    rig.write(0x40, 100, 0);
    const due = rig.devices.nextDeadline();
    expect(due).toBe(timeOfCycle(PIT_HERTZ, 101));
    rig.pass(due - 1);
    expect(rig.interrupt()).toBeUndefined();
    rig.pass(1);
    expect(rig.interrupt()).toBe(0x20);
    expect(rig.devices.pit.deadline()).toBe(Infinity);
  });

  test('its clock and the virtual clock convert exactly both ways', () => {
    fc.assert(
      fc.property(
        fc.nat(9_000_000),
        fc.nat(PIT_HERTZ - 1),
        fc.constantFrom(PIT_HERTZ, 32_768),
        (seconds, rest, hertz) => {
          const cycle = seconds * hertz + (rest % hertz);
          const ns = timeOfCycle(hertz, cycle);
          return cyclesAt(hertz, ns) === cycle && (ns === 0 || cyclesAt(hertz, ns - 1) === cycle - 1);
        },
      ),
    );
  });
});
