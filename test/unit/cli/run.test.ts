import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { umbra } from './cli-runner.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'umbra-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

const fileWith = (name: string, content: string | Uint8Array): string => {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
};
const lastJson = (stderr: string): Record<string, unknown> => JSON.parse(stderr.trim().split('\n').at(-1) ?? '');
const small = ['--mem', '8M'];
/** 16550: receive interrupt on, OUT2 on; 8259: vectors from 0x20, IRQ4 alone; sti; hlt. */
const WAITS_FOR_INPUT = Uint8Array.of(
  ...[0x66, 0xba, 0xf9, 0x03, 0xb0, 0x01, 0xee, 0x66, 0xba, 0xfc, 0x03, 0xb0, 0x08, 0xee],
  ...[0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21],
  ...[0xb0, 0xef, 0xe6, 0x21, 0xfb, 0xf4],
);

describe('umbra run', () => {
  it("gives the guest's serial line and its status", async () => {
    const { status, stdout, stderr } = await umbra(['run', 'hello', ...small]);
    expect(status).toBe(1);
    expect(stdout).toContain('Hello from the guest.\r\n');
    expect(stdout).not.toContain('umbra:');
    expect(stderr).toContain('guest exited with status 1');
  });

  it('is the same to the instruction every time', async () => {
    const summaries = [];
    for (let i = 0; i < 2; i++) {
      const { host, ...rest } = lastJson((await umbra(['run', 'hello', '--json', ...small])).stderr);
      expect(host).toBeDefined();
      summaries.push(rest);
    }
    expect(summaries[0]).toEqual(summaries[1]);
  });

  it('ends with 124 at --max-insns, having retired exactly so many', async () => {
    const { status, stderr } = await umbra(['run', 'spin', '--max-insns', '20k', '--json', ...small]);
    expect(status).toBe(124);
    expect(lastJson(stderr)).toMatchObject({ insns: 20_000, exitStatus: 124 });
  });

  it('reports registers, spte and generation at a breakpoint and stops', async () => {
    const { status, stderr } = await umbra(['run', 'poller', '--break', 'mmio:0xe0000000:EMULATE,CACHED', ...small]);
    expect(status).toBe(0);
    expect(stderr).toMatch(/breakpoint 1: MMIO (read|write) of 0xe0000000/);
    expect(stderr).toMatch(/spte 0xc0000000e0000016 .* mmio, fresh/);
    expect(stderr).toContain('MMIO generation 0x2');
    expect(stderr).toMatch(/rax [0-9a-f]{16}/);
  });

  it.each([
    ['data:gpa@0x108000+4:write', /write of 4 bytes at gva 0x108000/],
    ['port:0x3f8+8:out', /port out of 0x[0-9a-f]+ to 0x3f/],
    ['spte:0xe0000000:level=1', /spte of gfn 0xe0000, level 1/],
    ['exec:gpa@0x100010', /breakpoint 1 at 0x00100010/],
  ])('stops at %s and reports', async (spec, text) => {
    const { status, stderr } = await umbra(['run', 'poller', '--break', spec, ...small]);
    expect(status).toBe(0);
    expect(stderr).toMatch(text);
    expect(stderr).toMatch(/rax [0-9a-f]{16}/);
  });

  it('writes the lines of log breakpoints to standard error, and goes on', async () => {
    const spec = 'port:0x3f8:out if event.value == 0x48 log sent {event.value}';
    const { status, stdout, stderr } = await umbra(['run', 'hello', '--break', spec, ...small]);
    expect([status, stdout]).toEqual([1, expect.stringContaining('Hello from the guest.')]);
    expect(stderr).toMatch(/^umbra: breakpoint 1, vCPU 0, at \d+: sent 0x48$/m);
  });

  it('writes as many of them as somebody can read, and says how many there were', async () => {
    const spec = 'exec:0+0x1000000 log x';
    const { stderr } = await umbra(['run', 'spin', '--break', spec, '--max-insns', '12k', ...small]);
    expect(stderr.match(/^umbra: breakpoint 1.*: x$/gm)).toHaveLength(10_000);
    expect(stderr).toMatch(/^umbra: 20\d\d more lines of log breakpoints are not shown\.$/m);
  });

  it('goes on after each report when told so', async () => {
    const words = ['run', 'hello', '--break', 'exec:guest_main', '--break-action', 'continue', '--json', ...small];
    const { status, stderr } = await umbra(words);
    expect(status).toBe(1);
    expect(lastJson(stderr)).toMatchObject({ breakpointHits: 1 });
  });

  it('applies the calls of a script at their counts, and a refused one says why', async () => {
    const script = fileWith(
      'edits.slots',
      'at 100000 set slot=5 gpa=0xe0000000 size=0x1000 hva=ram\nat 200000 set slot=6 gpa=0xe0000000 size=0x1000 hva=ram\nat 300000 delete slot=5\n',
    );
    const words = ['run', 'poller', '--append', 'count=2 pause=100', '--slots', script, ...small];
    const { status, stdout, stderr } = await umbra(words);
    expect(status).toBe(1);
    expect(stdout).toContain('turned from MMIO into RAM');
    expect(stdout).toContain('turned from RAM into MMIO');
    expect(stderr).toContain('umbra: at 100000:');
    expect(stderr).toContain('EEXIST (overlap)');
    expect(stderr).toContain('DELETE, memslots generation 3 → 5');
  });

  it('says of a guest that waits for input that there is no more', async () => {
    const { status, stderr } = await umbra(['run', fileWith('wait.bin', WAITS_FOR_INPUT), ...small]);
    expect(status).toBe(0);
    expect(stderr).toContain('waiting for input, and there is no more, after 18 instructions');
  });

  it('puts a trace in the place of an earlier trace, and of nothing else', async () => {
    const image = fileWith('wait-too.bin', WAITS_FOR_INPUT);
    const refused = await umbra(['run', image, '--trace', image, ...small]);
    expect(refused).toMatchObject({ status: 2, stdout: '' });
    expect(refused.stderr).toContain('exists and is no trace');
    expect(new Uint8Array(readFileSync(image))).toEqual(WAITS_FOR_INPUT);
    const trace = fileWith('earlier.trace', '# tracer: nop\nold\n');
    expect((await umbra(['run', image, '--trace', trace, ...small])).status).toBe(0);
    expect(readFileSync(trace, 'utf8')).not.toContain('old');
  });

  it('writes the tracepoints as ftrace prints them', async () => {
    const trace = path.join(folder, 'trace.txt');
    await umbra(['run', 'hello', '--trace', trace, ...small]);
    const lines = readFileSync(trace, 'utf8').split('\n');
    expect(lines[0]).toBe('# tracer: nop');
    expect(lines.some((line) => /\[000\] \.\.\.\. +0\.\d{6}: kvm_exit: reason EPT_VIOLATION/.test(line))).toBe(true);
  });
});

describe('bad usage', () => {
  const garbage = () => fileWith('broken.elf', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 1, 2, 3));
  it.each<[what: string, words: () => string[], says: string]>([
    ['no image', () => ['run'], 'run takes an image, or a machine state with --state'],
    ['an unknown command', () => ['fly'], "unknown command 'fly'"],
    ['an unknown option', () => ['run', 'hello', '--fast'], "unknown option '--fast'"],
    ['an image that is not there', () => ['run', 'nowhere.elf'], 'there is no such file'],
    ['a folder for an image', () => ['run', folder], 'it is a folder'],
    ['a broken image', () => ['run', garbage()], 'umbra: '],
    ['an empty image', () => ['run', fileWith('empty', '')], 'empty'],
    ['too little memory', () => ['run', 'hello', '--mem', '4K'], 'between 1M and 1536M'],
    ['an odd amount of memory', () => ['run', 'hello', '--mem', '1048577'], 'multiple of 4 KiB'],
    ['an unknown mmu', () => ['run', 'hello', '--mmu', 'tdp'], 'Allowed choices are ept, npt, shadow'],
    ['an unknown era', () => ['run', 'hello', '--era', 'v9'], 'Allowed choices are patch, v3.11, v3.10'],
    ['a silly MAXPHYADDR', () => ['run', 'hello', '--maxphyaddr', '64'], 'from 32 to 52'],
    ['no number of instructions', () => ['run', 'hello', '--max-insns', 'many'], 'number of instructions'],
    ['a bad breakpoint', () => ['run', 'hello', '--break', 'here'], '--break here: say where'],
    ['a breakpoint at no symbol', () => ['run', 'hello', '--break', 'exec:nowhere'], 'no symbol called nowhere'],
    [
      'a script with a mistake',
      () => ['run', 'hello', '--slots', fileWith('bad.slots', 'set slot=5\n')],
      'bad.slots:1:',
    ],
    ['a script that is not there', () => ['run', 'hello', '--slots', path.join(folder, 'none')], 'cannot be read'],
    [
      'a trace that cannot be written',
      () => ['run', 'hello', '--trace', path.join(folder, 'no', 'where')],
      'cannot be written',
    ],
    ['arguments without measure', () => ['run', 'hello', '--append', 'x'.repeat(4097)], '4096 characters at most'],
    ['an image without end', () => ['run', '/dev/zero'], 'an image may have 64 MiB at most'],
    ['a script without end', () => ['run', 'hello', '--slots', '/dev/zero'], 'a script may have 16 MiB at most'],
    ['a recording that is not there', () => ['conformance', 'x86', path.join(folder, 'none')], 'no such file'],
    ['a recording of nothing', () => ['conformance', 'memslots', fileWith('empty', '\n')], 'holds no recording'],
    ['a recording that is none', () => ['conformance', 'x86', fileWith('bytes', '\u001b[2J')], 'bytes:1 is not JSON.'],
    ['an unknown benchmark', () => ['bench', 'everything'], 'Allowed choices are'],
    ['an unknown conformance suite', () => ['conformance', 'arm'], 'unknown command'],
  ])('%s gets a sentence and status 2', async (_what, words, says) => {
    const { status, stdout, stderr } = await umbra(words());
    expect(status).toBe(2);
    expect(stderr).toContain(says);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stdout).toBe('');
  });
});

describe('umbra demo', () => {
  it('follows one address from MMIO to RAM', async () => {
    const { status, stdout } = await umbra(['demo', ...small]);
    expect(status).toBe(0);
    expect(stdout).toContain('its generation is now stale');
    expect(stdout).toContain('INVALID (spte generation 0x2, current 0x3)');
    expect(stdout).toContain('The access reached RAM');
  });

  it.each(['npt', 'shadow'])('does so under %s', async (mmu) => {
    const { status, stdout } = await umbra(['demo', '--mmu', mmu, ...small]);
    expect(stdout).toContain('The access reached RAM');
    expect(status).toBe(0);
  });
});
