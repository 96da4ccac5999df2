import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MMU_MODES, type MmuMode } from '../../../core/base/machine-modes.ts';
import { runToStop, type SmallMachine, smallMachine } from '../machine/small-machine.ts';

function guest(name: string, append: string, mmu: MmuMode = 'ept', ramBytes = 16 << 20): SmallMachine {
  const small = smallMachine({ mmu, ramBytes });
  const bytes = readFileSync(new URL(`../../../electron/guests/${name}.elf`, import.meta.url));
  const loaded = small.machine.loadImage(new Uint8Array(bytes), `${name}.elf`, append);
  if (!loaded.ok) throw new Error(loaded.error.message);
  return small;
}
const PASSED = { kind: 'exit', status: 1 };
const FAILED_ARGUMENT = { kind: 'exit', status: 9 };

describe('hello', () => {
  test.each(MMU_MODES)('greets on line and screen under %s', (mmu) => {
    const { machine, text } = guest('hello', '', mmu);
    expect(runToStop(machine)).toEqual(PASSED);
    expect(text()).toMatch(/^Hello from the guest\.\r\nhello: mode flat, RAM up to 0x1000000, CPU \w+\r\n$/);
    const screen = [...machine.devices.vga.cells()].filter((_, i) => i % 2 === 0);
    expect(String.fromCharCode(...screen.slice(0, 21))).toBe('Hello from the guest.');
    expect(machine.devices.vga.cursor()).toBe(160);
  });

  test('is an ELF32 whose symbols are known', () => {
    const { machine } = guest('hello', '');
    expect(machine.image?.format).toBe('multiboot-elf32');
    expect(machine.image?.symbols.lookup(BigInt(machine.image.entry))?.symbol.name).toBe('start');
  });
});

describe('storm', () => {
  test.each([
    { append: 'pages=50 passes=3', from: '0x1000000', count: 150 },
    { append: 'pages=50 passes=3 op=write mode=32', from: '0x1000000', count: 150 },
    { append: 'pages=50 passes=3 op=both mode=pae', from: '0x1000000', count: 300 },
    { append: 'pages=50 passes=3 op=both mode=long', from: '0x100000000', count: 300 },
    { append: 'pages=2 passes=1 gpa=0xfe000000', from: '0xfe000000', count: 2 },
  ])('storm $append', ({ append, from, count }) => {
    const { machine, text } = guest('storm', append);
    expect(runToStop(machine)).toEqual(PASSED);
    expect(text()).toContain(` pages from ${from}, `);
    expect(text()).toMatch(new RegExp(`storm: ${count} accesses in \\d+ ticks, \\d+\\.\\d\\d ticks an access`));
    expect(text()).not.toContain('all ones');
  });

  test.each([
    { append: 'pages=0', says: 'pages= is between 1 and 1000000' },
    { append: 'pages=1000001', says: 'pages= is between 1 and 1000000' },
    { append: 'pages=12x', says: 'pages= takes a number' },
    { append: 'pages=1000000 gpa=0xf0000000', says: 'do not fit' },
    { append: 'op=sing', says: 'op= is one of read, write, both' },
    { append: 'mode=real', says: 'mode= is one of flat, 32, pae, long' },
    { append: 'pagse=3', says: 'unknown argument pagse=3; known are mode= pages=' },
  ])('refuses $append', ({ append, says }) => {
    const { machine, text } = guest('storm', append);
    expect(runToStop(machine)).toEqual(FAILED_ARGUMENT);
    expect(text()).toContain(says);
  });
});

describe('poller', () => {
  const GPA = 0xe000_0000n;
  const slot = (id: number, flags: number, bytes: bigint) => ({
    slot: id,
    flags,
    guestPhysAddr: GPA,
    memorySize: bytes,
    userspaceAddr: 0x7f00_0080_0000n,
  });

  test.each([
    { mmu: 'ept', mode: 'long' },
    { mmu: 'npt', mode: 'pae' },
    { mmu: 'shadow', mode: 'flat' },
  ] as const)('sees a slot come and go under $mmu, mode $mode', ({ mmu, mode }) => {
    const { machine, text } = guest('poller', `pause=100 count=2 mode=${mode}`, mmu);
    for (let i = 0; i < 20 && !text().includes('is MMIO at poll 1'); i += 1) machine.run(100_000);
    expect(machine.vm.setUserMemoryRegion(slot(3, 0, 4096n)).ok).toBe(true);
    expect(machine.run(50_000).kind).toBe('budget');
    expect(text()).toMatch(/gpa 0xe0000000 turned from MMIO into RAM at poll \d+/);
    expect(machine.vm.setUserMemoryRegion(slot(3, 0, 0n)).ok).toBe(true);
    expect(runToStop(machine)).toEqual(PASSED);
    expect(text()).toMatch(/turned from RAM into MMIO at poll \d+\r\npoller: 2 changes/);
  });

  test('tells read-only memory from RAM', () => {
    const { machine, text } = guest('poller', 'pause=100 count=1');
    for (let i = 0; i < 20 && !text().includes('at poll 1'); i += 1) machine.run(100_000);
    expect(machine.vm.setUserMemoryRegion(slot(3, 2, 4096n)).ok).toBe(true);
    expect(runToStop(machine)).toEqual(PASSED);
    expect(text()).toContain('turned from MMIO into read-only memory');
  });

  test('never sees the slot when nothing else refills the cache of the last MMIO page, as before Linux 3.17', () => {
    const { machine, text } = guest('poller', 'pause=100 limit=300 cache=keep');
    for (let i = 0; i < 20 && !text().includes('at poll 1'); i += 1) machine.run(20_000);
    expect(machine.vm.setUserMemoryRegion(slot(3, 0, 4096n)).ok).toBe(true);
    expect(runToStop(machine)).toEqual(PASSED);
    expect(text()).toContain('poller: 0 changes');
  });

  test('stops at its limit', () => {
    const { machine, text } = guest('poller', 'pause=10 limit=7');
    expect(runToStop(machine)).toEqual(PASSED);
    expect(text()).toContain('poller: 0 changes');
  });

  test('its load and store are symbols to break on', () => {
    const { machine } = guest('poller', '');
    for (const name of ['poll_read', 'poll_write', 'p32_poll_read', 'p32_poll_write']) {
      expect(machine.image?.symbols.find(name)?.kind).toBe('function');
    }
  });
});

describe('faults', () => {
  test.each([
    { mode: 'long', checks: 459 },
    { mode: 'pae', checks: 267 },
    { mode: '32', checks: 165 },
  ])('every kind of page fault in mode $mode is as the SDM says', ({ mode, checks }) => {
    const { machine, text } = guest('faults', `mode=${mode}`);
    expect(runToStop(machine)).toEqual(PASSED);
    expect(text()).not.toContain('WRONG');
    expect(text()).toContain(`faults: ${checks} checks, 0 wrong`);
  });

  test('without paging it has nothing to do', () => {
    expect(runToStop(guest('faults', 'mode=flat').machine)).toEqual(FAILED_ARGUMENT);
  });
});

describe('timer', () => {
  test.each(['flat', '32', 'pae', 'long'])('two clocks agree in mode %s', (mode) => {
    const { machine, text } = guest('timer', `ticks=50 hz=250 mode=${mode}`);
    expect(runToStop(machine)).toEqual(PASSED);
    expect(text()).toContain('the clock says 2013-06-07 00:00:00');
    expect(text()).toContain('timer: the two clocks agree');
    expect(text()).toMatch(
      /50 ticks at 250 Hz, 20[3-6] of the clock at 1024 Hz, (?:199|200)\d{5} TSC ticks, 0 spurious/,
    );
  });
});

describe('spin', () => {
  test('comes to the same sum in 32-bit and in 64-bit code', () => {
    for (const mode of ['flat', '32', 'pae', 'long']) {
      const { machine, text } = guest('spin', `n=20000 mode=${mode}`);
      expect(runToStop(machine)).toEqual(PASSED);
      expect(text()).toContain('spin: 20000 turns in');
      expect(text()).toMatch(/checksum 0x[0-9a-f]+/);
      expect(/checksum (\S+)/.exec(text())?.[1]).toBe(SPIN_SUM);
    }
  });
});

/** What the loop comes to, worked out here. */
const SPIN_SUM = ((): string => {
  const words = new Uint32Array(16_384);
  let sum = 0;
  for (let turn = 20_000, at = 0; turn > 0; turn -= 1, at = (at + 17) & 16_383) {
    words[at] += turn;
    sum ^= words[at];
    sum = ((sum << 5) | (sum >>> 27)) >>> 0;
  }
  return `0x${sum.toString(16)}`;
})();
