/** What a host asks of KVM's MMU, through the debugger's requests and in its console. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { ConsoleReply } from '../../../core/protocol/console.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { sessionWith, type TestSession } from './debug-guest.ts';

/** The frames that the image lies in. */
const IMAGE = HVA_BASE + 0x10_0000n;
const PAGES = 64;

let session: TestSession;
beforeEach(() => {
  session = sessionWith('poller');
  session.run(60_000);
});

const live = (): number => session.ask('audit.run', { limit: 1, events: 1 }).report.violations.length;

describe('mmu.setQuota, KVM_SET_NR_MMU_PAGES', () => {
  it.each([
    ['fewer pages than KVM needs', 63, '63 shadow pages are too few: KVM needs at least 64'],
    ['more than there are', 1_000_000, "1000000 shadow pages are more than this machine's pool of 32768"],
  ])('refuses %s, and nothing changes', (_name, pages, why) => {
    const before = session.arenaBytes();
    expect(session.refusal('mmu.setQuota', { pages })).toContain(why);
    expect(session.isAt(before)).toBe(true);
  });

  it.each([-1, 1.5, 2 ** 32])('refuses %d, which no ioctl could be given', (pages) => {
    expect(session.refusal('mmu.setQuota', { pages })).toContain('mmu.setQuota');
  });

  it('sets the quota, which the statistics show', () => {
    expect(session.ask('mmu.setQuota', { pages: 64 }).maxMmuPages).toBe(64);
    expect(session.ask('stats.read', {}).maxMmuPages).toBe(64);
  });
});

describe('mmu.notify', () => {
  it('takes pages away, once, and the guest faults them in again', () => {
    const taken = session.ask('mmu.notify', { event: 'unmap', hva: IMAGE, pages: PAGES });
    expect(taken.count).toBeGreaterThan(1);
    expect(session.ask('mmu.notify', { event: 'unmap', hva: IMAGE, pages: PAGES }).count).toBe(0);
    expect(live()).toBe(0);
    session.run(120_000);
    expect(session.ask('mmu.notify', { event: 'unmap', hva: IMAGE, pages: PAGES }).count).toBeGreaterThan(0);
  });

  it('asks which were used: without A/D flags for EPT that takes them away, too', () => {
    const used = session.ask('mmu.notify', { event: 'age', hva: IMAGE, pages: PAGES }).count;
    expect(used).toBeGreaterThan(1);
    expect(session.ask('mmu.notify', { event: 'age', hva: IMAGE, pages: PAGES }).count).toBe(0);
  });

  it('takes any byte of a page for the page, and finds nothing where no slot is', () => {
    expect(session.ask('mmu.notify', { event: 'unmap', hva: IMAGE + 0xfffn, pages: PAGES }).count).toBeGreaterThan(1);
    expect(session.ask('mmu.notify', { event: 'unmap', hva: 0x1000n, pages: PAGES }).count).toBe(0);
  });

  it('tells whoever shows the machine that it has changed', () => {
    const heard = session.events.length;
    session.ask('mmu.notify', { event: 'unmap', hva: IMAGE, pages: PAGES });
    expect(session.events.slice(heard).map(({ kind }) => kind)).toContain('status');
  });
});

describe('in the console', () => {
  const run = (line: string): ConsoleReply => session.ask('console.run', { line, vcpu: 0 });
  const at = IMAGE.toString(16);

  it.each([
    ['unmap', /^[1-9]\d* sptes dropped$/, '0 sptes dropped'],
    ['age', /^[1-9]\d* of 64 pages were used$/, '0 of 64 pages were used'],
  ])('%s says what came of it', (command, first, second) => {
    expect(run(`${command} 0x${at} 64`).lines).toEqual([expect.stringMatching(first)]);
    expect(run(`${command} 0x${at} 64`).lines).toEqual([second]);
  });

  it('one page is meant where no number is given', () => {
    expect(run(`age 0x${at}`).lines).toEqual([expect.stringMatching(/^[01] of 1 pages were used$/)]);
  });

  it.each(['unmap', 'age', 'unmap nowhere', 'age 0x7f0000000000 0', 'age 0x7f0000000000 1 2'])(
    '%s is refused',
    (line) => {
      expect(run(line).refusal?.message).toContain('it takes an address of user space and a number of pages');
    },
  );

  it('a quota that KVM refuses is refused', () => {
    expect(run('mmu-pages 63').refusal?.message).toContain('KVM needs at least 64');
    expect(run('mmu-pages 64').lines).toEqual([expect.stringMatching(/^\d+ of 64 shadow pages are in use$/)]);
  });
});
