import { beforeEach, describe, expect, it } from 'vitest';
import { useTraceStore } from '../../../renderer/src/stores/trace-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
});

function trace(count: number): void {
  for (let i = 0; i < count; i += 1) {
    const seq = engine.traced.length;
    const [event, text] =
      seq % 2 === 0 ? ['kvm_entry', 'vcpu 0'] : ['kvm_mmio', 'mmio read len 4 gpa 0xfeb00000 val 0x0'];
    engine.traced.push({ seq, insns: seq, vcpu: 0, event, text });
  }
}

describe('the trace', () => {
  it('turns on what is chosen, and again on a new machine, whose lines begin anew', async () => {
    const store = useTraceStore();
    await store.setEvents(['kvm_mmio']);
    trace(3);
    await store.refresh();
    expect(store.shown.map(({ seq }) => seq)).toEqual([0, 1, 2]);
    engine.tracepoints = [];
    await store.restart();
    expect(engine.tracepoints).toEqual(['kvm_mmio']);
    expect(store.shown).toEqual([]);
  });

  it('shows each line once, and of too many the newest', async () => {
    const store = useTraceStore();
    trace(2);
    await store.refresh();
    await store.refresh();
    expect(store.shown.map(({ seq }) => seq)).toEqual([0, 1]);
    trace(3000);
    await store.refresh();
    expect(store.shown.at(-1)?.seq).toBe(3001);
  });

  it('can be narrowed by words in any order', async () => {
    const store = useTraceStore();
    trace(4);
    await store.refresh();
    store.filter = 'FEB00000 kvm_mmio';
    expect(store.shown.map(({ seq }) => seq)).toEqual([1, 3]);
  });

  it('is copied whole, as ftrace text', async () => {
    const store = useTraceStore();
    trace(2);
    await store.copyAll();
    const head = ' qemu-1 [000] 0.0: ';
    expect(engine.copied).toEqual([
      `${head}kvm_entry: vcpu 0\n${head}kvm_mmio: mmio read len 4 gpa 0xfeb00000 val 0x0\n`,
    ]);
  });
});

describe('the trace at a moment', () => {
  it('shows the lines around it, however long ago, and the newest again when asked', async () => {
    const store = useTraceStore();
    trace(6000);
    await store.refresh();
    expect(store.shown[0].seq).toBeGreaterThan(5000);
    expect(await store.goTo(1234)).toBe(1234);
    expect(store.shown.some(({ insns }) => insns === 1234)).toBe(true);
    store.showNewest();
    expect(store.shown.at(-1)?.seq).toBe(5999);
    expect(await store.goTo(5990), 'what is on screen anyway is not fetched again').toBe(5990);
    expect(store.past).toBeUndefined();
    expect(await store.goTo(1_000_000), 'a moment to come: the last line').toBe(5999);
  });

  it('has no line when nothing was traced', async () => {
    expect(await useTraceStore().goTo(5)).toBeUndefined();
  });
});

describe('a trace that leaves as a file', () => {
  it('holds what the filter shows of all that was traced, as ftrace text', async () => {
    const store = useTraceStore();
    trace(4);
    await store.refresh();
    store.filter = 'feb00000';
    expect(await store.exportShown()).toBe(true);
    const [{ name, kind, bytes }] = engine.exported;
    expect([name, kind]).toEqual(['trace', 'txt']);
    const line = ' qemu-1 [000] 0.0: kvm_mmio: mmio read len 4 gpa 0xfeb00000 val 0x0\n';
    expect(new TextDecoder().decode(bytes)).toBe(`# tracer: nop\n#\n${line}${line}`);
  });

  it('is not written when it would be empty', async () => {
    const store = useTraceStore();
    trace(4);
    store.filter = 'no such thing';
    expect(await store.exportShown()).toBe(false);
    expect(engine.exported).toEqual([]);
  });
});
