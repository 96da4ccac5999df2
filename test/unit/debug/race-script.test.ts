import { describe, expect, it } from 'vitest';
import { runRace } from '../../../core/debug/race/race-run.ts';
import { MAX_RACE_CHARACTERS, MAX_RACE_LINES, parseRaceScript } from '../../../core/debug/race/race-script.ts';
import type { Era } from '../../../core/base/machine-modes.ts';

const HOLE = '0x80000000';
const SLOT = `slot 1 gpa=${HOLE} size=64K ram=0x10000`;

function run(text: string, era: Era = 'v3.11') {
  const script = parseRaceScript(text);
  if (!script.ok) throw new Error(`line ${script.error.line}: ${script.error.message}`);
  return runRace(script.value, { era, mmu: 'ept', maxPhyAddr: 40 });
}

describe('a race script is refused with its line', () => {
  it.each<[script: string, line: number, message: string]>([
    ['', 1, 'the script has no command'],
    ['fly', 1, "'fly' is no command"],
    ['vcpu 0 read', 1, 'gpa is missing'],
    ['vcpu 0 read 0x80000001', 1, 'no multiple of 4'],
    ['vcpu 0 read 0x100000000', 1, 'must be from 0'],
    ['vcpu 0 read 99999999999999999999', 1, 'must be from 0'],
    ['vcpu 1 read 0', 1, "vcpu '1' must be from 0 to 0x0"],
    ['vcpus 5', 1, "vcpus '5' must be from 1 to 0x4"],
    [`vcpu 0 read ${HOLE}\nvcpus 2`, 2, 'must come before'],
    [`vcpu 0 write ${HOLE}`, 1, 'value is missing'],
    [`vcpu 0 read ${HOLE} hold`, 1, 'hold point'],
    [`vcpu 0 read ${HOLE} hold nowhere`, 1, 'must be one of exit, lookup'],
    [`vcpu 0 read ${HOLE} then`, 1, 'is too much here'],
    [`vcpu 0 read ${HOLE} hold exit`, 1, 'ends with vCPU 0 held'],
    [`vcpu 0 read ${HOLE} hold exit\nvcpu 0 read ${HOLE}`, 2, 'is held: release it first'],
    ['release 0', 1, 'it is not held'],
    [`vcpus 2\nvcpu 0 read ${HOLE} hold exit\nvcpu 1 read ${HOLE} hold exit\nrelease 0`, 4, 'vCPU 1 was held after it'],
    ['slot 0 gpa=0 size=4K ram=0', 1, "slot '0' must be from 1"],
    ['slot 1 gpa=0x80000000 size=4K', 1, 'ram is missing'],
    ['slot 1 gpa=0x80000000 size=4K ram=0 ram=0', 1, 'given twice'],
    ['slot 1 gpa=0x80000000 size=4K ram=0 speed=9', 1, 'no field of a slot'],
    ['slot 1 gpa=0x80000000 size=4K ram=0=0', 1, 'must be NAME=VALUE'],
    ['slot 1 gpa=0x80000800 size=4K ram=0', 1, 'no multiple of 4096'],
    ['slot 1 gpa=0x80000000 size=4K ram=0 flags=toString', 1, 'must be one of log, ro'],
    ['step installed', 1, 'no update has begun'],
    ['finish', 1, 'no update has begun'],
    [`begin ${SLOT}`, 1, 'ends inside an update'],
    [`begin ${SLOT}\nbegin delete 1`, 2, 'slots_lock is held'],
    [`begin ${SLOT}\nstep onwards`, 2, 'must be one of invalid-installed'],
    ['generation soon', 1, 'is no number'],
    ['strikes luck in v3.11', 1, 'must be one of stale-mmio-cache'],
    ['strikes mmio-pf-bug in v9', 1, 'must be one of patch'],
    ['strikes mmio-pf-bug in', 1, "no era after 'in'"],
    ['expect vcpu 0 luck', 1, 'must be one of ram'],
    ['vcpu 0 run 5', 1, 'has no program'],
    ['vcpu 0 program jump 0', 1, 'must be one of read, write'],
    ['vcpu 0 program read 0 write 0 1', 1, 'must be a comma'],
    [`vcpu 0 program ${'read 0, '.repeat(70)}`, 1, '1 to 64'],
    [`vcpu 0 program read 0\nvcpu 0 run 100000`, 2, 'must be from 1'],
    ['\n'.repeat(MAX_RACE_LINES), MAX_RACE_LINES + 1, 'lines'],
    ['#'.repeat(MAX_RACE_CHARACTERS + 1), 1, 'longer than'],
  ])('%j', (script, line, message) => {
    const parsed = parseRaceScript(script);
    expect(parsed).toMatchObject({ ok: false, error: { line } });
    if (!parsed.ok) expect(parsed.error.message).toContain(message);
  });
});

describe('a race script cannot do what the kernel could not', () => {
  it('wait for a reader that is held', () => {
    const script = `vcpus 2\nvcpu 0 read ${HOLE} hold lookup\nbegin ${SLOT}\nstep drained\nrelease 0\nfinish`;
    const run0 = run(script);
    expect(run0).toMatchObject({ ok: false, error: { line: 4 } });
    if (!run0.ok) expect(run0.error.message).toContain('would wait for vCPU 0');
  });

  it('but a reader that came after the table was published does not keep it waiting', () => {
    const script = `vcpus 2\nbegin ${SLOT}\nstep installed\nvcpu 0 read ${HOLE} hold lookup\nstep drained\nrelease 0\nfinish\nexpect vcpu 0 ram`;
    expect(run(script)).toMatchObject({ ok: true, value: { failures: [] } });
  });

  it('carry a whole call out while a vCPU is held', () => {
    expect(run(`vcpus 2\nvcpu 0 read ${HOLE} hold lookup\n${SLOT}\nrelease 0`)).toMatchObject({
      ok: false,
      error: { line: 3 },
    });
  });

  it('set up a slot that the checks refuse', () => {
    const refused = run(`${SLOT}\nslot 2 gpa=${HOLE} size=4K ram=0`);
    expect(refused).toMatchObject({ ok: false, error: { line: 2 } });
    if (!refused.ok) expect(refused.error.message).toContain('EEXIST');
  });

  it('step to what does not come any more', () => {
    expect(run(`begin ${SLOT}\nstep installed\nstep invalid-drained\nfinish`)).toMatchObject({
      ok: false,
      error: { line: 3 },
    });
  });

  it('take an odd generation in v3.17', () => {
    expect(run('generation 3', 'v3.17')).toMatchObject({ ok: false, error: { line: 1 } });
    expect(run('generation 3', 'v3.11')).toMatchObject({ ok: true });
  });
});

describe('a program', () => {
  it('runs so many instructions, going on where it was', () => {
    const script = `${SLOT}\nvcpu 0 program write ${HOLE} 1, read 0x90000000\nvcpu 0 run 1\nexpect vcpu 0 ram\nvcpu 0 run 1\nexpect vcpu 0 mmio\nvcpu 0 run 1\nexpect vcpu 0 ram\nvcpu 0 run 300\nexpect vcpu 0 mmio`;
    expect(run(script)).toMatchObject({ ok: true, value: { failures: [] } });
  });

  it('can be held at its next fault', () => {
    const script = `vcpus 2\nvcpu 0 program read 0x90000000\nvcpu 0 run 10 hold lookup\nbegin ${SLOT}\nstep installed\nvcpu 1 write ${HOLE} 5\nrelease 0\nfinish\nexpect vcpu 1 ram\nexpect vcpu 0 mmio`;
    expect(run(script)).toMatchObject({ ok: true, value: { failures: [] } });
  });
});

describe('what is not as the script says', () => {
  it('fails, with the line', () => {
    const failed = run(`strikes mmio-pf-bug in v3.11\nvcpu 0 read ${HOLE}\nexpect vcpu 0 ram`);
    expect(failed).toMatchObject({
      ok: true,
      value: {
        failures: [
          "line 3: vCPU 0's access came to 'mmio' in v3.11, not to 'ram'",
          'mmio-pf-bug should strike in v3.11 and did not',
        ],
      },
    });
  });

  it('is also a bug that nobody announced', () => {
    const script = `vcpu 0 read ${HOLE}\n${SLOT}\nvcpu 0 read ${HOLE}`;
    expect(run(script)).toMatchObject({
      ok: true,
      value: { failures: ['stale-mmio-cache struck in v3.11, which does not have it'] },
    });
  });
});
