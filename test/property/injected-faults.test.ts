/** The table of faults fits the source, whatever has been changed since. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { INJECTED_FAULTS } from './injected-faults.ts';

test.each(INJECTED_FAULTS.map((fault) => [fault.name, fault] as const))(
  '%s: the text to replace stands once in its file',
  (_name, { file, find, replace }) => {
    const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
    expect(source.split(find)).toHaveLength(2);
    expect(replace).not.toBe(find);
  },
);

test('every fault has a name of its own', () => {
  const names = INJECTED_FAULTS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
