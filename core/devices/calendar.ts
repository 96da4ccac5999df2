/** The civil calendar as the clock chip keeps it. Pure; Gregorian, years 1970 … 9999. */
export interface CivilTime {
  readonly year: number;
  /** 1 … 12 */
  readonly month: number;
  /** 1 … 31 */
  readonly day: number;
  /** 1 = Sunday … 7 */
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const DAY = 86_400;

/** Days from 1970-01-01 to a civil date; years are counted from March so that the leap day comes last. */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

export function secondsFromCivil(time: Omit<CivilTime, 'weekday'>): number {
  return daysFromCivil(time.year, time.month, time.day) * DAY + time.hour * 3600 + time.minute * 60 + time.second;
}

export function civilFromSeconds(seconds: number): CivilTime {
  const days = Math.floor(seconds / DAY);
  const rest = seconds - days * DAY;
  let year = 1970 + Math.floor(days / 365.2425);
  while (daysFromCivil(year + 1, 1, 1) <= days) year += 1;
  while (daysFromCivil(year, 1, 1) > days) year -= 1;
  let month = 12;
  while (daysFromCivil(year, month, 1) > days) month -= 1;
  return {
    year,
    month,
    day: days - daysFromCivil(year, month, 1) + 1,
    weekday: ((((days + 4) % 7) + 7) % 7) + 1,
    hour: Math.floor(rest / 3600),
    minute: Math.floor(rest / 60) % 60,
    second: rest % 60,
  };
}
