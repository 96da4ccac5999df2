/** umbra walk and umbra rmap, on guests of the program. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { umbra } from './cli-runner.ts';

const SMALL = ['--mem', '16M'];

describe('umbra walk', () => {
  it('prints both trees side by side, and what the access comes to', async () => {
    const words = ['walk', 'poller', '0xe0000000', ...SMALL, '--append', 'mode=long', '--at-insns', '100000'];
    const { status, stdout } = await umbra(words);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^supervisor read of gva 0xe0000000 on vCPU 0\n/);
    expect(stdout).toMatch(/guest page tables: 4-level paging +\| EPT: gpa 0xe0000000/);
    expect(stdout).toMatch(/^4 PML4E gpa 0x[0-9a-f]+: .*\| 4 sptep 0x/m);
    expect(stdout).toContain('MMIO spte, gfn 0xe0000, generation 0x2, current 0x2: fresh');
    expect(stdout).toContain('writable but not readable (bits 2:0 = 110b)');
    expect(stdout).toContain('(SDM vol 3C, "EPT Misconfigurations")');
    expect(stdout).toContain('hardware: EPT misconfiguration (exit 49)');
    expect(stdout).toMatch(/KVM: {6}next access: (CACHED|EMULATE), because/);
  });

  it('says of a stale MMIO spte which generations make it so', async () => {
    const script = path.join(mkdtempSync(path.join(tmpdir(), 'umbra-')), 'edits.txt');
    writeFileSync(script, 'at 20000 set slot=5 gpa=0xd0000000 size=0x1000 hva=0x7f0000000000\n');
    const words = ['walk', 'poller', '0xe0000000', ...SMALL, '--at-insns', '20000', '--era', 'v3.17'];
    const { stdout, stderr, status } = await umbra([...words, '--slots', script]);
    expect(stderr).toContain('CREATE');
    expect(status).toBe(0);
    expect(stdout).toMatch(/next access: INVALID, because its generation is 0x\w+ and the current one is 0x\w+; then/);
  });

  it('takes a gpa, another kind of access, and answers in JSON', async () => {
    const words = ['walk', 'hello', '0x100000', ...SMALL, '--gpa', '--access', 'w', '--mmu', 'npt', '--json'];
    const { status, stdout } = await umbra(words);
    expect(status).toBe(0);
    const { walk } = JSON.parse(stdout) as {
      walk: { guest?: unknown; host: { kind: string; levels: unknown[] }; end: object };
    };
    expect(walk.guest).toBeUndefined();
    expect(walk.host.kind).toBe('npt');
    expect(walk.host.levels).toHaveLength(4);
    expect(walk.end).toMatchObject({ kind: 'tlb-fill' });
  });

  it('finds a symbol of the image, and says which word is neither that nor a number', async () => {
    expect((await umbra(['walk', 'hello', 'argument_is', ...SMALL, '--access', 'x'])).stdout).toMatch(
      /^supervisor fetch of gva 0x10/,
    );
    const { status, stderr } = await umbra(['walk', 'hello', 'nowhere', ...SMALL]);
    expect([status, stderr]).toEqual([2, expect.stringContaining('nowhere is neither an address')]);
  });
});

describe('umbra rmap', () => {
  it('names the slot, the sptes and the shadow page of a frame that is mapped', async () => {
    const { status, stdout } = await umbra(['rmap', 'hello', '0x100', '0xfeb00', ...SMALL]);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^gfn 0x100 \(gpa 0x100000\)\nmemslot: {2}1, gfn 0x100 \+ 3840 pages, hva 0x7f0000100000, flags none/,
    );
    expect(stdout).toMatch(/rmap 4 KiB: word at 0x[0-9a-f]+ = 0x[0-9a-f]+, one spte\n {4}sptep 0x/);
    expect(stdout).toContain('write:    writable: 1 of the 1 sptes');
    expect(stdout).toContain('dirty:    the memslot does not log dirty pages');
    expect(stdout).toContain('memslot:  none: accesses are MMIO');
  });
});
