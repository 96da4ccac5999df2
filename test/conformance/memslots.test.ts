import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { conformanceMemslots } from '../../electron/cli/conformance-memslots.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const PART = here('../fixtures/kvm-memslots/linux-6.18-part.jsonl');
const WHOLE = here('../../../shared/conformance/kvm-memslots/linux-6.18.jsonl');

function replay(...files: readonly string[]): { readonly status: number; readonly lines: readonly string[] } {
  const lines: string[] = [];
  return { status: conformanceMemslots(files, (line) => lines.push(line)), lines };
}

function file(name: string, text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'umbra-memslots-')), name);
  writeFileSync(path, text);
  return path;
}

describe('memslot calls recorded from Linux 6.18', () => {
  it('are answered as the kernel answered them', () => {
    expect(replay(PART)).toEqual({ status: 0, lines: ['memslots: 40 VMs, 1600 calls passed, 0 failed'] });
  });

  it.skipIf(!existsSync(WHOLE))('are answered so in the whole recording too', () => {
    expect(replay(WHOLE)).toEqual({ status: 0, lines: ['memslots: 250 VMs, 10000 calls passed, 0 failed'] });
  });
});

describe('replaying', () => {
  it('names every call that went otherwise', () => {
    const calls = (JSON.parse(readFileSync(PART, 'utf8').split('\n')[0]) as { result: string }[]).slice(0, 3);
    calls[1].result = 'ENOMEM';
    const { status, lines } = replay(file('changed.jsonl', JSON.stringify(calls)));
    expect(status).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(
        /changed\.jsonl:1 call 2: setUserMemoryRegion slot=3 flags=0x3 gpa=0x3e000 .*: recorded ENOMEM, got OK \(every check passed\)$/,
      ),
      'memslots: 1 VMs, 2 calls passed, 1 failed',
    ]);
  });

  it.each([
    ['not JSON', '[{"op":', 'is not JSON'],
    ['another JSON', '{"op":"getDirtyLog"}', 'is not a recording'],
    ['an unknown call', '[{"op":"mapEverything"}]', 'is not a recording: 0.op'],
    [
      'a gpa that is no number',
      '[{"op":"setUserMemoryRegion","slot":0,"flags":0,"gpa":"zero","size":"0x0","hva":"0x0","result":"OK"}]',
      'is not a recording: 0.gpa',
    ],
    [
      'a slot that has no 32 bits',
      '[{"op":"getDirtyLog","slot":4294967296,"result":"OK"}]',
      'is not a recording: 0.slot',
    ],
  ])('says what is wrong with %s', (_name, text, message) => {
    const { status, lines } = replay(file('bad.jsonl', text));
    expect(status).toBe(2);
    expect(lines).toEqual([expect.stringContaining(message)]);
  });

  it('says which file cannot be read', () => {
    const { status, lines } = replay('/nowhere/at-all.jsonl');
    expect(status).toBe(2);
    expect(lines).toEqual([expect.stringContaining('/nowhere/at-all.jsonl')]);
  });
});
