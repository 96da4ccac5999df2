import { existsSync } from 'node:fs';
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

describe('recordings of a real processor', () => {
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
    expect(lines[0]).toMatch(/^cannot read no-such-recording.jsonl/);
    expect(status).toBe(2);
  });
});
