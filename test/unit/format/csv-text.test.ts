import { describe, expect, it } from 'vitest';
import { csvText } from '../../../core/format/csv-text.ts';

describe('comma-separated values', () => {
  it('quote what would be taken for a border of cells', () => {
    const rows = [
      ['x,y', 'say "hi"'],
      ['two\nlines', 3n],
    ] as const;
    expect(csvText(['a', 'b'], rows)).toBe('a,b\r\n"x,y","say ""hi"""\r\n"two\nlines",3\r\n');
  });

  it('keep text text that a spreadsheet would take for a formula, and numbers numbers', () => {
    expect(csvText(['a'], [['=1+1'], [-1]])).toBe("a\r\n'=1+1\r\n-1\r\n");
  });
});
