/** What the console can do besides looking: writing and searching memory, races, sptes of other kernels; and all that `umbra` can. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { ConsoleEditStep, ConsoleReply } from '../../../core/protocol/console.ts';
import { umbra } from '../cli/cli-runner.ts';
import { sessionWith, type TestSession } from './debug-guest.ts';

let session: TestSession;
const run = (line: string): ConsoleReply => session.ask('console.run', { line, vcpu: 0 });
const lines = (line: string): readonly string[] => {
  const { lines: said, refusal } = run(line);
  expect(refusal, line).toBeUndefined();
  return said;
};
const refused = (line: string): string => {
  const { refusal } = run(line);
  return refusal === undefined ? 'not refused' : `${refusal.errno}: ${refusal.message}`;
};

beforeAll(() => {
  session = sessionWith('poller');
  session.run(300_000);
});

describe('the console', () => {
  it('writes memory in units and as text, and finds it again', () => {
    expect(lines('poke gpa:0x300000 0x12 0x34')).toEqual(['2 bytes written at gpa 0x300000']);
    expect(lines('poke/g gpa:0x300010 0x1122334455667788 -1')).toEqual(['16 bytes written at gpa 0x300010']);
    expect(lines(String.raw`poke gpa:0x300100 "umbra was here\n" 0`)).toEqual(['16 bytes written at gpa 0x300100']);
    expect(lines('x/2bx gpa:0x300000')[0]).toMatch(/: 0x12 0x34$/);
    expect(lines('x/2gx gpa:0x300010')[0]).toMatch(/: 0x1122334455667788 0xffffffffffffffff$/);
    expect(lines('x/s gpa:0x300100')[0]).toMatch(/"umbra was here\\n"$/);
    expect(lines('find gpa:0x200000 0x200000 "umbra was"')).toEqual(['gpa 0x300100', '1 found']);
    expect(lines('find/g gpa:0x300000 4096 0x1122334455667788')).toEqual(['gpa 0x300010', '1 found']);
  });

  it('goes on with a search that found many', () => {
    lines(`poke gpa:0x310000 ${'0xa7 '.repeat(25)}`);
    const first = run('find gpa:0x310000 4096 0xa7');
    expect(first.lines).toHaveLength(21);
    expect(first.repeat).toBe('find gpa:0x310014 4076 0xa7');
    expect(lines(first.repeat)).toEqual([
      ...Array.from({ length: 5 }, (_, i) => `gpa 0x3100${(20 + i).toString(16)}`),
      '5 found',
    ]);
  });

  it.each([
    ['poke', 'EINVAL: say where and what'],
    ['poke gpa:0x1000 0x100', 'EINVAL: 0x100 has more than 8 bits.'],
    ['poke/q gpa:0x1000 1', 'EINVAL: q is no size'],
    ['poke gpa:0x1000 "€"', 'EINVAL: bytes are no letters'],
    ['poke gpa:0xd0000000 1', 'EPERM: '],
    ['find gpa:0 0 1', 'EINVAL: a search goes 1 to'],
    ['encode gfn=0xfee00', 'EINVAL: say of what'],
    ['encode gfn=1 gen=1 era=v9', 'EINVAL: '],
    ['race nosuch', 'EINVAL: there is no laboratory called nosuch'],
    ['race stale-cache era=v9', 'EINVAL: era=v9 is neither'],
  ])('refuses %j with a sentence', (line, expected) => {
    expect(refused(line)).toContain(expected);
  });

  it('does not write while the guest runs', () => {
    run('continue');
    expect(refused('poke gpa:0x300000 1')).toMatch(/^EBUSY: pause the machine/);
    run('pause');
  });

  it('shows what breakpoints have logged', () => {
    lines('break mmio:0xe0000000 log polled {event.gpa}');
    run('continue 400000');
    session.settle();
    const said = lines('log 2');
    expect(said).toHaveLength(3);
    expect(said[0]).toMatch(/^at \d+: vCPU 0, breakpoint \d+: polled (?:0xe0000000|3758096384)$/);
    expect(said[2]).toMatch(/^\d+ lines of breakpoints that log$/);
  });

  it('encodes what it decodes, for another kernel, too', () => {
    const [value] = lines('encode gfn=0xfee00 gen=6 access=w era=v3.17 mmu=npt');
    expect(lines(`decode ${value} era=v3.17 mmu=npt`)[0]).toBe(`${value}  MMIO spte, gen 0x6, gfn 0xfee00, access w`);
  });

  it('plays the races of umbra race, with the same end in every kernel', async () => {
    const labs = lines('race')
      .slice(0, -1)
      .map((line) => line.split(' ')[0]);
    expect(labs).toContain('stale-cache');
    const ends = (text: readonly string[]): readonly string[] =>
      text
        .filter((line) => /^(?:patch|v\d)/.test(line))
        .map((line) => `${line.slice(0, 6)} ${/no bug/.test(line) ? 'none' : 'strikes'}`);
    for (const lab of labs.slice(0, 2)) {
      const { stdout } = await umbra(['race', lab]);
      const told = ends(lines(`race ${lab}`));
      expect(told.length).toBeGreaterThan(3);
      expect(told).toEqual(ends(stdout.split('\n')));
    }
    expect(lines('race stale-cache era=patch').length).toBeGreaterThan(lines('race stale-cache').length);
  });
});

describe('what the console changes', () => {
  const make = (step: ConsoleEditStep): void => {
    switch (step.what) {
      case 'register': {
        const { what: _what, ...wish } = step;
        session.ask('registers.write', wish);
        return;
      }
      case 'memory': {
        const { what: _what, ...wish } = step;
        session.ask('memory.write', wish);
        return;
      }
      case 'memslot':
        session.ask('memslots.set', { region: step.region });
    }
  };
  const standing = () => ({
    registers: session.ask('registers.read', { vcpu: 0 }).registers,
    memory: session.ask('memory.read', { space: 'gpa', vcpu: 0, address: 0x30_0000n, length: 64 }).spans,
    slots: session.ask('memslots.read', {}).slots,
  });

  it.each([
    ['set rax=0x1234', 1],
    ['set rflags +cf -zf', 1],
    ['set cs=0x8 ss=0x10', 1],
    ['poke/g gpa:0x300000 0x123 0x456', 1],
    ['slots add slot=6 gpa=0xe8000000 size=8K hva=ram', 1],
    ['slots move slot=1 gpa=0x200000', 1],
    ['slots flags slot=1 flags=log-dirty', 1],
    ['slots remove slot=1', 1],
    ['slots flags slot=1 flags=none', 0],
    ['regs', 0],
  ])('%s is taken back, and made again', (line, count) => {
    const before = standing();
    const { edits, refusal } = run(line);
    expect(refusal).toBeUndefined();
    expect(edits).toHaveLength(count);
    const after = standing();
    for (const { undo } of edits.toReversed()) make(undo);
    expect(standing()).toEqual(before);
    for (const { redo } of edits) make(redo);
    expect(standing()).toEqual(after);
    for (const { undo } of edits.toReversed()) make(undo);
  });

  it('is nothing where it was refused', () => {
    expect(run('poke gpa:0xd0000000 1').edits).toEqual([]);
    expect(run('slots add slot=6 gpa=0x100000 size=4K hva=ram').edits).toEqual([]);
  });
});

/** Each command of `umbra`, and the console's for it; or why there is none: those make machines of their own, to measure or compare. */
const SAME: Readonly<Record<string, readonly string[]>> = {
  run: ['continue', 'until', 'break', 'trace', 'serial', 'slots', 'where'],
  demo: ['slots', 'sptes', 'continue'],
  walk: ['walk'],
  rmap: ['rmap'],
  audit: ['audit'],
  race: ['race', 'hold'],
  spte: ['encode', 'decode'],
  slots: ['slots', 'generation'],
  console: ['help'],
  bench: [],
  stress: [],
  conformance: [],
};

describe('the commands of umbra', () => {
  it('are the console’s as well', async () => {
    const { stdout } = await umbra(['help']);
    const commands = stdout.slice(stdout.indexOf('Commands:')).matchAll(/^ {2}([a-z]+)\b/gm);
    const names = [...commands].map(([, name]) => name).filter((name) => name !== 'help');
    expect(names.toSorted()).toEqual(Object.keys(SAME).toSorted());
    for (const word of Object.values(SAME).flat()) expect(lines(`help ${word}`).length, word).toBeGreaterThan(1);
  });
});
