import { describe, expect, it } from 'vitest';
import { mapBoxes } from '../../../renderer/src/memory-map/map-boxes.ts';
import {
  addressAt,
  around,
  fitAll,
  pan,
  positionOf,
  tickAddresses,
  zoom,
} from '../../../renderer/src/memory-map/map-viewport.ts';
import { freeHva, freeSlotId, parseDraft } from '../../../renderer/src/memory-map/region-draft.ts';
import { FakeEngine, HVA_BASE } from './fake-engine.ts';

const answer = await new FakeEngine().request('memslots.read', {});
if (!answer.ok) throw new Error('the script has memslots');
const snapshot = answer.value;
const fourGib = { start: 0n, length: 1n << 32n };

describe('the map of guest physical memory', () => {
  it('shows everything at first: up to the power of two above the last thing', () => {
    expect(fitAll(snapshot)).toEqual(fourGib);
  });

  it('is to scale, both ways', () => {
    expect(positionOf(fourGib, 0x8000_0000n, 1000)).toBe(500);
    expect(addressAt(fourGib, 500, 1000)).toBe(0x8000_0000n);
    expect(addressAt(fourGib, -5, 1000)).toBe(0n);
  });

  it('zooms around an address, which stays where it was', () => {
    const at = 0x4000_0000n;
    const closer = zoom(fourGib, 0.5, at);
    expect(closer.length).toBe(1n << 31n);
    expect(positionOf(closer, at, 1000)).toBeCloseTo(positionOf(fourGib, at, 1000));
  });

  it('neither zooms into less than a few pages nor leaves the address space', () => {
    let viewport = around({ gpa: 0xfeb0_0000n, size: 0x1000n });
    for (let i = 0; i < 40; i += 1) viewport = zoom(viewport, 0.5, 0xfeb0_0000n);
    expect(viewport.length).toBe(0x4000n);
    for (let i = 0; i < 80; i += 1) viewport = zoom(viewport, 2, 0n);
    expect(viewport).toEqual({ start: 0n, length: 1n << 52n });
    expect(pan(viewport, 500, 1000).start).toBe(0n);
  });

  it('has ticks at round addresses', () => {
    const ticks = tickAddresses(fourGib, 4);
    expect(ticks).toEqual([0n, 0x4000_0000n, 0x8000_0000n, 0xc000_0000n, 0x1_0000_0000n]);
  });

  it('draws a lone page wide enough to be seen, and says that it did', () => {
    const boxes = mapBoxes(snapshot, fourGib, 600, { draft: undefined, drawn: undefined, colliding: 1 });
    const bank = boxes.find(({ key }) => key === 'device mmio-bank');
    expect(bank).toMatchObject({ width: 4, isTick: true });
    expect(boxes.filter(({ isColliding }) => isColliding).map(({ key }) => key)).toEqual(['slot 1']);
  });

  it('leaves out what lies outside of it', () => {
    const boxes = mapBoxes(snapshot, around({ gpa: 0xfeb0_0000n, size: 0x1000n }), 600, {
      draft: undefined,
      drawn: undefined,
      colliding: undefined,
    });
    expect(boxes.map(({ key }) => key)).toEqual(['device mmio-bank']);
  });
});

describe('a new slot', () => {
  it('takes the lowest free number', () => {
    expect(freeSlotId(snapshot)).toBe(2);
  });

  it('takes host memory that no slot maps, or shares the first when there is none', () => {
    expect(freeHva(snapshot, 0x1000n)).toBe(HVA_BASE + 0xa0000n);
    expect(freeHva(snapshot, 0x10_0000n)).toBe(HVA_BASE);
    expect(freeHva({ ...snapshot, hvaBytes: 0x1000_0000n }, 0x10_0000n)).toBe(HVA_BASE + 0x800_0000n);
  });

  it('says of every field what is wrong with it', () => {
    const parsed = parseDraft({ slot: 'x', gpa: 'y', size: 'z', hva: '', logDirtyPages: true, readonly: false });
    expect(parsed).toMatchObject({ kind: 'mistakes' });
    expect(parsed.kind === 'mistakes' && Object.keys(parsed.mistakes)).toEqual(['slot', 'gpa', 'size', 'hva']);
  });

  it('carries the flags of KVM_SET_USER_MEMORY_REGION', () => {
    const parsed = parseDraft({
      slot: '3',
      gpa: '0',
      size: '4K',
      hva: '7f0000000000',
      logDirtyPages: true,
      readonly: true,
    });
    expect(parsed).toMatchObject({ kind: 'region', region: { flags: 3, memorySize: 0x1000n } });
  });
});
