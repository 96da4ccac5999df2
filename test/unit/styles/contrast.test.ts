/** Every text of the window on its ground, dark and light, by WCAG 2.2 (relative luminance, 1.4.3 and 1.4.11). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const css = readFileSync(new URL('../../../renderer/src/styles/colors.css', import.meta.url), 'utf8');
const [darkText, lightText] = css.split('@media (prefers-color-scheme: light)');

const tokensOf = (text: string): ReadonlyMap<string, string> =>
  new Map([...text.matchAll(/--([a-z-]+):\s*(#[0-9a-f]{6})/g)].map(([, name, value]) => [name, value]));
const dark = tokensOf(darkText);
const light = new Map([...dark, ...tokensOf(lightText)]);

function luminance(color: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: string, other: string): number {
  const [high, low] = [luminance(one), luminance(other)].toSorted((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

const GROUNDS = ['ground', 'surface', 'field', 'raised', 'hover', 'accent-ground'];
const STATES = ['fresh', 'stale', 'present', 'protected', 'nonpresent', 'changed', 'danger'];
const TEXTS: readonly (readonly [text: string, ground: string])[] = [
  ...['text', 'muted', 'faint', 'accent'].flatMap((text) => GROUNDS.map((ground) => [text, ground] as const)),
  ['text', 'pressed'],
  ['muted', 'pressed'],
  ['on-accent', 'accent'],
  ...STATES.flatMap((state) => ['surface', 'ground', `${state}-ground`].map((ground) => [state, ground] as const)),
  ...['magic', 'gfn', 'access', 'attribute', 'software', 'reserved', 'ignored'].map(
    (field) => ['field-text', `field-${field}`] as const,
  ),
];

describe.each([
  ['dark', dark],
  ['light', light],
] as const)('in %s', (_name, tokens) => {
  const token = (name: string): string => {
    const value = tokens.get(name);
    if (value === undefined) throw new Error(`there is no colour called ${name}`);
    return value;
  };

  it.each(TEXTS)('%s on %s has at least 4.5 : 1', (text, ground) => {
    expect(contrast(token(text), token(ground))).toBeGreaterThanOrEqual(4.5);
  });

  it('the mark of the keyboard has at least 3 : 1 on every ground', () => {
    for (const ground of GROUNDS) expect(contrast(token('accent'), token(ground))).toBeGreaterThanOrEqual(3);
  });
});

describe('the measure itself', () => {
  it('is that of the standard', () => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
    expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
  });
});
