import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { replaySlots, slots, type SlotsOptions } from '../../../electron/cli/slots.ts';

function run(command: (output: { out(line: string): void; err(line: string): void }) => number) {
  const out: string[] = [];
  const err: string[] = [];
  const status = command({ out: (line) => void out.push(line), err: (line) => void err.push(line) });
  return { status, out, err };
}
const replay = (script: string, options: SlotsOptions = {}) =>
  run((output) => replaySlots(script, 'script', options, output));

const TOUR = `
set slot=0 gpa=0 size=640K hva=ram
set slot=1 gpa=0x9f000 size=0x2000 hva=ram
set slot=0 gpa=0 size=640K hva=ram
set slot=0 gpa=0 size=640K hva=ram flags=log-dirty
dirty-log slot=0
set slot=0 gpa=0x100000 size=640K hva=ram
delete slot=0
delete slot=0
`;

describe('slots', () => {
  it('says of every call what came of it, why, and the generations', () => {
    const { status, out, err } = replay(TOUR);
    expect({ status, err }).toEqual({ status: 0, err: [] });
    expect(out.slice(0, 6)).toEqual([
      'script:2: set slot=0 gpa=0 size=640K hva=ram',
      '    OK  CREATE: a slot is created',
      '    generation 0 → 1, mmio 0x0 → 0x1',
      'script:3: set slot=1 gpa=0x9f000 size=0x2000 hva=ram',
      '    EEXIST (overlap): guest range [0x9f000, 0xa1000) overlaps slot 0 at [0x0, 0xa0000): delete or move one of them',
      '    generation 1 → 1, mmio 0x1 → 0x1',
    ]);
  });

  it('gives the same as JSON', () => {
    const outcomes = replay(TOUR, { json: true, era: 'v3.11' }).out.map((line): unknown => JSON.parse(line));
    expect(outcomes).toMatchObject([
      { line: 2, result: 'OK', generationBefore: '0x0', generationAfter: '0x1', mmioGenerationBefore: 0x7ff69 },
      { line: 3, result: 'EEXIST', generationAfter: '0x1' },
      { line: 4, result: 'OK', why: expect.stringMatching(/^NONE/), generationAfter: '0x1' },
      { line: 5, result: 'OK', why: expect.stringMatching(/^FLAGS_ONLY/), generationAfter: '0x2' },
      { line: 6, result: 'OK', why: '0 dirty pages in 24 bytes of bitmap' },
      { line: 7, result: 'OK', why: expect.stringMatching(/^MOVE/), generationAfter: '0x4' },
      { line: 8, result: 'OK', why: expect.stringMatching(/^DELETE/), generationAfter: '0x6' },
      { line: 9, result: 'EINVAL', why: expect.stringContaining('delete-empty'), generationAfter: '0x6' },
    ]);
  });

  it('says when the generation is at its end', () => {
    const { out } = replay('generation 0x7fffd\nset slot=0 gpa=0 size=4K hva=0');
    expect(out[4]).toContain('the MMIO generation is at its end, so shadow pages are zapped');
  });

  it('refuses to set a generation where the era has none', () => {
    const { out } = replay('generation 5', { era: 'v3.10', json: true });
    expect(JSON.parse(out[0])).toMatchObject({ result: 'EINVAL', generationAfter: '0x0', mmioGenerationAfter: -1 });
  });

  it('checks by the limits that were asked for', () => {
    const script = 'set slot=200 gpa=0 size=4K hva=0';
    expect(replay(script).out[1]).toContain('EINVAL (slot-out-of-range)');
    expect(replay(script, { limits: 'v6.18' }).out[1]).toContain('OK');
  });

  it.each([
    ['delete slot=1\ndelete slot', {}, 'script:2:8: '],
    ['', { era: 'v4.19' }, "era 'v4.19' cannot run"],
    ['', { limits: 'toString' }, "limits 'toString' are not known"],
    ['', { mem: '3' }, "mem '3' must be a size"],
    ['', { mem: '2G' }, 'from 1M to 1536M'],
  ])('refuses %j with %j as a whole', (script, options, message) => {
    const { status, out, err } = replay(script, options);
    expect(status).toBe(2);
    expect(out).toEqual([]);
    expect(err).toEqual([expect.stringContaining(message)]);
  });

  it('reads a file, and says which one cannot be read', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'umbra-slots-')), 'script.txt');
    writeFileSync(path, 'set slot=0 gpa=0 size=4K hva=0\n');
    expect(run((output) => slots(path, {}, output)).out[0]).toBe(`${path}:1: set slot=0 gpa=0 size=4K hva=0`);
    const missing = run((output) => slots('/nowhere/script', {}, output));
    expect(missing).toMatchObject({ status: 2, out: [], err: [expect.stringContaining('/nowhere/script')] });
    expect(run((output) => slots('/', {}, output)).status).toBe(2);
    const endless = run((output) => slots('/dev/zero', {}, output));
    expect(endless).toMatchObject({ status: 2, err: [expect.stringContaining('16 MiB at most')] });
  });
});
