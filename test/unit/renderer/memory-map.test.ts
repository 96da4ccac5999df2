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
import { dirtyCells, dirtyRuns } from '../../../renderer/src/memory-map/dirty-pages.ts';
import { dragRange, graspAt, largeStep, nudgeRange, snapStep } from '../../../renderer/src/memory-map/slot-gesture.ts';
import { callsOf, reorder, shapeOf, stage } from '../../../renderer/src/memory-map/staged-changes.ts';
import { largestHole } from '../../../renderer/src/memory-map/map-holes.ts';
import {
  fieldOfCheck,
  regionOfSlot,
  freeHva,
  freeSlotId,
  parseDraft,
} from '../../../renderer/src/memory-map/region-draft.ts';
import { MEMSLOT_CHECKS } from '../../../core/kvm/memslots/memslot-errors.ts';
import { FakeEngine, HVA_BASE } from './fake-engine.ts';

const answer = await new FakeEngine().request('memslots.read', {});
if (!answer.ok) throw new Error('the script has memslots');
const snapshot = answer.value;
const nothing = { plan: [], drawn: undefined, colliding: undefined, selected: undefined };
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
    const boxes = mapBoxes(snapshot, fourGib, 600, { ...nothing, colliding: 1 });
    const bank = boxes.find(({ key }) => key === 'device mmio-bank');
    expect(bank).toMatchObject({ width: 4, isTick: true });
    expect(boxes.filter(({ isColliding }) => isColliding).map(({ key }) => key)).toEqual(['slot 1']);
  });

  it('leaves out what lies outside of it', () => {
    const boxes = mapBoxes(snapshot, around({ gpa: 0xfeb0_0000n, size: 0x1000n }), 600, nothing);
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

describe('staged changes on the map', () => {
  const [low] = snapshot.slots;
  const target = { ...regionOfSlot(low), guestPhysAddr: 0x8000_0000n };

  it('are ghosts at the new place, and what they take away is marked where it was', () => {
    const boxes = mapBoxes(snapshot, fourGib, 600, { ...nothing, plan: [{ slot: 0, target }] });
    expect(boxes.find(({ key }) => key === 'ghost 0')).toMatchObject({ x: 300, slot: 0 });
    expect(boxes.filter(({ isLeaving }) => isLeaving).map(({ key }) => key)).toEqual(['slot 0']);
  });

  it('are one for each slot: the later takes the place of the earlier', () => {
    const list = stage(stage(stage([], target), { ...target, slot: 7 }), { ...target, guestPhysAddr: 0n });
    expect(list.map(({ slot }) => slot)).toEqual([0, 7]);
    expect(list[0].target.guestPhysAddr).toBe(0n);
    expect(reorder(list, 0, 5).map(({ slot }) => slot)).toEqual([7, 0]);
  });

  it.each([
    [{ memorySize: 0n }, 'delete', 1],
    [{}, 'nothing', 1],
    [{ guestPhysAddr: 0x8000_0000n }, 'move', 1],
    [{ flags: 1 }, 'flags', 1],
    [{ flags: 2 }, 'replace', 2],
    [{ memorySize: 0x1000n }, 'replace', 2],
    [{ userspaceAddr: HVA_BASE + 0x1000n }, 'replace', 2],
    [{ slot: 9 }, 'create', 1],
  ] as const)('%o is a %s of %i calls', (difference, shape, calls) => {
    const changed = { ...regionOfSlot(low), ...difference };
    const change = { slot: changed.slot, target: changed };
    expect(shapeOf(change, snapshot.slots)).toBe(shape);
    expect(callsOf(change, snapshot.slots)).toHaveLength(calls);
  });
});

describe('a slot under the pointer and the keys', () => {
  const range = { gpa: 0x10_0000n, size: 0x4000n };

  it('is taken hold of at its ends where they are far enough apart', () => {
    const boxes = [
      { slot: 1, x: 100, width: 60 },
      { slot: 2, x: 300, width: 4 },
    ];
    expect(graspAt(boxes, 101)).toEqual({ slot: 1, grip: 'start' });
    expect(graspAt(boxes, 130)).toEqual({ slot: 1, grip: 'move' });
    expect(graspAt(boxes, 162)).toEqual({ slot: 1, grip: 'end' });
    expect(graspAt(boxes, 300)).toEqual({ slot: 2, grip: 'move' });
    expect(graspAt(boxes, 200)).toBeUndefined();
  });

  it('snaps to what a few pixels stand for, a page at least and 2 MiB at most', () => {
    expect(snapStep({ start: 0n, length: 1n << 32n }, 600)).toBe(0x20_0000n);
    expect(snapStep({ start: 0n, length: 0x4000n }, 600)).toBe(0x1000n);
    expect(snapStep({ start: 0n, length: 0x100_0000n }, 1024)).toBe(0x8000n);
  });

  it.each([
    ['move', 0x1800n, { gpa: 0x10_2000n, size: 0x4000n }],
    ['move', -(1n << 40n), { gpa: 0n, size: 0x4000n }],
    ['start', 0x1000n, { gpa: 0x10_1000n, size: 0x3000n }],
    ['start', 0x9_0000n, { gpa: 0x10_3000n, size: 0x1000n }],
    ['end', -0x9_0000n, { gpa: 0x10_0000n, size: 0x1000n }],
    ['end', 0x2000n, { gpa: 0x10_0000n, size: 0x6000n }],
  ] as const)('its %s dragged by %i keeps it a slot', (grip, distance, expected) => {
    expect(dragRange(range, grip, distance, 0x1000n)).toEqual(expected);
  });

  it('goes by pages, and grows by its end', () => {
    expect(nudgeRange(range, -1, false, 0x1000n)).toEqual({ gpa: 0xf_f000n, size: 0x4000n });
    expect(nudgeRange(range, 1, true, 0x1000n)).toEqual({ gpa: 0x10_0000n, size: 0x5000n });
    expect(nudgeRange(range, -9, true, 0x1000n)).toEqual({ gpa: 0x10_0000n, size: 0x1000n });
  });
});

describe('a dirty bitmap', () => {
  it('is read as runs of pages', () => {
    expect(dirtyRuns(Uint8Array.of(0b0110_0001, 0b1000_0000, 1), 0x4000n)).toEqual([
      { gpa: 0x4000n, pages: 1 },
      { gpa: 0x9000n, pages: 2 },
      { gpa: 0x13000n, pages: 2 },
    ]);
    expect(dirtyRuns(new Uint8Array(8), 0n)).toEqual([]);
  });

  it('is one column where its runs fall on the same pixels', () => {
    const runs = dirtyRuns(Uint8Array.of(0b0101_0101), 0n);
    expect(dirtyCells(runs, fourGib, 600)).toEqual([{ x: 0, width: 2, pages: 4 }]);
    expect(dirtyCells(runs, { start: 0n, length: 0x8000n }, 80)).toHaveLength(4);
  });
});

describe('the map by key', () => {
  it('goes far with Control: not below 2 MiB, and across what is shown in some dozen steps', () => {
    expect(largeStep({ start: 0n, length: 0x40_0000n })).toBe(0x20_0000n);
    expect(largeStep(fourGib)).toBe(0x400_0000n);
  });

  it('draws a new slot in the widest hole in sight, and somewhere when there is none', () => {
    const taken = [
      { gpa: 0x3000n, size: 0x1000n },
      { gpa: 0n, size: 0x2000n },
      { gpa: 0x9000n, size: 0x1000n },
    ];
    expect(largestHole(taken, { start: 0n, length: 0xa000n })).toEqual({ gpa: 0x4000n, size: 0x5000n });
    expect(largestHole(taken, { start: 0x8000n, length: 0x8000n })).toEqual({ gpa: 0xa000n, size: 0x6000n });
    expect(largestHole(taken, { start: 0n, length: 0x2000n })).toEqual({ gpa: 0n, size: 0x2000n });
  });
});

describe('a refused memslot', () => {
  it('has one field of the editor to blame, whatever check of KVM it is that failed', () => {
    const blameless = MEMSLOT_CHECKS.filter((check) => fieldOfCheck(check) === undefined);
    // Flags that do not exist cannot be typed, and of a VM that is bugged no field can be better.
    expect(blameless).toEqual(['unknown-flags', 'vm-bugged']);
  });
});
