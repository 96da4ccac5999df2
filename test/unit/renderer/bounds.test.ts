/** What grows while a guest runs, or while somebody works, has an end: a window that is open for days stays as small as it was. */
import { beforeEach, describe, expect, it } from 'vitest';
import { useBreakpointsStore } from '../../../renderer/src/stores/breakpoints-store.ts';
import { useCommandsStore } from '../../../renderer/src/stores/commands-store.ts';
import { useConsoleStore } from '../../../renderer/src/stores/console-store.ts';
import { useDisassemblyStore } from '../../../renderer/src/stores/disassembly-store.ts';
import { useEditHistoryStore } from '../../../renderer/src/stores/edit-history-store.ts';
import { useFocusStore } from '../../../renderer/src/stores/focus-store.ts';
import { useMmioStore } from '../../../renderer/src/stores/mmio-store.ts';
import { useNoticesStore } from '../../../renderer/src/stores/notices-store.ts';
import { useStatsStore } from '../../../renderer/src/stores/stats-store.ts';
import { useTraceStore } from '../../../renderer/src/stores/trace-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  localStorage.clear();
  engine = await startStores();
});

async function times(count: number, act: (n: number) => unknown): Promise<void> {
  for (let n = 0; n < count; n += 1) await act(n);
}

describe('a log that follows the guest', () => {
  it('of tracepoints keeps ten thousand lines, the newest', async () => {
    const store = useTraceStore();
    await times(30, async () => {
      for (let i = 0; i < 500; i += 1) {
        const seq = engine.traced.length;
        engine.traced.push({ seq, insns: seq, vcpu: 0, event: 'kvm_entry', text: 'vcpu 0' });
      }
      await store.refresh();
    });
    expect(store.shown).toHaveLength(10_000);
    expect(store.shown.at(0)?.seq).toBe(5_000);
    expect(store.shown.at(-1)?.seq).toBe(14_999);
  });

  it('of MMIO faults keeps five thousand, the newest', async () => {
    const store = useMmioStore();
    await times(16, async () => {
      for (let i = 0; i < 500; i += 1) engine.touch('EMULATE');
      await store.refreshLog();
    });
    expect(store.shown).toHaveLength(5_000);
    expect(store.shown.at(0)?.seq).toBe(7_999);
  });

  it('of log breakpoints keeps two hundred lines, and they are the last however many came at once', async () => {
    const store = useBreakpointsStore();
    for (let seq = 0; seq < 5_000; seq += 1) {
      engine.logLines.push({ seq, insns: seq, vcpu: 0, breakpoint: 1, text: `line ${seq}` });
    }
    await store.refreshLog();
    expect(store.logLines).toHaveLength(200);
    expect(store.logLines.at(-1)?.seq).toBe(4_999);
    expect(store.logTotal).toBe(5_000);
  });

  it('of counters keeps ninety samples for its plots', async () => {
    const store = useStatsStore();
    engine.state = 'running';
    await times(300, async () => {
      engine.insns += 1000;
      await store.refresh();
    });
    expect(store.samples).toHaveLength(90);
    expect(store.snapshot?.moment.insns).toBe(engine.insns);
  });
});

describe('what is written down of the work', () => {
  it('at the console is three thousand lines, and five hundred commands for the next window', async () => {
    const store = useConsoleStore();
    await times(1_100, (n) => store.run(`say ${n}`));
    expect(store.entries).toHaveLength(3_000);
    expect(store.history).toHaveLength(500);
    expect(store.history.at(-1)).toBe('say 1099');
  });

  it('in notices is two hundred', () => {
    const store = useNoticesStore();
    for (let n = 0; n < 500; n += 1) store.add('warning', `notice ${n}`);
    expect(store.notices).toHaveLength(200);
    expect(store.latest?.text).toBe('notice 499');
  });

  it('for undo is two hundred edits', async () => {
    const store = useEditHistoryStore();
    const accept = async (): Promise<boolean> => true;
    for (let n = 0; n < 500; n += 1) store.record({ title: `edit ${n}`, undo: accept, redo: accept });
    let undone = 0;
    for (; store.canUndo; undone += 1) await store.undo();
    expect(undone).toBe(200);
    expect(store.redoTitle).toBe('edit 300');
  });

  it('of the way through the machine is a hundred places', () => {
    const store = useFocusStore();
    for (let gfn = 0; gfn < 500; gfn += 1) store.show({ kind: 'gfn', gfn });
    expect(store.history).toHaveLength(100);
    expect(store.focus).toEqual({ kind: 'gfn', gfn: 499 });
  });

  it('of commands is what was used last', () => {
    const store = useCommandsStore();
    for (let n = 0; n < 500; n += 1) store.remember(`command ${n}`);
    expect(store.recent.length).toBeLessThanOrEqual(20);
    expect(store.recent[0]).toBe('command 499');
  });
});

it('a listing that is scrolled through without end stops growing', async () => {
  const store = useDisassemblyStore();
  await store.refresh();
  await times(60, () => store.extendForward());
  await times(60, () => store.extendBackward());
  expect(store.lines.length).toBeGreaterThan(1_000);
  expect(store.lines.length).toBeLessThanOrEqual(2_100);
});
