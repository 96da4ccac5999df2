import { describe, expect, it } from 'vitest';
import { fileArgument } from '../../../electron/main/command-line.ts';

describe('the file on the command line of the window', () => {
  it.each([
    [['umbra'], false, undefined],
    [['umbra', 'kernel.elf'], false, '/home/user/kernel.elf'],
    [['umbra', '/boot/kernel.elf'], false, '/boot/kernel.elf'],
    [['umbra', '--no-sandbox', 'kernel.elf'], false, '/home/user/kernel.elf'],
    [['electron', '.'], true, undefined],
    [['electron', '--inspect=0', '.', 'kernel.elf'], true, '/home/user/kernel.elf'],
  ])('%j (folder first: %s) is %s', (argv, startsWithFolder, expected) => {
    expect(fileArgument(argv, startsWithFolder, '/home/user')).toBe(expected);
  });
});
