import type { MmioFaultRecord } from '@core/protocol/index.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { ANY_FAULT, filterAsBreakpoint, mmioPredicate } from '../../../renderer/src/layout/mmio-filter.ts';
import { useMmioStore } from '../../../renderer/src/stores/mmio-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
});

const touchTimes = (count: number): void => {
  for (let i = 0; i < count; i += 1) engine.touch(i === 0 ? 'FIRST' : 'EMULATE');
};

describe('the log of MMIO faults', () => {
  it('is shown newest first, each fault once', async () => {
    const mmio = useMmioStore();
    touchTimes(3);
    await mmio.refreshLog();
    touchTimes(2);
    await mmio.refreshLog();
    await mmio.refreshLog();
    expect(mmio.shown.map(({ seq }) => seq)).toEqual([4, 3, 2, 1, 0]);
  });

  it('goes on at its end when more has happened than can be read at once', async () => {
    const mmio = useMmioStore();
    touchTimes(2000);
    await mmio.refreshLog();
    expect(mmio.total).toBe(2000);
    expect(mmio.shown.at(0)?.seq).toBe(1999);
  });

  it('follows a running guest in short pieces', async () => {
    const mmio = useMmioStore();
    touchTimes(2000);
    engine.state = 'running';
    await mmio.refreshLog();
    expect(mmio.total).toBe(2000);
    expect(mmio.shown.map(({ seq }) => seq).slice(0, 2)).toEqual([1999, 1998]);
    expect(mmio.shown.length).toBeLessThanOrEqual(50);
  });

  it('leaves nothing of the last hundreds out when the guest stands again', async () => {
    const mmio = useMmioStore();
    engine.state = 'running';
    touchTimes(30);
    await mmio.refreshLog();
    touchTimes(200);
    await mmio.refreshLog();
    const live = mmio.shown.map(({ seq }) => seq);
    expect(live).not.toContain(100);
    expect(live).toEqual(expect.arrayContaining([0, 229]));
    engine.stop({ kind: 'paused' });
    await mmio.refreshLog();
    expect(mmio.shown.map(({ seq }) => seq)).toEqual(Array.from({ length: 230 }, (_unused, i) => 229 - i));
  });

  it('begins anew with a new machine', async () => {
    const mmio = useMmioStore();
    touchTimes(5);
    await mmio.refreshLog();
    engine.faults = [];
    touchTimes(1);
    engine.stop({ kind: 'loaded' });
    await mmio.refreshLog();
    await mmio.refreshLog();
    expect(mmio.shown.map(({ seq }) => seq)).toEqual([0]);
  });

  it('can be narrowed to an outcome or a gfn', async () => {
    const mmio = useMmioStore();
    touchTimes(4);
    await mmio.refreshLog();
    mmio.narrow({ outcome: 'FIRST' });
    expect(mmio.shown).toHaveLength(1);
    mmio.narrow({ outcome: 'any' });
    mmio.narrow({ gfns: '1' });
    expect(mmio.shown).toHaveLength(0);
  });

  it('makes a breakpoint of a row: its page, its direction', async () => {
    const mmio = useMmioStore();
    touchTimes(3);
    await mmio.refreshLog();
    mmio.proposeBreakpoint(mmio.shown[0]);
    expect(mmio.breakpointDraft?.spec).toMatchObject({ start: 0xfeb0_0000n, length: 0x1000n, access: 'write' });
  });
});

describe('the filter of the log', () => {
  const fault: MmioFaultRecord = {
    seq: 0,
    insns: 0,
    vcpu: 0,
    rip: 0n,
    gva: 0n,
    gpa: 0xe000_0010n,
    access: 'read',
    outcome: 'EMULATE',
    spte: 0n,
    spteGen: 3,
    kvmGen: 3,
    size: 4,
    value: 0n,
    claim: 'device',
    device: 'pit',
  };

  it.each([
    [{}, true],
    [{ outcome: 'EMULATE' }, true],
    [{ outcome: 'INVALID' }, false],
    [{ access: 'write' }, false],
    [{ freshness: 'fresh' }, true],
    [{ freshness: 'none' }, false],
    [{ vcpu: 1 }, false],
    [{ device: 'pit' }, true],
    [{ device: 'unsatisfied' }, false],
    [{ gfns: 'e0000' }, true],
    [{ gfns: '0xdff00-0xe0000' }, true],
    [{ gfns: 'e0001-e0002' }, false],
    [{ gfns: 'not a range' }, false],
  ] as const)('%o shows it: %s', (part, isShown) => {
    expect(mmioPredicate({ ...ANY_FAULT, ...part })(fault)).toBe(isShown);
  });

  it('is a breakpoint for what it shows', () => {
    const draft = filterAsBreakpoint({ ...ANY_FAULT, gfns: 'e0000-e0001', outcome: 'INVALID', access: 'write' }, []);
    expect(draft).toEqual({
      spec: {
        kind: 'mmio',
        start: 0xe000_0000n,
        length: 0x2000n,
        access: 'write',
        outcomes: ['INVALID'],
        freshness: 'any',
      },
    });
    expect(filterAsBreakpoint({ ...ANY_FAULT, gfns: 'e-d' }, [])).toBeUndefined();
  });

  const bank = { name: 'MMIO bank', gpa: 0xfeb0_0000n, size: 0x1000n };
  it.each([
    [{ access: 'fetch' }, 'event.access == "fetch"'],
    [{ freshness: 'none' }, '(event.generation == -1 || event.outcome == "CACHED")'],
    [{ freshness: 'stale' }, 'event.outcome != "CACHED"'],
    [{ device: 'unsatisfied' }, 'event.claim == "unsatisfied"'],
    [{ device: 'none' }, 'event.claim == "none"'],
    [{ device: 'MMIO bank' }, 'event.claim == "device" && event.gpa >= 0xfeb00000 && event.gpa < 0xfeb01000'],
    [{ device: 'gone' }, '0'],
    [{ access: 'fetch', device: 'none' }, 'event.access == "fetch" && event.claim == "none"'],
  ] as const)('%o is the condition %s', (part, condition) => {
    expect(filterAsBreakpoint({ ...ANY_FAULT, ...part }, [bank])?.condition).toBe(condition);
  });

  it('keeps the vCPU', () => {
    expect(filterAsBreakpoint({ ...ANY_FAULT, vcpu: 1 }, [])?.vcpu).toBe(1);
  });

  it('goes with the export: what it hides is not written', async () => {
    const mmio = useMmioStore();
    engine.touch('FIRST');
    engine.touch('EMULATE');
    mmio.narrow({ outcome: 'EMULATE' });
    expect(await mmio.exportCsv()).toBe(true);
    const [head, ...rows] = new TextDecoder().decode(engine.exported[0].bytes).trimEnd().split('\r\n');
    expect(head).toMatch(/^seq,insns,vcpu,rip,gva,gpa/);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatch(/0xfeb00010,read,4,.*EMULATE/);
  });
});

describe('the log at a moment', () => {
  it('shows the faults around it, and the newest again when asked', async () => {
    const mmio = useMmioStore();
    touchTimes(3000);
    await mmio.refreshLog();
    const { insns } = engine.faults[1000];
    const seq = await mmio.goTo(insns);
    expect(engine.faults[seq ?? -1].insns).toBe(insns);
    expect(mmio.shown.some((record) => record.seq === seq)).toBe(true);
    mmio.showNewest();
    expect(mmio.shown[0].seq).toBe(2999);
  });
});
