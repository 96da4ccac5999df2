import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readTraceFile } from '../../../electron/host/trace-file.ts';
import { fileProblem } from '../../../electron/main/guest-files.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'umbra-trace-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const EVENT = ' qemu-1000  [000] ....     0.000001: kvm_entry: vcpu 0\n';

function file(name: string, text: string): string {
  const target = path.join(folder, name);
  writeFileSync(target, text);
  return target;
}
const refusal = async (name: string): Promise<string> => {
  const answer = await readTraceFile(name, fileProblem);
  return answer.ok ? '' : answer.message;
};

describe('a trace file that the user names', () => {
  it('is read over many pieces, by lines that lie across them', async () => {
    const target = file('long.txt', EVENT.repeat(5000));
    const answer = await readTraceFile(target, fileProblem);
    expect(answer.ok && [answer.value.path, answer.value.eventAt.length, answer.value.text]).toEqual([
      target,
      5000,
      EVENT.repeat(5000),
    ]);
  });

  it('is refused by its name, the line and why', async () => {
    const target = file('letter.txt', `${EVENT}dear reader\n`);
    expect(await refusal(target)).toMatch(
      /letter\.txt cannot be read as a trace: line 2 is no line of an ftrace text: “dear reader”/,
    );
    expect(await refusal(path.join(folder, 'none.txt'))).toMatch(/none\.txt cannot be read: there is no such file\.$/);
  });

  it('is never a device without end, nor a folder', async () => {
    expect(await refusal('/dev/zero')).toMatch(/it is no file but a device, pipe or folder\.$/);
    expect(await refusal(folder)).toMatch(/cannot be read/);
  });
});
