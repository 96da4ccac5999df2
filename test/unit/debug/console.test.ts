/** The console: lines in, lines out, over a real machine. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { ConsoleReply } from '../../../core/protocol/console.ts';
import type { Params } from '../../../core/protocol/requests.ts';
import { umbra } from '../cli/cli-runner.ts';
import { sessionWith, TestSession } from './debug-guest.ts';

let session: TestSession;
const run = (line: string, vcpu = 0): ConsoleReply => session.ask('console.run', { line, vcpu });
const lines = (line: string): readonly string[] => {
  const { lines: said, refusal } = run(line);
  expect(refusal, line).toBeUndefined();
  return said;
};
const refused = (line: string): string => {
  const { refusal } = run(line);
  return refusal === undefined ? 'not refused' : `${refusal.errno}: ${refusal.message}`;
};
const complete = (line: string): readonly string[] =>
  session.ask('console.complete', { line, cursor: line.length, vcpu: 0 }).candidates;

/** The poller, after it has polled its hole a few times. */
beforeAll(() => {
  session = sessionWith('poller');
  session.run(300_000);
});

describe('the console', () => {
  it('lists its commands and explains one', () => {
    const help = lines('help').join('\n');
    for (const name of ['continue', 'walk', 'rmap', 'slots', 'sptes', 'audit', 'trace', 'serial'])
      expect(help).toContain(name);
    expect(lines('help x').join('\n')).toContain('also: examine');
  });

  it.each([
    ['print 2 + 3 * 4', ['14 (0xe)']],
    ['p/d -1', ['-1']],
    ['p/t 5', [expect.stringMatching(/0101$/)]],
    ['print u32[gpa: 0x100000] == 0x1badb002', ['1']],
    ['set rax = 0x1234', ['rax = 0x0000000000001234']],
    ['regs rax', ['rax = 0x0000000000001234']],
  ])('%s', (line, expected) => {
    expect(lines(line)).toEqual(expected);
  });

  it('examines memory in any space, and goes on behind it on an empty line', () => {
    const first = run('x/4wx gpa:0x100000');
    expect(first.lines).toEqual([expect.stringMatching(/^gpa 0x00100000: 0x1badb002 0x/)]);
    expect(first.repeat).toBe('x/4wx gpa:0x100010');
    expect(lines('x/2wx gpa:0xd0000000').join('\n')).toContain('--------   --------');
    expect(lines('x/i guest_main').join('')).toMatch(/0x[0-9a-f]+ <guest_main>: /);
  });

  it('walks an address in the words of umbra walk', async () => {
    const { stdout } = await umbra([
      'walk',
      'poller',
      '0xe0000000',
      '--at-insns',
      '300000',
      '--mem',
      '8M',
      '--access',
      'w',
    ]);
    expect(stdout.length).toBeGreaterThan(100);
    expect(`${lines('walk 0xe0000000 w').join('\n')}\n`).toBe(stdout);
  });

  it('maps a frame back in the words of umbra rmap', async () => {
    const { stdout } = await umbra(['rmap', 'poller', '0x100', '--at-insns', '300000', '--mem', '8M']);
    expect(`${lines('rmap 0x100').join('\n')}\n`).toBe(stdout);
    expect(lines('rmap gpa:0x100000')).toEqual(lines('rmap 0x100'));
  });

  it('counts sptes, decodes one and audits all', () => {
    const [row, total] = lines('sptes mmio fresh gfn=0xe0000');
    expect(row).toMatch(/^sptep 0x[0-9a-f]+: 0xc0000000e0000016 level 1, mmio, gfn 0xe0000, .*fresh/);
    expect(total).toBe('1 sptes');
    expect(lines('decode 0xc0000000e0000016')[0]).toMatch(/MMIO spte, gen 0x\d+, gfn 0xe0000/);
    expect(lines('audit').at(-1)).toMatch(/0 violations, 0 findings/);
  });

  it('filters sptes by the words of the inspector', () => {
    const count = (filter: Params<'sptes.rows'>['filter']): number =>
      session.ask('sptes.rows', { filter, offset: 0, limit: 1 }).total;
    const total = (line: string): string => lines(line).at(-1) ?? '';
    const generation = session.ask('machine.status', {}).moment.mmioGeneration;
    const ram = { gfnStart: 0x100, gfnLength: 0x700 };
    const asked: readonly (readonly [string, Params<'sptes.rows'>['filter']])[] = [
      [`gen:${generation} e0000`, { genFirst: generation, genLast: generation, gfnStart: 0xe0000, gfnLength: 1 }],
      [`gen<${generation}`, { genFirst: 0, genLast: generation - 1 }],
      ['gen>=0', { genFirst: 0 }],
      ['bits:0x7=7', { mask: 7n, bits: 7n }],
      ['slot:1 leaf', { ...ram, kinds: ['leaf'] }],
      ['gpa:e0000000 level:1', { gfnStart: 0xe0000, gfnLength: 1, level: 1 }],
      ['page=1 present', { page: 1, kinds: ['leaf', 'large', 'link'] }],
      ['write-protected', { state: 'write-protected' }],
      ['unsync', { state: 'unsync' }],
    ];
    for (const [words, filter] of asked) {
      expect(total(`sptes ${words} limit=1`), words).toMatch(new RegExp(`^${count(filter)} sptes`));
    }
    expect(count({ genFirst: 0 })).toBeGreaterThan(0);
    expect(complete('sptes ge')).toEqual(['gen:']);
  });

  it('changes memslots, previews, and says why one is refused', () => {
    expect(lines('slots').join('\n')).toMatch(/^slot 0: gpa \[0x0, 0xa0000\) at hva 0x/);
    expect(lines('slots preview add slot=5 gpa=0xe8000000 size=4K hva=ram')[0]).toMatch(/^it would be CREATE/);
    expect(lines('slots add slot=5 gpa=0xe8000000 size=4K hva=ram')).toEqual([expect.stringMatching(/^CREATE, /)]);
    expect(lines('slots move slot=5 gpa=0xe9000000')).toEqual([expect.stringMatching(/^MOVE, /)]);
    expect(lines('slots flags slot=5 flags=log-dirty')).toEqual([expect.stringMatching(/^FLAGS_ONLY, /)]);
    expect(lines('slots dirty-log slot=5')).toEqual(['0 dirty pages']);
    expect(refused('slots add slot=6 gpa=0xe9000000 size=4K hva=ram')).toMatch(/^EEXIST: overlap: /);
    expect(lines('slots remove slot=5')).toEqual([expect.stringMatching(/^DELETE, /)]);
    expect(refused('slots move slot=5 gpa=0')).toBe('ENOENT: there is no slot 5.');
    expect(lines('generation').join('\n')).toMatch(/memslots generation \d+/);
  });

  it('sets breakpoints, runs to them, steps, and an empty line steps again', () => {
    lines('delete all');
    expect(lines('break mmio:0xe0000000+0x1000:read')).toEqual([
      expect.stringMatching(/^\d+: MMIO read of gpa 0xe0000000/),
    ]);
    run('continue');
    session.settle();
    expect(lines('where')[0]).toMatch(/^breakpoint \d+: MMIO read of 0xe0000000/);
    const before = session.ask('machine.status', {}).moment.insns;
    const stepped = run('step 3');
    expect(stepped.repeat).toBe('step 3');
    expect(stepped.lines[0]).toMatch(/after a step/);
    expect(session.ask('machine.status', {}).moment.insns).toBe(before + 3);
    lines('delete all');
    expect(lines('breakpoints')).toEqual(['no breakpoints']);
    expect(refused('delete 99')).toBe('ENOENT: there is no breakpoint 99.');
  });

  it('traces, counts, logs, and types on the serial line', () => {
    expect(lines('trace enable kvm_mmio')).toEqual(['on: kvm_mmio']);
    run('continue 2000');
    session.settle();
    expect(lines('trace show 1')[0]).toMatch(/ kvm_mmio: mmio (read|unsatisfied-read) len 4 gpa 0xe0000000 /);
    expect(lines('trace disable')).toEqual(['no tracepoint is on']);
    expect(lines('stats').join('\n')).toMatch(/^exits +\d+$/m);
    expect(lines('mmio log 1')[0]).toMatch(/ gpa 0xe0000000 len 4 /);
    expect(lines('mmio heat').join('\n')).toMatch(/^gfn 0xe0000: \d+ faults/m);
    expect(lines(String.raw`serial "ab\r"`)).toEqual(['3 of 3 bytes typed']);
    expect(lines(String.raw`serial "\xe9"`)).toEqual(['1 of 1 bytes typed']);
    expect(lines('mmu-pages')[0]).toMatch(/^\d+ of \d+ shadow pages are in use$/);
    expect(lines('shrink')[0]).toMatch(/shadow pages given back$/);
    expect(lines('reset')[0]).toMatch(/^loaded; at its first instruction/);
    session.run(300_000);
  });

  it('does not wait for a guest that runs on', () => {
    expect(lines('continue')).toEqual(['running; pause stops it']);
    expect(refused('step')).toMatch(/^EBUSY: pause the machine/);
    expect(lines('pause')[0]).toMatch(/^on request, after \d+ instructions$/);
  });

  it.each([
    ['frobnicate', 'ENOENT: there is no command'],
    ['s l', 'EINVAL: it takes a number of steps'],
    ['de', "EINVAL: 'de' may be delete, decode"],
    ['x/9999999gx 0', 'EINVAL: a count is from 1 to 1024'],
    ['x/8gq 0', 'EINVAL: q is no size'],
    ['x/8gx', 'EINVAL: say where'],
    ['x/1024gx 0xffffffffffffffff', 'EINVAL: it reaches past the last address.'],
    ['walk hva:0x7f0000000000', 'EINVAL: a walk begins at a gva or a gpa.'],
    ['rmap 0xffffffffffffffff', 'EINVAL: 0xffffffffffffffff is no guest frame number'],
    ['set rip', 'EINVAL: say which register'],
    ['set cr0=0x80000000', 'EPERM: '],
    ['print rax +* 2', 'EINVAL: '],
    ['print nosuch', 'EINVAL: '],
    ['slots preview constructor', 'EINVAL: '],
    ['decode xyz', 'EINVAL: xyz is neither'],
    ['sptes frob', 'EINVAL: frob is none of mmio, leaf'],
    ['sptes slot:77', 'EINVAL: There is no slot 77.'],
    ['sptes gen:many', 'EINVAL: A generation is gen:5'],
    ['sptes limit=0', 'EINVAL: limit=N takes a number from 1'],
    ['slots frob', 'EINVAL: slots takes'],
    ['slots add slot=5', "EINVAL: 'set' needs gpa=…."],
    ['trace enable nosuch', 'EINVAL: there is no tracepoint called nosuch.'],
    ['serial abc', 'EINVAL: it takes text in quotation marks'],
    ['serial "€"', 'EINVAL: a serial line carries bytes'],
    ['serial "a', 'EINVAL: it takes text in quotation marks'],
    ['vcpu 9', 'EINVAL: the machine has vCPUs 0 to 0.'],
    ['/x', 'EINVAL: a line begins with the name of a command'],
    ['\u001b[2J', 'EINVAL: a line holds no control characters.'],
    ['p 1\nquit', 'EINVAL: a line holds no control characters.'],
    [`print ${'('.repeat(4000)}`, 'EINVAL: '],
    [`print ${'1'.repeat(5000)}`, 'E2BIG: a line has 4096 characters at most'],
    ['help __proto__', 'ENOENT: there is no command'],
    ['info constructor', 'EINVAL: there is nothing about'],
  ])('refuses %j with a sentence', (line, expected) => {
    expect(refused(line)).toContain(expected);
  });

  it('points at the column', () => {
    expect(run('print rax +* 2').refusal).toMatchObject({ at: 11, length: 1 });
    expect(run('slots add slot=5 gpa=zz size=4K hva=ram').refusal).toMatchObject({
      at: 'slots add slot=5 gpa='.length,
    });
  });

  it('makes its tables no wider than it is told', () => {
    const narrow = (line: string): readonly string[] =>
      session.ask('console.run', { line, vcpu: 0, columns: 50 }).lines;
    for (const line of ['walk 0xe0000000', 'regs', 'x/16wx rsp', 'x/32c rsp']) {
      const wide = lines(line);
      const folded = narrow(line);
      expect(folded.length, line).toBeGreaterThan(wide.length);
      // Prose may be longer: it breaks anywhere.
      const table = folded.filter((text) => /^(?: *r\w+ [0-9a-f]{16}|gva )/.test(text));
      for (const text of table) expect(text.length, text).toBeLessThanOrEqual(50);
    }
    expect(narrow('walk 0xe0000000').some((text) => text.includes(' | '))).toBe(false);
    expect(narrow('help').every((text) => text.length < 130)).toBe(true);
  });

  it('says of a breakpoint all that was said of it', () => {
    lines('delete all');
    const [told] = lines('break exec:guest_main:once:every=3:vcpu=0 if rax == 1 log at {rip}');
    expect(told).toMatch(
      /^\d+: execution at guest_main \(0x[0-9a-f]+\), vCPU 0, once, at every hit 3, if rax == 1, log at \{rip\}, 0 hits$/,
    );
    lines('delete all');
  });

  it.each([
    ['break mm', ['mmio:']],
    ['break mmio:0xe0000000:st', ['mmio:0xe0000000:stale']],
    ['break mmio:0xe0000000:stale:INV', ['mmio:0xe0000000:stale:INVALID']],
    ['break exec:guest_m', ['exec:guest_main']],
    ['break exception:u', ['exception:ud']],
    ['break exception:ud,g', ['exception:ud,gp']],
    ['break memslot:1:cre', ['memslot:1:create']],
    ['break spte:0xe0000000:bi', ['spte:0xe0000000:bits=']],
    ['break mmio:any i', ['if']],
    ['break mmio:any if event.outc', ['event.outcome']],
    ['break mmio:any if event.gpa==cr', ['cr0', 'cr2', 'cr3', 'cr4', 'cr8']],
    ['print cr0.p', ['cr0.pe', 'cr0.pg']],
    ['print u3', ['u32[']],
    ['x/8gx gp', ['gpa:']],
    ['walk gf', ['gfn:']],
    ['rmap gp', ['gpa:']],
    ['set cr4 +sme', ['+smep']],
    ['set rip=guest_m', ['guest_main']],
    ['vcpu ', ['0']],
    ['hold vcpu 0 e', ['exit']],
    ['regs gen', ['general']],
    ['decode 0x1 era=v3.1', ['era=v3.10', 'era=v3.11', 'era=v3.17']],
    ['help spt', ['sptes']],
    ['info regi', ['registers']],
    ['slots preview ad', ['add']],
    ['slots flags slo', ['slot=', 'slot=0', 'slot=1']],
  ])('completes %j', (line, expected) => {
    expect(complete(line)).toEqual(expected);
  });

  it('completes commands, their words, registers, symbols', () => {
    expect(complete('sp')).toEqual(['sptes']);
    expect(complete('slots pre')).toEqual(['preview']);
    expect(complete('trace enable kvm_mm')).toContain('kvm_mmio');
    expect(complete('print r1')).toContain('r15');
    expect(complete('x/8gx gpa:rs')).toContain('rsp');
    expect(complete('break guest_m')).toEqual(['guest_main']);
    expect(complete('nonsense ')).toEqual([]);
  });

  it('says so when there is no machine', () => {
    const empty = new TestSession();
    for (const line of ['regs', 'walk 0', 'slots', 'print rax', 'continue', 'audit', 'machine']) {
      expect(empty.ask('console.run', { line, vcpu: 0 }).refusal?.errno, line).toBe('ENODEV');
    }
    expect(empty.ask('console.run', { line: 'help', vcpu: 0 }).refusal).toBeUndefined();
  });

  it('changes nothing by looking', () => {
    const looks = [
      'where',
      'regs all',
      'x/64gx 0',
      'disas',
      'walk 0xe0000000 w',
      'rmap 0x100',
      'sptes',
      'slots',
      'audit',
    ];
    const copy = session.arenaBytes();
    for (const line of [
      ...looks,
      'stats all',
      'mmio',
      'trace',
      'generation',
      'machine',
      'vcpu',
      'symbols main',
      'serial',
    ])
      lines(line);
    expect(session.isAt(copy)).toBe(true);
  });
});
