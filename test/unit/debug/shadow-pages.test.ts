/** The shadow pages as a tree: every link leads to the page that names it as its parent. */
import { describe, expect, it } from 'vitest';
import type { SpteRow } from '../../../core/protocol/snapshots.ts';
import { sessionWith, type TestSession } from './debug-guest.ts';

const pagesOf = (session: TestSession) => session.ask('sptes.pages', {}).pages;
const entriesOf = (session: TestSession, page: number): readonly SpteRow[] =>
  session.ask('sptes.rows', { filter: { page }, offset: 0, limit: 512 }).rows;
/** Bits 51 to 12 of a link: where the page below it is. */
const target = (row: SpteRow): number => Number(row.value & 0xf_ffff_ffff_f000n);

function stormWithStale(mmu: 'ept' | 'npt' | 'shadow'): TestSession {
  const session = sessionWith('storm', { mmu, append: 'pages=600 passes=100000' });
  session.run(30_000);
  const region = { slot: 5, flags: 0, guestPhysAddr: 0xc000_0000n, memorySize: 0x1000n };
  session.ask('memslots.set', { region: { ...region, userspaceAddr: 0x7f00_0000_0000n } });
  session.run(31_500);
  return session;
}

describe.each(['ept', 'npt', 'shadow'] as const)('the shadow pages of a guest under %s', (mmu) => {
  const session = stormWithStale(mmu);
  const pages = pagesOf(session);
  const rootLevel = mmu === 'shadow' ? 2 : 4;

  it('hang together from the roots down', () => {
    for (const page of pages) {
      const links = entriesOf(session, page.index).filter(({ kind }) => kind === 'link');
      const children = pages.filter(({ parent }) => parent === page.index);
      expect(links.map(target).toSorted()).toEqual(children.map(({ hpa }) => hpa).toSorted());
      for (const link of links) {
        const child = children.find(({ hpa }) => hpa === target(link));
        expect(child).toMatchObject({ level: page.level - 1, gfn: link.gfn, rootCount: 0 });
      }
    }
  });

  it('have the roots that the mode has', () => {
    const roots = pages.filter(({ rootCount }) => rootCount > 0);
    expect(roots.map(({ level, gfn }) => [level, gfn])).toEqual(
      mmu === 'shadow' ? [0, 1, 2, 3].map((quarter) => [2, quarter << 18]) : [[rootLevel, 0]],
    );
    expect(roots.every(({ direct, obsolete, invalid, unsync }) => direct && !obsolete && !invalid && !unsync)).toBe(
      true,
    );
    expect(pages.filter(({ parent }) => parent === -1)).toEqual(roots);
  });

  it('count what is in them', () => {
    for (const page of pages) {
      const rows = entriesOf(session, page.index);
      const mmio = rows.filter(({ kind }) => kind === 'mmio');
      expect(page).toMatchObject({
        present: rows.length - mmio.length,
        mmioFresh: mmio.filter(({ stale }) => !stale).length,
        mmioStale: mmio.filter(({ stale }) => stale).length,
        mmioCached: mmio.length > 0,
      });
      expect(page.roleText).toMatch(new RegExp(`^${page.level} q0 direct wux`));
    }
    expect(pages.some(({ mmioFresh, mmioStale }) => mmioFresh > 0 && mmioStale > 0)).toBe(true);
    expect(pages.length).toBe(session.ask('stats.read', {}).usedMmuPages);
  });
});

describe('roots that were zapped while a vCPU runs on them', () => {
  it('stand alone, invalid and obsolete, until it runs again', () => {
    const session = stormWithStale('ept');
    const region = { slot: 5, flags: 0, guestPhysAddr: 0xc000_0000n, memorySize: 0n, userspaceAddr: 0n };
    session.ask('memslots.set', { region });
    expect(pagesOf(session)).toMatchObject([{ level: 4, rootCount: 1, invalid: true, obsolete: true, present: 0 }]);
    session.ask('run.step', { vcpu: 0 });
    const roots = pagesOf(session).filter(({ level }) => level === 4);
    expect(roots).toMatchObject([{ rootCount: 1, invalid: false, obsolete: false }]);
  });
});
