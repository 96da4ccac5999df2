/** docs/FORMATS.md against what the program reads and writes. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  CHUNK_HEADER_BYTES,
  STATE_HEADER_BYTES,
  STATE_MAGIC,
  STATE_VERSION,
} from '../../../core/machine/state/state-format.ts';
import {
  MAX_EMBEDDED_IMAGE,
  MAX_NOTES_CHARACTERS,
  MAX_WATCHES,
  MAX_WORKSPACE_BREAKPOINTS,
  MAX_WORKSPACE_SLOTS,
  parseWorkspace,
  workspaceText,
} from '../../../core/protocol/workspace.ts';
import { savedState } from '../machine/saved-machine.ts';
import { programmed } from '../machine/small-machine.ts';

const PAGE = readFileSync(new URL('../../../docs/FORMATS.md', import.meta.url), 'utf8');
const section = (title: string): string => PAGE.split(`## ${title}\n`)[1].split('\n## ')[0];
const EXAMPLE = /```json\n([^]*?)```/.exec(section('Workspaces'))?.[1] ?? '';

describe('the workspace of docs/FORMATS.md', () => {
  test('is read, and written again the same', () => {
    const parsed = parseWorkspace(EXAMPLE);
    if (!parsed.ok) throw new Error(parsed.error);
    expect(parsed.value.slots?.[0].guestPhysAddr).toBe(0xe000_0000n);
    expect(parsed.value.options.maxPhyAddr).toBe(40);
    expect(parseWorkspace(workspaceText(parsed.value))).toEqual(parsed);
  });

  test.each([
    ['{', /no JSON/],
    [EXAMPLE.replace('"version": 1', '"version": 2'), /version 2; this version of Umbra reads version 1/],
    [EXAMPLE.replace('"ept"', '"tpe"'), /damaged at options\.mmu/],
    [EXAMPLE.replace('"slot": 3', '"slot": -1'), /damaged at slots\.0\.slot/],
    [EXAMPLE.replace('"notes"', '"remarks"'), /damaged at (notes|remarks)/],
    [EXAMPLE.replace('0x100010', '0x1ffffffffffffffff'), /damaged at breakpoints\.0/],
    ['[]', /damaged at format/],
  ])('is refused with its place when it is wrong', (text, reason) => {
    const parsed = parseWorkspace(text);
    expect(parsed.ok ? 'accepted' : parsed.error).toMatch(reason);
  });

  test('is taken up to each of its bounds, and refused behind it', () => {
    const example = JSON.parse(EXAMPLE);
    const many = (count: number, one: unknown): readonly unknown[] => Array.from({ length: count }, () => one);
    const wrap = { spec: { kind: 'generation-wrap' } };
    const watch = { space: 'gva', address: '0x1000', size: 4 };
    const image = (part: object): object => ({ image: { ...example.image, ...part } });
    const bounds: readonly (readonly [RegExp, (size: number) => object, number])[] = [
      [/^slots/, (size) => ({ slots: many(size, example.slots[0]) }), MAX_WORKSPACE_SLOTS],
      [/^breakpoints/, (size) => ({ breakpoints: many(size, wrap) }), MAX_WORKSPACE_BREAKPOINTS],
      [/^notes/, (size) => ({ notes: 'n'.repeat(size) }), MAX_NOTES_CHARACTERS],
      [/^watches/, (size) => ({ watches: many(size, watch) }), MAX_WATCHES],
      [/^image\.name/, (size) => image({ name: 'n'.repeat(size) }), 4096],
      [/^image\.base64/, (size) => image({ base64: 'AAAA'.repeat(size) }), Math.ceil(MAX_EMBEDDED_IMAGE / 3)],
    ];
    for (const [place, part, most] of bounds) {
      const within = parseWorkspace(JSON.stringify({ ...example, ...part(most) }));
      expect(within.ok ? '' : within.error, `${place} of ${most}`).toBe('');
      const beyond = parseWorkspace(JSON.stringify({ ...example, ...part(most + 1) }));
      expect(beyond.ok ? 'accepted' : beyond.error.replace('it is damaged at ', '')).toMatch(place);
    }
  });

  test.each([
    ['image.sha256', { image: { name: 'a', sha256: 'x'.repeat(64) } }],
    ['watches.0.address', { watches: [{ space: 'gva', address: '0x1G', size: 4 }] }],
    ['watches.0.size', { watches: [{ space: 'gva', address: '0x10', size: 3 }] }],
    ['watches.0.space', { watches: [{ space: 'xva', address: '0x10', size: 4 }] }],
    ['layout', { layout: 'wide' }],
    ['options.vcpus', { options: { ...JSON.parse(EXAMPLE).options, vcpus: 9 } }],
    ['breakpoints.0.vcpu', { breakpoints: [{ spec: { kind: 'generation-wrap' }, vcpu: 8 }] }],
    ['breakpoints.0.stopAtHit', { breakpoints: [{ spec: { kind: 'generation-wrap' }, stopAtHit: 0 }] }],
    ['more', { more: 1 }],
  ])('is refused for what %s cannot be', (place, part) => {
    const parsed = parseWorkspace(JSON.stringify({ ...JSON.parse(EXAMPLE), ...part }));
    expect(parsed.ok ? 'accepted' : parsed.error).toContain(`damaged at ${place}: `);
  });

  test('keeps text of every language in plain ASCII', () => {
    const parsed = parseWorkspace(EXAMPLE.replace('why it is slow', 'Über 中文 😀'));
    if (!parsed.ok) throw new Error(parsed.error);
    const text = workspaceText(parsed.value);
    expect(text).toMatch(/^[\n -~]*$/);
    expect(parseWorkspace(text)).toEqual(parsed);
  });
});

test('a machine state begins as docs/FORMATS.md says, and has its chunks in that order', () => {
  const { machine } = programmed([0xf4]);
  machine.run(10);
  const bytes = Buffer.from(savedState(machine));
  const told = section('Machine states');
  const magic = [...STATE_MAGIC].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  expect(told).toContain(`\`${magic}\``);
  expect(bytes.subarray(0, 8)).toEqual(Buffer.from(STATE_MAGIC));
  expect(bytes.readUInt32LE(8)).toBe(STATE_VERSION);
  expect(bytes.readUInt32LE(12)).toBe(STATE_HEADER_BYTES);
  expect(bytes.readDoubleLE(40)).toBe(machine.config.ramBytes);
  const kinds: string[] = [];
  for (let at = STATE_HEADER_BYTES; at < bytes.length; at += CHUNK_HEADER_BYTES + bytes.readUInt32LE(at + 12)) {
    kinds.push(bytes.toString('latin1', at, at + 4));
  }
  expect(kinds.length).toBe(bytes.readUInt32LE(48) + 1);
  expect(kinds.slice(0, 2)).toEqual(['META', 'IMAG']);
  expect(new Set(kinds.slice(2, -1))).toEqual(new Set(['PAGE']));
  expect(kinds.at(-1)).toBe('TABL');
});
