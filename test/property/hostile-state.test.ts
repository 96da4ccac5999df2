import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Machine } from '../../core/machine/index.ts';
import { pageOffset, repackedState } from '../unit/machine/repacked-state.ts';
import { openState, savedState } from '../unit/machine/saved-machine.ts';
import { smallMachine } from '../unit/machine/small-machine.ts';

function source(
  guest: string,
  append: string,
  config: object,
): { readonly machine: Machine; readonly bytes: Uint8Array } {
  const { machine } = smallMachine({ ramBytes: 4 << 20, ...config });
  const image = new Uint8Array(readFileSync(new URL(`../../electron/guests/${guest}.elf`, import.meta.url)));
  const loaded = machine.loadImage(image, guest, append);
  if (!loaded.ok) throw new Error(loaded.error.message);
  machine.run(60_000);
  return { machine, bytes: savedState(machine) };
}

const POLLER = source('poller', 'pause=50', {});
const SHADOWED = source('smp', 'vcpus=2 rounds=60 mode=pae', { mmu: 'shadow', vcpus: 2, era: 'v3.11' });

/** A refusal is a sentence; what is accepted runs without an error of ours. */
function refusedOrRuns(bytes: Uint8Array): void {
  const opened = openState(bytes);
  if (opened.ok) opened.value.run(20_000);
  else expect(opened.error).toMatch(/^[^]{10,}\.$/);
}

describe('a state file that somebody tampered with', () => {
  test('is refused wherever it is cut', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: POLLER.bytes.length - 1 }), (length) => {
        expect(openState(POLLER.bytes.subarray(0, length)).ok).toBe(false);
      }),
      { numRuns: 8 },
    );
  });

  test('is refused whatever bit is flipped', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: POLLER.bytes.length - 1 }), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const bytes = POLLER.bytes.slice();
        bytes[at] ^= 1 << bit;
        expect(openState(bytes).ok).toBe(false);
      }),
      { numRuns: 8 },
    );
  });

  test('cannot unpack to more than it says, and may not say more than there can be', () => {
    const bomb = Buffer.from(POLLER.bytes);
    bomb.writeUInt32LE(0xffff_ffff, 64 + 8);
    expect(openState(bomb)).toEqual({ ok: false, error: expect.stringContaining('damaged') });
    const grown = repackedState(POLLER.bytes, (kind, raw) => (kind === 'PAGE' ? Buffer.alloc(2_000_000) : raw));
    expect(openState(grown)).toEqual({ ok: false, error: expect.stringContaining('more than it may') });
    const outside = repackedState(POLLER.bytes, (kind, raw) => {
      if (kind === 'PAGE') raw.writeUInt32LE(0x7_ffff, 4 + 4 * (raw.readUInt32LE(0) - 1));
      return raw;
    });
    expect(openState(outside).ok).toBe(false);
    const header = repackedState(POLLER.bytes, (kind, raw) => {
      if (kind === 'PAGE' && raw.readUInt32LE(4) < 16) raw.writeUInt32LE(0, 4);
      return raw;
    });
    expect(openState(header)).toEqual({ ok: false, error: expect.stringContaining('does not have') });
  });

  const regions = (machine: Machine) => {
    const { layout } = machine.arena;
    return [
      ['the vCPUs', layout.vcpus, layout.vm],
      ['the VM', layout.vm, layout.vm + 512],
      ['the memslots', layout.memslots, layout.memslots + layout.memslotTableBytes],
      ['the slot heap', layout.slotHeap, layout.slotHeap + 4096],
      ['shadow page headers', layout.mmuPages, layout.mmuPages + 20 * 128],
      ['shadow pages', layout.shadowPages, layout.shadowPages + 20 * 4096],
      ['devices', layout.devices, layout.devices + 8192],
    ] as const;
  };

  test.each([
    ['a poller under EPT', POLLER],
    ['two vCPUs under the shadow MMU', SHADOWED],
  ])('never makes the engine fail when its structures lie: %s', (_name, { machine, bytes }) => {
    for (const [, start, end] of regions(machine)) {
      const places = fc.tuple(
        fc.integer({ min: 0, max: (end - start) / 4 - 1 }),
        fc.oneof(fc.constantFrom(0, 1, -1, 4096), fc.integer()),
      );
      fc.assert(
        fc.property(fc.array(places, { minLength: 1, maxLength: 3 }), (lies) => {
          const tampered = repackedState(bytes, (kind, raw) => {
            if (kind !== 'PAGE') return raw;
            for (const [word, value] of lies) {
              const at = pageOffset(raw, start + word * 4);
              if (at >= 0) raw.writeInt32LE(value | 0, at);
            }
            return raw;
          });
          refusedOrRuns(tampered);
        }),
        { numRuns: 2 },
      );
    }
  });
});
