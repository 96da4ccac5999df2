/** Devices as they stand: what the window shows of them is what the guest has set, and looking is no access. */
import { describe, expect, it } from 'vitest';
import { sessionWith, sessionWithCode, type TestSession } from './debug-guest.ts';

const device = (session: TestSession, name: string) => {
  const found = session.ask('devices.read', {}).devices.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no device ${name}`);
  return found;
};
const register = (session: TestSession, of: string, name: string) =>
  device(session, of)
    .groups.flatMap(({ registers }) => registers)
    .find((one) => one.name === name);

describe('devices.read', () => {
  // mov al, 0x55; out 0x80+…: writes the UART's scratch register, then stops.
  const session = sessionWithCode([0xba, 0xff, 0x03, 0, 0, 0xb0, 0x5a, 0xee, 0xf4]);
  session.run();

  it('has every device of the machine with its ports or its window of MMIO', () => {
    const { devices } = session.ask('devices.read', {});
    const names = devices.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['8259 PIC', '8254 PIT', '16550 UART', 'CMOS/RTC']));
    expect(device(session, '16550 UART').ranges).toEqual([{ space: 'port', first: 0x3f8n, last: 0x3ffn }]);
    const windows = devices.flatMap(({ ranges }) => ranges.filter(({ space }) => space === 'mmio'));
    expect(windows.map(({ first }) => first)).toEqual(expect.arrayContaining([0xb8000n, 0xfeb0_0000n]));
  });

  it('knows the last access of each: what, where, by whom', () => {
    expect(device(session, '16550 UART').lastAccess).toMatchObject({ space: 'port', address: 0x3ffn, value: 0x5an });
    expect(device(session, 'CMOS/RTC').lastAccess).toBeUndefined();
  });

  it('shows the lines of both interrupt controllers, the cascade among them', () => {
    const { lines } = session.ask('devices.read', {});
    expect(lines.map(({ irq }) => irq)).toEqual(Array.from({ length: 16 }, (_unused, i) => i));
    expect(lines[2].device).toBe('the second 8259');
    expect(lines[0].device).toBe('8254 PIT');
  });

  it('shows what the guest has set up', () => {
    const timer = sessionWith('timer');
    timer.run(200_000);
    const [line] = timer.ask('devices.read', {}).lines;
    expect(line).toMatchObject({ irq: 0, isMasked: false });
    expect(line.vector).toBeGreaterThanOrEqual(0x20);
  });

  it('is no access: nothing of the machine changes, and nobody is told of one', () => {
    const before = session.arenaBytes();
    const first = device(session, '16550 UART');
    // Reading LSR or RBR would clear bits; the status register of the RTC, too.
    session.ask('devices.peek', { port: 0x3f8, count: 16 });
    session.ask('devices.peek', { port: 0x60, count: 32 });
    expect(device(session, '16550 UART')).toEqual(first);
    expect(session.isAt(before)).toBe(true);
  });

  it('names no register twice within a group', () => {
    for (const { name, groups } of session.ask('devices.read', {}).devices) {
      for (const { title, registers } of groups) {
        expect(new Set(registers.map((one) => one.name)).size, `${name}, ${title}`).toBe(registers.length);
      }
    }
    expect(register(session, '16550 UART', 'no such')).toBeUndefined();
  });
});

describe('devices.peek', () => {
  it('gives the bytes that reads would give, and −1 where no device is', () => {
    const session = sessionWithCode([0xba, 0xff, 0x03, 0, 0, 0xb0, 0x5a, 0xee, 0xf4]);
    session.run();
    const { bytes } = session.ask('devices.peek', { port: 0x3f8, count: 16 });
    expect(bytes).toHaveLength(16);
    expect(bytes[7]).toBe(0x5a);
    expect(bytes.slice(8)).toEqual(Array.from({ length: 8 }, () => -1));
  });

  it('ends at the last port', () => {
    const session = sessionWithCode([0xf4]);
    expect(session.ask('devices.peek', { port: 0xfffe, count: 256 }).bytes).toEqual([-1, -1]);
    expect(session.refusal('devices.peek', { port: 0x1_0000, count: 1 })).toContain('port');
  });
});
