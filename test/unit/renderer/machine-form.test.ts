import { describe, expect, it } from 'vitest';
import { formOfOptions, parseMachineForm } from '../../../renderer/src/layout/machine-form.ts';

const form = formOfOptions({});

describe('the options of a machine', () => {
  it('are those of the machine that is there, and come back as they were', () => {
    const options = {
      mmu: 'npt',
      era: 'v3.10',
      maxPhyAddr: 46,
      ramBytes: 8192 * 1025,
      vcpus: 2,
      threads: true,
      hostPages: 'thp',
      eptAd: false,
      append: 'pages=3',
    } as const;
    expect(formOfOptions(options).mem).toBe('8200K');
    expect(parseMachineForm(formOfOptions(options))).toEqual({ ok: true, options });
  });

  it.each([
    [{ mem: 'lots' }, 'a size such as 128M'],
    [{ mem: '7' }, 'between 1M and 1536M'],
    [{ mem: '2G' }, 'between 1M and 1536M'],
    [{ mem: '1048577' }, 'multiple of 4 KiB'],
    [{ maxPhyAddr: 53 }, 'from 32 to 52'],
    [{ maxPhyAddr: '' }, 'from 32 to 52'],
    [{ vcpus: 9 }, 'from 1 to 8'],
    [{ vcpus: '' }, 'from 1 to 8'],
    [{ append: 'x'.repeat(4097) }, '4096 characters'],
  ])('%j is refused with a sentence, and says which field it is', (wrong, message) => {
    const parsed = parseMachineForm({ ...form, ...wrong });
    expect(parsed.ok ? '' : parsed.message).toContain(message);
    expect(parsed.ok ? [] : [parsed.field]).toEqual(Object.keys(wrong));
  });
});
