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
    expect(engine.copied).toEqual(['kvm_entry: vcpu 0\nkvm_mmio: mmio read len 4 gpa 0xfeb00000 val 0x0\n']);
  });
});
