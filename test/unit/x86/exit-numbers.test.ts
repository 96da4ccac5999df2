import { expect, it } from 'vitest';
import * as exits from '../../../core/x86/system/exits.ts';

it('no two exits have one number', () => {
  const numbers = Object.entries(exits).filter(([name]) => name.startsWith('EXIT_'));
  expect(numbers.length).toBeGreaterThan(15);
  expect(new Set(numbers.map(([, number]) => number)).size).toBe(numbers.length);
});
