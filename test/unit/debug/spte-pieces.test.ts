/** A table of sptes that is read and ordered over several requests: nothing waits for it, and it is of one moment. */
import { describe, expect, it } from 'vitest';
import { SpteTable } from '../../../core/debug/sptes/spte-table.ts';
import type { SpteFilter } from '../../../core/debug/sptes/spte-order.ts';
import type { WorkClock } from '../../../core/debug/sptes/work-steps.ts';
import type { Moment } from '../../../core/protocol/snapshots.ts';
import { smallMachine } from '../machine/small-machine.ts';
import { guestImage } from './debug-guest.ts';

const PAGES = 20_000;
const FILTER: SpteFilter = { kinds: ['mmio'], freshness: 'any', state: 'any', sort: 'value', descending: true };
const MOMENT: Moment = {
  insns: 100,
  epoch: 1,
  memslotsGeneration: 2n,
  mmioGeneration: 2,
  live: false,
  heldUpdate: undefined,
};
const AT_ONCE: WorkClock = { now: () => 0, until: Infinity };
/** One step of the work, and the request's time is over. */
const ONE_STEP: WorkClock = { now: () => 0, until: 0 };

function stormed() {
  const { machine } = smallMachine({ ramBytes: 2 << 20, mmuPages: 256 });
  const loaded = machine.loadImage(guestImage('storm'), 'storm', `pages=${PAGES} passes=1 mode=flat`);
  if (!loaded.ok) throw new Error(loaded.error.message);
  expect(machine.run(10_000_000).kind).toBe('exit');
  return machine.arena;
}

/** As the window asks: the same again until there is an answer. @returns with how many requests */
function askAgain(table: SpteTable, ask: () => Moment, arena: Parameters<SpteTable['refresh']>[0]) {
  for (let requests = 1; ; requests++) {
    const present = table.refresh(arena, ask(), ONE_STEP);
    const order = present && table.order(FILTER, ONE_STEP);
    if (present !== undefined && order !== undefined) return { ...present, order, requests };
    if (requests === 1000) throw new Error('it never comes to an end');
  }
}

describe('a table that is read in pieces', () => {
  const arena = stormed();
  const whole = new SpteTable();
  const reference = whole.refresh(arena, MOMENT, AT_ONCE);
  const wanted = whole.order(FILTER, AT_ONCE);

  it('comes to what one piece comes to', () => {
    const { index, order, requests } = askAgain(new SpteTable(), () => MOMENT, arena);
    expect(requests).toBeGreaterThan(10);
    expect(order).toEqual(wanted);
    expect(order.rows.length).toBe(PAGES + 1);
    expect(index).toEqual(reference?.index);
  });

  it('is begun anew when the machine has gone on and stands again', () => {
    const table = new SpteTable();
    for (let piece = 0; piece < 3; piece++) expect(table.refresh(arena, MOMENT, ONE_STEP)).toBeUndefined();
    const next = { ...MOMENT, insns: 200, epoch: 2 };
    expect(askAgain(table, () => next, arena).moment).toEqual(next);
  });

  it('is of the moment of its first piece, whatever a running guest writes before the last', () => {
    const { index: before } = askAgain(new SpteTable(), () => MOMENT, arena);
    const table = new SpteTable();
    let insns = 100;
    const live = (): Moment => ({ ...MOMENT, live: true, insns: insns++ });
    for (let piece = 0; piece < 3; piece++) expect(table.refresh(arena, live(), ONE_STEP)).toBeUndefined();
    const tables = arena.i32.subarray(arena.layout.shadowPages >> 2);
    const written = tables.slice(0, 200_000);
    tables.fill(0, 0, 200_000);
    const { index, moment } = askAgain(table, live, arena);
    tables.set(written);
    expect(index).toEqual(before);
    expect(moment.insns).toBe(100);
  });

  it('keeps the order of one panel while another asks for its own', () => {
    const table = new SpteTable();
    table.refresh(arena, MOMENT, AT_ONCE);
    const own = table.order(FILTER, AT_ONCE);
    table.order({ ...FILTER, sort: 'gfn' }, AT_ONCE);
    expect(table.order(FILTER, ONE_STEP)).toBe(own);
  });

  it('counts its heat in pieces as well', () => {
    const table = new SpteTable();
    table.refresh(arena, MOMENT, AT_ONCE);
    let pieces = 1;
    let heat = table.heat(0n, 1n << 32n, 16, ONE_STEP);
    for (; heat === undefined; pieces++) heat = table.heat(0n, 1n << 32n, 16, ONE_STEP);
    expect(pieces).toBeGreaterThan(2);
    expect(heat).toEqual(whole.heat(0n, 1n << 32n, 16, AT_ONCE));
  });
});
