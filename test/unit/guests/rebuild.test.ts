import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { buildAll, GUESTS, imageFile, recordedToolchain, toolchain } from '../../guests/build.mjs';

const present = toolchain();
const recorded = recordedToolchain();
const isSame = present?.gcc === recorded.gcc && present?.binutils === recorded.binutils;

describe('the guest images', () => {
  test('are those that the build knows', () => {
    const images = readdirSync(new URL('../../../electron/guests', import.meta.url));
    expect(images.toSorted()).toEqual(GUESTS.map((guest) => `${guest.name}.elf`).toSorted());
  });

  // Another compiler makes other code of the same sources; there is nothing to compare then.
  test.skipIf(!isSame)(`rebuild to the same bytes with ${recorded.gcc}`, () => {
    for (const [name, image] of buildAll()) {
      expect(image.equals(readFileSync(imageFile(name))), `${name}.elf differs from what its sources give`).toBe(true);
    }
  });
});
