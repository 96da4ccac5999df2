import { beforeEach, describe, expect, it } from 'vitest';
import { FtraceReader } from '../../../core/format/ftrace-reader.ts';
import { useTraceFileStore } from '../../../renderer/src/stores/trace-file-store.ts';
import { useTraceStore } from '../../../renderer/src/stores/trace-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

const LINES = [
  ' kvm_mmio-1000  [000] ....     0.000001: kvm_entry: vcpu 0',
  ' kvm_mmio-1000  [003] ....     0.000002: kvm_mmio: mmio read len 4 gpa 0xfeb00000 val 0x0',
  ' kvm_mmio-1000  [000] ....     0.000003: mark_mmio_spte: sptep:1000 gfn feb00 access 6 gen 2a',
  ' kvm_mmio-1000  [000] ....     0.000004: kvm_mmio: mmio write len 4 gpa 0xfeb01000 val 0x0',
];

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
  const reader = new FtraceReader();
  reader.push(new TextEncoder().encode(`# tracer: nop\n${LINES.map((line) => `${line}\n`).join('')}`));
  const read = reader.end();
  if (!read.ok) throw new Error(read.error);
  engine.trace = { ok: true, value: { path: '/home/me/host.txt', ...read.value } };
});

describe('an imported trace', () => {
  it('is shown by its name, line by line, and the live one stays what it was', async () => {
    const store = useTraceFileStore();
    const live = useTraceStore();
    expect(await store.open()).toBe(true);
    expect([store.name, store.isShown, store.count, live.total]).toEqual(['host.txt', true, 4, 0]);
    expect(store.rowAt(1)).toMatchObject({ event: 'kvm_mmio', cpu: 3, time: '0.000002', pid: 1000 });
    expect(store.numberAt(1), 'its number in the file').toBe(3);
  });

  it('is read for the machine that runs, until somebody says another', async () => {
    const store = useTraceFileStore();
    await store.open();
    expect(store.host).toEqual({ era: 'patch', mmu: 'ept', maxPhyAddr: 40 });
  });

  it.each([
    ['', [0, 1, 2, 3]],
    ['kvm_mmio', [1, 3]],
    ['FEB00 kvm', [1]],
    ['feb00', [1, 2]],
    ['entry', [0]],
    ['kvm_mmio-1000', []],
    ['0.000003', []],
    ['nothing', []],
  ])('is narrowed by %j, in names and texts of events, not in tasks and times', async (filter, expected) => {
    const store = useTraceFileStore();
    await store.open();
    useTraceStore().filter = filter;
    expect(Array.from({ length: store.count }, (_unused, i) => store.textAt(i))).toEqual(expected.map((i) => LINES[i]));
  });

  it('leaves as the lines that are shown, letter by letter', async () => {
    const store = useTraceFileStore();
    await store.open();
    useTraceStore().filter = 'kvm_mmio';
    expect(await store.exportShown()).toBe(true);
    expect(new TextDecoder().decode(engine.exported[0].bytes)).toBe(`${LINES[1]}\n${LINES[3]}\n`);
    useTraceStore().filter = 'nothing';
    expect(await store.exportShown()).toBe(false);
    expect(engine.exported).toHaveLength(1);
  });

  it('that is refused says why, and takes nothing away', async () => {
    const store = useTraceFileStore();
    await store.open();
    engine.trace = { ok: false, message: 'x.txt cannot be read as a trace: line 2 is no line of an ftrace text.' };
    expect(await store.open()).toBe(false);
    expect(store.refusal).toContain('line 2');
    expect([store.count, store.isShown]).toEqual([4, true]);
    store.close();
    expect([store.file, store.isShown, store.refusal]).toEqual([undefined, false, undefined]);
  });
});
