import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runX86Conformance } from '../../electron/cli/conformance-x86.ts';

const recording = (name: string): string =>
  fileURLToPath(new URL(`../../../shared/conformance/x86/${name}`, import.meta.url));

function replay(file: string): { status: number; lines: readonly string[] } {
  const lines: string[] = [];
  const status = runX86Conformance([file], { write: (line) => lines.push(line) });
  return { status, lines };
}

const part = fileURLToPath(new URL('../fixtures/x86/integer-part.jsonl', import.meta.url));

describe('recordings of a real processor', () => {
  it('the part of the recording that the repository carries comes out as recorded', () => {
    const { status, lines } = replay(part);
    expect(lines).toEqual(['x86: 756 passed, 0 failed']);
    expect(status).toBe(0);
  });

  it('a case that comes out otherwise is shown with what differs', () => {
    const folder = mkdtempSync(join(tmpdir(), 'umbra-x86-'));
    const [first] = readFileSync(part, 'utf8').split('\n');
    const changed = join(folder, 'changed.jsonl');
    writeFileSync(changed, first.replace(/"rip":"([0-9a-f]+)"/, '"rip":"20000123"'));
    const { status, lines } = replay(changed);
    rmSync(folder, { recursive: true });
    expect(status).toBe(1);
    expect(lines.join('\n')).toMatch(/recorded rip 0x20000123, here 0x200008[0-9a-f]{2}[^]*0 passed, 1 failed/);
  });

  it('a line that is no case is named by its number', () => {
    const folder = mkdtempSync(join(tmpdir(), 'umbra-x86-'));
    const broken = join(folder, 'broken.jsonl');
    writeFileSync(broken, '{"asm":"nop"}\n');
    const { status, lines } = replay(broken);
    rmSync(folder, { recursive: true });
    expect(status).toBe(2);
    expect(lines[0]).toMatch(/broken\.jsonl:1 is not a recorded case: code/);
  });

  it.runIf(existsSync(recording('integer.jsonl')))('every recorded integer instruction comes out as recorded', () => {
    const { status, lines } = replay(recording('integer.jsonl'));
    expect(lines).toEqual(['x86: 6046 passed, 0 failed']);
    expect(status).toBe(0);
  });

  it.runIf(existsSync(recording('sse.jsonl')))('SSE recordings are refused by name and not counted as passed', () => {
    const { status, lines } = replay(recording('sse.jsonl'));
    expect(lines[0]).toMatch(/use SSE registers, which this processor does not have yet/);
    expect(status).toBe(1);
  });

  it('a file that is not there is a sentence and status 2', () => {
    const { status, lines } = replay('no-such-recording.jsonl');
    expect(lines[0]).toMatch(/^no-such-recording\.jsonl cannot be read/);
    expect(status).toBe(2);
  });
});
