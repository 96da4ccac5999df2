import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { civilFromSeconds } from '../../../core/devices/calendar.ts';
import {
  B_24_HOURS,
  B_BINARY,
  encodeHour,
  nextAlarm,
  RTC_HOURS_ALARM,
  RTC_MINUTES_ALARM,
  RTC_SECONDS_ALARM,
} from '../../../core/devices/rtc-registers.ts';

const MODE = B_24_HOURS | B_BINARY;
const anyValue = (byte: number): boolean => (byte & 0xc0) === 0xc0;

/** Second by second. */
function slowly(registers: Uint8Array, seconds: number, span: number): number | undefined {
  for (let at = seconds + 1; at <= seconds + span; at += 1) {
    const time = civilFromSeconds(at);
    const fields = [
      [registers[RTC_SECONDS_ALARM], time.second],
      [registers[RTC_MINUTES_ALARM], time.minute],
      [registers[RTC_HOURS_ALARM], encodeHour(time.hour, MODE)],
    ];
    if (fields.every(([alarm, value]) => anyValue(alarm) || alarm === value)) return at;
  }
  return undefined;
}

describe('the next alarm of the clock', () => {
  const alarmByte = fc.oneof(fc.integer({ min: 0, max: 59 }), fc.constantFrom(0x7f, 0xc0, 0xff));

  test('is the one that counting the seconds finds', () => {
    fc.assert(
      fc.property(
        alarmByte,
        alarmByte,
        alarmByte,
        fc.nat(100_000_000),
        fc.integer({ min: 1, max: 86_400 }),
        (s, m, h, now, span) => {
          const registers = new Uint8Array(128);
          registers[RTC_SECONDS_ALARM] = s;
          registers[RTC_MINUTES_ALARM] = m;
          registers[RTC_HOURS_ALARM] = h;
          expect(nextAlarm(registers, now, span, MODE)).toBe(slowly(registers, now, span));
        },
      ),
      { numRuns: 60 },
    );
  });
});
