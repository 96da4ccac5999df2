import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestSentence, SHIPPED_GUESTS } from '../../../core/protocol/shipped-guests.ts';
import { projectRoot } from '../../../scripts/project-root.mjs';

const images = readdirSync(path.join(projectRoot, 'electron/guests')).map((file) => path.basename(file, '.elf'));

describe('the guests that come with the program', () => {
  it('have a sentence each, and no other has one', () => {
    expect(Object.keys(SHIPPED_GUESTS).toSorted()).toEqual(images.toSorted());
    for (const guest of images) expect(guestSentence(guest)).toMatch(/^[A-Z].{20,130}\.$/);
    expect(guestSentence('toString')).toBe('');
  });

  it('take the arguments that their sentences name', () => {
    for (const [name, { does }] of Object.entries(SHIPPED_GUESTS)) {
      const source = readFileSync(path.join(projectRoot, 'test/guests', `${name}.c`), 'utf8');
      for (const [, argument] of does.matchAll(/(\w+)=/g)) {
        expect(argument === 'mode' || source.includes(`"${argument}"`), `${name} ${argument}=`).toBe(true);
      }
    }
  });

  it('are in the table of the guests', () => {
    const page = readFileSync(path.join(projectRoot, 'docs/guest-devices.md'), 'utf8');
    for (const guest of images) expect(page).toContain(`| \`${guest}\``);
  });
});
