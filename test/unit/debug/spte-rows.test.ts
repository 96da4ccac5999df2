/** The table of sptes against lists that are filtered and sorted the plain way, and against what the fault log says was made. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { ParsedParams } from '../../../core/protocol/requests.ts';
import type { MmioFaultRecord, SpteRow } from '../../../core/protocol/snapshots.ts';
import { sessionWith, type TestSession } from './debug-guest.ts';

type Filter = Partial<ParsedParams<'sptes.rows'>['filter']>;

const PAGES = 3000;
/** The storm's beginning, and what one pass takes: five instructions a page. */
const GREETING = 26_000;
const PASS = 5 * PAGES;
const WINDOW = 1000;
/** The guest's greeting goes to the screen as well: one more MMIO spte. */
const SCREEN_GFN = 0xb8;
const NEW_SLOT = {
  slot: 5,
  flags: 0,
  guestPhysAddr: 0xc000_0000n,
  memorySize: 0x1000n,
  userspaceAddr: 0x7f00_0000_0000n,
};

function windowed<T>(read: (offset: number) => readonly T[]): readonly T[] {
  const all: T[] = [];
  for (let part = read(0); part.length > 0; part = read(all.length)) all.push(...part);
  return all;
}

const rows = (session: TestSession, filter: Filter): readonly SpteRow[] =>
  windowed((offset) => session.ask('sptes.rows', { filter, offset, limit: WINDOW }).rows);
const total = (session: TestSession, filter: Filter): number =>
  session.ask('sptes.rows', { filter, offset: 0, limit: 1 }).total;
const faults = (session: TestSession): readonly MmioFaultRecord[] =>
  windowed((since) => session.ask('mmio.log', { since, limit: WINDOW }).records);

/** gfn → generation, from the faults that make MMIO sptes. */
const madeOf = (records: readonly MmioFaultRecord[]): ReadonlyMap<number, number> =>
  new Map(
    records
      .filter(({ outcome }) => outcome === 'FIRST' || outcome === 'INVALID')
      .map(({ gpa, kvmGen }) => [Number(gpa >> 12n), kvmGen]),
  );

/** The storm in the middle of a pass after a slot was made: about half of the sptes are stale. */
function halfStale(mmu: 'ept' | 'npt'): TestSession {
  const session = sessionWith('storm', { mmu, append: `pages=${PAGES} passes=100000` });
  session.run(GREETING + 2 * PASS);
  session.ask('memslots.set', { region: NEW_SLOT });
  session.run(GREETING + Math.floor(2.5 * PASS));
  return session;
}

describe.each(['ept', 'npt'] as const)('the sptes of a storm under %s', (mmu) => {
  let session: TestSession;
  let all: readonly SpteRow[];
  let firstGfn: number;

  beforeAll(() => {
    session = halfStale(mmu);
    all = rows(session, { sort: 'sptep' });
    firstGfn = Math.min(...all.flatMap(({ kind, gfn }) => (kind === 'mmio' && gfn !== SCREEN_GFN ? [gfn] : [])));
  });

  it('are those that the faults made, each with the generation of its fault', () => {
    const mmio = rows(session, { kinds: ['mmio'], sort: 'gfn' });
    const made = madeOf(faults(session));
    expect(new Map(mmio.map(({ gfn, gen }) => [gfn, gen]))).toEqual(made);
    expect(mmio.length).toBe(made.size);
    expect(mmio.length).toBeGreaterThanOrEqual(PAGES);
    const { mmioGeneration } = session.ask('machine.status', {}).moment;
    const stale = mmio.filter((row) => row.stale);
    expect(stale.every(({ gen }) => gen === mmioGeneration - 1)).toBe(true);
    expect(mmio.filter((row) => !row.stale).every(({ gen }) => gen === mmioGeneration)).toBe(true);
    expect(stale.length).toBeGreaterThan(PAGES / 4);
    expect(stale.length).toBeLessThan((3 * PAGES) / 4);
  });

  it('are as many as their shadow pages count', () => {
    const sums = { present: 0, mmioFresh: 0, mmioStale: 0 };
    for (const page of session.ask('sptes.pages', {}).pages) {
      sums.present += page.present;
      sums.mmioFresh += page.mmioFresh;
      sums.mmioStale += page.mmioStale;
    }
    expect(sums).toEqual({
      present: total(session, { kinds: ['leaf', 'large', 'link'] }),
      mmioFresh: total(session, { freshness: 'fresh' }),
      mmioStale: total(session, { freshness: 'stale' }),
    });
    expect(all.length).toBe(sums.present + sums.mmioFresh + sums.mmioStale);
  });

  it('say of themselves what the decoder says', () => {
    for (const row of all.filter((_row, i) => i % 97 === 0)) {
      const decoded = session.ask('spte.decode', { value: row.value, era: 'patch', mmu, maxPhyAddr: 40 });
      if (row.kind !== 'mmio') {
        expect(decoded.kind).toBe('present');
        continue;
      }
      expect(decoded).toMatchObject({ kind: 'mmio', gen: row.gen, gfn: BigInt(row.gfn) });
      expect([...(decoded.access ?? '')].toSorted()).toEqual([...row.access.replaceAll('-', '')].toSorted());
    }
  });

  const covers = (row: SpteRow, start: number, length: number): boolean =>
    row.gfn < start + length && row.gfn + 512 ** (row.level - 1) > start;

  it.each<{ name: string; filter: () => Filter; keeps: (row: SpteRow) => boolean }>([
    { name: 'nothing asked', filter: () => ({}), keeps: () => true },
    { name: 'MMIO only', filter: () => ({ kinds: ['mmio'] }), keeps: (row) => row.kind === 'mmio' },
    {
      name: 'tables and leaves',
      filter: () => ({ kinds: ['leaf', 'link'] }),
      keeps: (row) => row.kind === 'leaf' || row.kind === 'link',
    },
    { name: 'stale ones', filter: () => ({ freshness: 'stale' }), keeps: (row) => row.stale },
    {
      name: 'fresh ones',
      filter: () => ({ freshness: 'fresh' }),
      keeps: (row) => row.kind === 'mmio' && !row.stale,
    },
    {
      name: 'a range of frames, with what leads there',
      filter: () => ({ gfnStart: firstGfn + 100, gfnLength: 777 }),
      keeps: (row) => covers(row, firstGfn + 100, 777),
    },
    {
      name: 'one frame of it',
      filter: () => ({ gfnStart: firstGfn + 7, kinds: ['mmio'] }),
      keeps: (row) => row.gfn === firstGfn + 7 && row.kind === 'mmio',
    },
    { name: 'one generation', filter: () => ({ genFirst: 2, genLast: 2 }), keeps: (row) => row.gen === 2 },
    { name: 'generations below one', filter: () => ({ genLast: 2 }), keeps: (row) => row.gen >= 0 && row.gen <= 2 },
    { name: 'generations from one on', filter: () => ({ genFirst: 3 }), keeps: (row) => row.gen >= 3 },
    {
      name: 'bits in both halves of the spte',
      filter: () => ({ mask: 0x8000_0000_0000_0007n, bits: 0x8000_0000_0000_0006n }),
      keeps: (row) => (row.value & 0x8000_0000_0000_0007n) === 0x8000_0000_0000_0006n,
    },
    { name: 'all bits of a mask', filter: () => ({ mask: 7n }), keeps: (row) => (row.value & 7n) === 7n },
    { name: 'one shadow page', filter: () => ({ page: 4 }), keeps: (row) => row.page === 4 },
    {
      name: 'stale ones of a range',
      filter: () => ({ freshness: 'stale', gfnStart: firstGfn + 1000, gfnLength: 1200 }),
      keeps: (row) => row.stale && covers(row, firstGfn + 1000, 1200),
    },
    { name: 'nothing that is there', filter: () => ({ gfnStart: 2 ** 35, kinds: ['leaf'] }), keeps: () => false },
  ])('filtered by $name come in every order', ({ filter, keeps }) => {
    const kept = all.filter(keeps);
    for (const sort of ['gfn', 'value', 'gen', 'level', 'sptep'] as const) {
      const ascending = kept.toSorted((a, b) => (a[sort] < b[sort] ? -1 : a[sort] > b[sort] ? 1 : 0));
      for (const descending of [false, true]) {
        const expected = descending ? ascending.toReversed() : ascending;
        const asked = { filter: { ...filter(), sort, descending }, offset: 13, limit: 40 };
        const seen = session.ask('sptes.rows', asked);
        expect(seen.total).toBe(expected.length);
        expect(seen.rows).toEqual(expected.slice(13, 53));
      }
    }
  });

  it('end where the table ends', () => {
    const ask = (offset: number) => session.ask('sptes.rows', { filter: {}, offset, limit: WINDOW });
    expect(ask(all.length - 3).rows).toHaveLength(3);
    expect(ask(all.length)).toMatchObject({ total: all.length, offset: all.length, rows: [] });
    expect(ask(2 ** 31).rows).toEqual([]);
  });

  it.each([
    { buckets: 1, from: 0, pages: PAGES },
    { buckets: 7, from: -10, pages: PAGES + 20 },
    { buckets: 64, from: 512, pages: 1024 },
    { buckets: 4096, from: 0, pages: PAGES },
  ])('warm $buckets buckets over $pages pages from $from', ({ buckets, from, pages }) => {
    const fresh = Array.from({ length: buckets }, () => 0);
    const stale = [...fresh];
    for (const row of all) {
      if (row.kind !== 'mmio') continue;
      const bucket = Math.floor(((row.gfn - firstGfn - from) * buckets) / pages);
      if (bucket >= 0 && bucket < buckets) (row.stale ? stale : fresh)[bucket] += 1;
    }
    const start = BigInt(firstGfn + from) << 12n;
    const heat = session.ask('sptes.heat', { start, length: BigInt(pages) << 12n, buckets });
    expect([...heat.fresh]).toEqual(fresh);
    expect([...heat.stale]).toEqual(stale);
    expect([...fresh, ...stale].some((count) => count > 0)).toBe(true);
  });
});

describe('the table of a machine that changes', () => {
  it('shows the new moment, not what was indexed before', () => {
    const session = halfStale('ept');
    const before = session.ask('sptes.rows', { filter: { freshness: 'fresh' }, offset: 0, limit: 1 });
    session.ask('memslots.set', { region: { ...NEW_SLOT, slot: 6, guestPhysAddr: 0xd000_0000n } });
    const after = session.ask('sptes.rows', { filter: { freshness: 'fresh' }, offset: 0, limit: 1 });
    expect(before.total).toBeGreaterThan(0);
    expect(after.total).toBe(0);
    expect(after.moment.mmioGeneration).toBe(before.moment.mmioGeneration + 1);
    session.ask('machine.reset', {});
    expect(total(session, {})).toBe(0);
  });

  it('holds a hundred thousand and one', () => {
    const pages = 100_000;
    const session = sessionWith('storm', { mmuPages: 400, append: `pages=${pages} passes=1` });
    expect(session.run().state).toBe('exited');
    const mmio: Filter = { kinds: ['mmio'], sort: 'gfn', descending: true };
    const seen = session.ask('sptes.rows', { filter: mmio, offset: pages - 2, limit: 10 });
    expect(seen.total).toBe(pages + 1);
    expect(seen.rows.map(({ gfn }) => gfn)).toEqual([seen.rows[1].gfn + 1, seen.rows[1].gfn, SCREEN_GFN]);
    expect(total(session, { freshness: 'stale' })).toBe(0);
  });
});

describe('the sptes of a guest that writes its page tables, under shadow paging', () => {
  const session = sessionWith('faults', { mmu: 'shadow', append: 'mode=32' });
  session.run(60_000);
  const all = rows(session, { sort: 'sptep' });
  const unsync = new Set(session.ask('sptes.pages', {}).pages.flatMap((page) => (page.unsync ? [page.index] : [])));

  it('are told apart by what may not be written and by what is not in step', () => {
    const isMapping = ({ kind }: SpteRow): boolean => kind === 'leaf' || kind === 'large';
    const isProtected = (row: SpteRow): boolean => isMapping(row) && !row.writable;
    expect(all.some(isProtected)).toBe(true);
    expect(all.some((row) => isMapping(row) && row.writable)).toBe(true);
    expect(rows(session, { state: 'write-protected', sort: 'sptep' })).toEqual(all.filter(isProtected));
    expect(unsync.size).toBeGreaterThan(0);
    expect(rows(session, { state: 'unsync', sort: 'sptep' })).toEqual(all.filter(({ page }) => unsync.has(page)));
    expect(total(session, { state: 'unsync' })).toBeLessThan(all.length);
  });
});
