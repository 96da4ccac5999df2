/**
 * The MC146818's time, calendar and alarm registers as a guest sees them: BCD or binary, 12 or 24 hours (data sheet,
 * "Time, Calendar and Alarm Locations"). Pure conversions between them and a civil time.
 */
import { type CivilTime, civilFromSeconds, secondsFromCivil } from './calendar.ts';

export const RTC_SECONDS = 0;
export const RTC_SECONDS_ALARM = 1;
export const RTC_MINUTES = 2;
export const RTC_MINUTES_ALARM = 3;
export const RTC_HOURS = 4;
export const RTC_HOURS_ALARM = 5;
export const RTC_WEEKDAY = 6;
export const RTC_DAY = 7;
export const RTC_MONTH = 8;
export const RTC_YEAR = 9;
/** Where PC firmware keeps the century (and ACPI's FADT says so). */
export const RTC_CENTURY = 0x32;

/** Register B: data mode (1 = binary) and hour mode (1 = 24 hours). */
export const B_BINARY = 0x04;
export const B_24_HOURS = 0x02;
const PM = 0x80;

const encode = (value: number, mode: number): number =>
  (mode & B_BINARY) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10);
const decode = (raw: number, mode: number): number => ((mode & B_BINARY) !== 0 ? raw : (raw >> 4) * 10 + (raw & 15));

export function encodeHour(hour: number, mode: number): number {
  if ((mode & B_24_HOURS) !== 0) return encode(hour, mode);
  return encode(hour % 12 === 0 ? 12 : hour % 12, mode) | (hour >= 12 ? PM : 0);
}

function decodeHour(raw: number, mode: number): number {
  if ((mode & B_24_HOURS) !== 0) return decode(raw, mode);
  return (decode(raw & ~PM, mode) % 12) + ((raw & PM) !== 0 ? 12 : 0);
}

/** Writes a time into the registers; the alarm is left alone. */
export function storeTime(registers: Uint8Array, time: CivilTime, mode: number): void {
  registers[RTC_SECONDS] = encode(time.second, mode);
  registers[RTC_MINUTES] = encode(time.minute, mode);
  registers[RTC_HOURS] = encodeHour(time.hour, mode);
  registers[RTC_WEEKDAY] = encode(time.weekday, mode);
  registers[RTC_DAY] = encode(time.day, mode);
  registers[RTC_MONTH] = encode(time.month, mode);
  registers[RTC_YEAR] = encode(time.year % 100, mode);
  registers[RTC_CENTURY] = encode(Math.floor(time.year / 100), mode);
}

/**
 * The time the registers say, in seconds since 1970. Fields out of range run over into the next one, as the day after the
 * 31st of a short month does; nothing a guest can write is refused.
 */
export function readTime(registers: Uint8Array, mode: number): number {
  const month = Math.min(12, Math.max(1, decode(registers[RTC_MONTH], mode)));
  return secondsFromCivil({
    year: Math.max(1970, decode(registers[RTC_CENTURY], mode) * 100 + decode(registers[RTC_YEAR], mode)),
    month,
    day: decode(registers[RTC_DAY], mode),
    hour: decodeHour(registers[RTC_HOURS], mode),
    minute: decode(registers[RTC_MINUTES], mode),
    second: decode(registers[RTC_SECONDS], mode),
  });
}

/** "The don't care code is any hexadecimal byte from C0 to FF." */
const matches = (alarm: number, raw: number): boolean => (alarm & 0xc0) === 0xc0 || alarm === raw;

/** The first second after `seconds`, within `span` (a day at most), at which the alarm goes off; undefined when it does not. */
export function nextAlarm(registers: Uint8Array, seconds: number, span: number, mode: number): number | undefined {
  const isSecond = (second: number): boolean => matches(registers[RTC_SECONDS_ALARM], encode(second, mode));
  const isMinute = (minute: number): boolean => matches(registers[RTC_MINUTES_ALARM], encode(minute, mode));
  const isHour = (hour: number): boolean => matches(registers[RTC_HOURS_ALARM], encodeHour(hour, mode));
  // An alarm byte that no time can show never matches; without it, a minute that matches has a second that does.
  if (!hasAny(60, isSecond) || !hasAny(60, isMinute) || !hasAny(24, isHour)) return undefined;
  const end = seconds + Math.min(span, 86_400);
  for (let at = seconds + 1; at <= end;) {
    const { hour, minute, second } = civilFromSeconds(at);
    if (!isHour(hour)) at += 3600 - 60 * minute - second;
    else if (!isMinute(minute)) at += 60 - second;
    else if (!isSecond(second)) at += 1;
    else return at;
  }
  return undefined;
}

function hasAny(count: number, is: (value: number) => boolean): boolean {
  for (let value = 0; value < count; value += 1) if (is(value)) return true;
  return false;
}
