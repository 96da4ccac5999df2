import { describe, expect, it } from 'vitest';
import { SERIAL_KEPT_BYTES, SerialHistory } from '../../../core/debug/logs/serial-history.ts';

describe('what the guest has sent', () => {
  it('is kept in order', () => {
    const history = new SerialHistory();
    history.append(Uint8Array.of(1, 2));
    history.append(Uint8Array.of(3));
    expect([...history.read()]).toEqual([1, 2, 3]);
  });

  it('loses only its beginning when it is more than is kept', () => {
    const history = new SerialHistory();
    for (let chunk = 0; chunk < 5; chunk++) history.append(new Uint8Array(100_000).fill(chunk));
    history.append(Uint8Array.of(99));
    const kept = history.read();
    expect(kept.length).toBe(SERIAL_KEPT_BYTES);
    expect(kept.at(-1)).toBe(99);
    expect(kept.at(-2)).toBe(4);
    expect(kept[0]).toBe(2);
  });

  it('keeps the end of a piece longer than everything', () => {
    const history = new SerialHistory();
    const long = Uint8Array.from({ length: SERIAL_KEPT_BYTES + 3 }, (_unused, i) => i & 0xff);
    history.append(Uint8Array.of(7));
    history.append(long);
    expect(Buffer.from(history.read()).equals(long.subarray(3))).toBe(true);
  });
});
