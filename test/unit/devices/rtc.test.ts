import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { civilFromSeconds, secondsFromCivil } from '../../../core/devices/calendar.ts';
import { type DeviceRig, deviceRig } from './device-rig.ts';

const SECOND = 1e9;
const cmos = (rig: DeviceRig, index: number): number => {
  rig.write(0x70, index);
  return rig.read(0x71);
};
const setCmos = (rig: DeviceRig, index: number, value: number): void => {
  rig.write(0x70, index);
  rig.write(0x71, value);
};
const clock = (rig: DeviceRig): string =>
  [0x32, 9, 8, 7, 4, 2, 0].map((index) => cmos(rig, index).toString(16).padStart(2, '0')).join(' ');

describe('the CMOS RAM', () => {
  test('lists no FPU and no mouse: there are none', () => {
    expect(cmos(deviceRig(), 0x14)).toBe(0);
  });
});

describe('the real-time clock', () => {
  test('starts at the time it is given and goes with the virtual clock', () => {
    const rig = deviceRig();
    expect(clock(rig)).toBe('20 13 06 07 00 00 00');
    rig.pass(86_399 * SECOND);
    expect(clock(rig)).toBe('20 13 06 07 23 59 59');
    rig.pass(SECOND);
    expect(clock(rig)).toBe('20 13 06 08 00 00 00');
    expect(cmos(rig, 6)).toBe(7); // a Saturday
  });

  test.each([
    { mode: 'BCD, 24 hours', b: 0x02, hour: 0x13 },
    { mode: 'BCD, 12 hours', b: 0x00, hour: 0x81 },
    { mode: 'binary, 24 hours', b: 0x06, hour: 13 },
    { mode: 'binary, 12 hours', b: 0x04, hour: 0x81 },
  ])('shows 13:00 in $mode', ({ b, hour }) => {
    const rig = deviceRig();
    rig.pass(13 * 3600 * SECOND);
    setCmos(rig, 0x0b, b);
    expect(cmos(rig, 4)).toBe(hour);
  });

  test('midnight and noon are twelve in 12-hour mode', () => {
    const rig = deviceRig();
    setCmos(rig, 0x0b, 0x00);
    expect(cmos(rig, 4)).toBe(0x12);
    rig.pass(12 * 3600 * SECOND);
    expect(cmos(rig, 4)).toBe(0x92);
  });

  test('SET holds the time for writing; clearing it lets the new time run', () => {
    const rig = deviceRig();
    setCmos(rig, 0x0b, 0x82);
    rig.pass(10 * SECOND);
    expect(cmos(rig, 0)).toBe(0x00);
    for (const [index, value] of [
      [0x32, 0x19],
      [9, 0x99],
      [8, 0x12],
      [7, 0x31],
      [4, 0x23],
      [2, 0x59],
      [0, 0x58],
    ]) {
      setCmos(rig, index, value);
    }
    setCmos(rig, 0x0b, 0x02);
    rig.pass(2 * SECOND);
    expect(clock(rig)).toBe('20 00 01 01 00 00 00');
  });

  test('a time register can be written while the clock runs', () => {
    const rig = deviceRig();
    rig.pass(SECOND);
    setCmos(rig, 4, 0x07);
    expect(clock(rig)).toBe('20 13 06 07 07 00 01');
  });

  test('UIP announces the update: 244 µs before it and the 1984 µs that it takes', () => {
    const rig = deviceRig();
    const uip = (): number => cmos(rig, 0x0a) & 0x80;
    rig.pass(SECOND - 2_228_000 - 1);
    expect(uip()).toBe(0);
    rig.pass(1);
    expect(uip()).toBe(0x80);
    rig.pass(2_228_000 - 1);
    expect(uip()).toBe(0x80);
    rig.pass(1);
    expect(uip()).toBe(0);
  });

  test('the periodic interrupt comes 1024 times a second, and again only after register C is read', () => {
    const rig = deviceRig();
    rig.startPics();
    rig.write(0x21, 0xfb);
    setCmos(rig, 0x0b, 0x42);
    let count = 0;
    while (rig.devices.clock.now() < SECOND) {
      rig.run(100_000);
      if (rig.interrupt() !== 0x28) continue;
      count += 1;
      rig.write(0xa0, 0x20);
      rig.write(0x20, 0x20);
      cmos(rig, 0x0c);
    }
    expect(count).toBe(1024);
    rig.run(SECOND);
    expect(rig.interrupt()).toBe(0x28);
    rig.write(0xa0, 0x20);
    rig.write(0x20, 0x20);
    rig.run(SECOND);
    expect(rig.interrupt()).toBeUndefined();
  });

  test.each([
    { rate: 6, hertz: 1024 },
    { rate: 3, hertz: 8192 },
    { rate: 15, hertz: 2 },
    { rate: 1, hertz: 256 },
    { rate: 2, hertz: 128 },
  ])('rate $rate is $hertz Hz', ({ rate, hertz }) => {
    const rig = deviceRig();
    setCmos(rig, 0x0a, 0x20 | rate);
    setCmos(rig, 0x0b, 0x42);
    expect(rig.devices.rtc.deadline()).toBe(Math.ceil(SECOND / hertz));
  });

  test('the update-ended interrupt comes on the second', () => {
    const rig = deviceRig();
    rig.startPics();
    rig.write(0x21, 0xfb);
    setCmos(rig, 0x0b, 0x12);
    expect(rig.devices.rtc.deadline()).toBe(SECOND);
    rig.pass(SECOND);
    expect(rig.interrupt()).toBe(0x28);
    expect(cmos(rig, 0x0c)).toBe(0x90 | 0x40);
    expect(cmos(rig, 0x0c)).toBe(0x00);
  });

  test('the alarm goes off at its time, and every hour when the hour does not matter', () => {
    const rig = deviceRig();
    setCmos(rig, 1, 0x30);
    setCmos(rig, 3, 0x15);
    setCmos(rig, 5, 0xff);
    setCmos(rig, 0x0b, 0x22);
    expect(rig.devices.rtc.deadline()).toBe((15 * 60 + 30) * SECOND);
    rig.pass((15 * 60 + 30) * SECOND);
    expect(cmos(rig, 0x0c) & 0xa0).toBe(0xa0);
    expect(rig.devices.rtc.deadline()).toBe((3600 + 15 * 60 + 30) * SECOND);
  });

  test('an alarm that can never be is no deadline', () => {
    const rig = deviceRig();
    setCmos(rig, 1, 0x7f);
    setCmos(rig, 0x0b, 0x22);
    expect(rig.devices.rtc.deadline()).toBe(Infinity);
  });

  test('a divider in reset stops the clock; the first update comes half a second after', () => {
    const rig = deviceRig();
    setCmos(rig, 0x0a, 0x70);
    rig.pass(10 * SECOND);
    expect(cmos(rig, 0)).toBe(0x00);
    setCmos(rig, 0x0a, 0x26);
    rig.pass(SECOND / 2 - 1);
    expect(cmos(rig, 0)).toBe(0x00);
    rig.pass(1);
    expect(cmos(rig, 0)).toBe(0x01);
  });

  test('the memory sizes are where firmware puts them', () => {
    const rig = deviceRig();
    const pair = (index: number): number => cmos(rig, index) | (cmos(rig, index + 1) << 8);
    expect([pair(0x15), pair(0x17), pair(0x34)]).toEqual([640, 0xfc00, 48 * 16]);
  });

  test('CMOS RAM keeps bytes, and index bit 7 is not part of the address', () => {
    const rig = deviceRig();
    setCmos(rig, 0x50, 0x77);
    expect(cmos(rig, 0xd0)).toBe(0x77);
  });

  test('the calendar agrees with the one of the platform', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
        const time = civilFromSeconds(seconds);
        const date = new Date(seconds * 1000);
        expect(time).toEqual({
          year: date.getUTCFullYear(),
          month: date.getUTCMonth() + 1,
          day: date.getUTCDate(),
          weekday: date.getUTCDay() + 1,
          hour: date.getUTCHours(),
          minute: date.getUTCMinutes(),
          second: date.getUTCSeconds(),
        });
        expect(secondsFromCivil(time)).toBe(seconds);
      }),
    );
  });
});
