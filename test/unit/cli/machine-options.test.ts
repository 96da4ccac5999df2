/** Every option of a machine, given to every command that takes them, and what the engine is asked to make of it. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DebugSession } from '../../../core/debug/debug-session.ts';
import { umbra } from './cli-runner.ts';

afterEach(() => vi.restoreAllMocks());

const COMMANDS: readonly (readonly string[])[] = [
  ['run', 'hello', '--max-insns', '1k'],
  ['audit', 'hello', '--max-insns', '1k'],
  ['walk', 'hello', '0x100000', '--at-insns', '1k'],
  ['rmap', 'hello', '0x100', '--at-insns', '1k'],
  ['demo'],
  ['console', 'hello'],
];

/** One value of each that is no default. */
const OPTIONS = [
  ['--mem', '8M', { ramBytes: 8 << 20 }],
  ['--mmu', 'npt', { mmu: 'npt' }],
  ['--era', 'v6.8', { era: 'v6.8' }],
  ['--maxphyaddr', '36', { maxPhyAddr: 36 }],
  ['--l1tf-bits', '44', { l1tfCacheBits: 44 }],
  ['--mmu-pages', '100', { mmuPages: 100 }],
  ['--host-pages', '2m', { hostPages: '2m' }],
  ['--ept-ad', 'on', { eptAd: true }],
  ['--vcpus', '3', { vcpus: 3 }],
  ['--threads', undefined, { threads: true }],
  ['--append', 'passes=1', { append: 'passes=1' }],
] as const;

describe.each(COMMANDS.map((words) => [words[0], words] as const))('umbra %s', (_name, words) => {
  it.each(OPTIONS)('hands %s on to the machine', async (option, value, made) => {
    const asked: unknown[] = [];
    vi.spyOn(DebugSession.prototype, 'handle').mockImplementation((name, params) => {
      if (name === 'machine.create') asked.push(params);
      // Nothing of it has to run.
      return { ok: false, error: { code: 'refused', message: 'seen', memslot: undefined } };
    });
    await umbra([...words, option, ...(value === undefined ? [] : [value])]);
    expect(asked).toEqual([expect.objectContaining({ options: expect.objectContaining(made) })]);
  });
});

it('shows all of them in the summary of a run', async () => {
  const words = ['run', 'hello', '--json', '--vcpus', '2', '--host-pages', '2m', '--ept-ad', 'on', '--mem', '8M'];
  const { stderr } = await umbra([...words, '--era', 'v6.8', '--l1tf-bits', '44', '--mmu-pages', '100']);
  expect(JSON.parse(stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({
    ramBytes: 8 << 20,
    era: 'v6.8',
    l1tfCacheBits: 44,
    hostPages: '2m',
    eptAd: true,
    vcpus: 2,
    threads: false,
    maxMmuPages: 100,
  });
});
