/** What a vCPU's thread has met, on its way to the engine. */
import { describe, expect, it } from 'vitest';
import { BreakpointTable } from '../../../core/debug/breakpoints/breakpoint-table.ts';
import { DebugHooks } from '../../../core/debug/breakpoints/debug-hooks.ts';
import { EventOutbox, OUTBOX_BYTES, OUTBOX_EVENTS } from '../../../core/machine/event-outbox.ts';
import { BREAKPOINT_KIND_NAMES } from '../../../core/protocol/breakpoint-kinds.ts';

const ZAP = BREAKPOINT_KIND_NAMES.indexOf('zap');
const outbox = () => new EventOutbox(new SharedArrayBuffer(OUTBOX_BYTES), 0);
const zapOf = (page: number) => ({ kind: ZAP, target: 0, values: [BigInt(page), 0n, 0n, 1n, 0n] });

describe('the outbox of a thread', () => {
  it('gives what was put into it, in order, once', () => {
    const box = outbox();
    box.put(zapOf(1));
    box.put({ kind: 1, target: 7, values: [(1n << 64n) - 1n] });
    expect(box.isEmpty).toBe(false);
    const { events, missed } = box.take();
    expect(events).toEqual([zapOf(1), { kind: 1, target: 7, values: [(1n << 64n) - 1n] }]);
    expect([missed, box.isEmpty, box.take().events]).toEqual([0, true, []]);
  });

  it('counts what it has no room for, and the machine stops and says so', () => {
    const box = outbox();
    for (let page = 0; page < OUTBOX_EVENTS + 5; page++) box.put(zapOf(page));
    const { events, missed } = box.take();
    expect([events.length, missed]).toEqual([OUTBOX_EVENTS, 5]);

    const table = new BreakpointTable();
    const { id } = table.add({ kind: 'zap', start: 0n, length: 1n << 52n }, { stopAtHit: 1_000_000 });
    const hooks = new DebugHooks(table, () => undefined);
    expect(hooks.onThreadEvents(1, events, 0)).toBe('go');
    expect(hooks.onThreadEvents(1, events, missed)).toBe('stop');
    expect(hooks.takeEvent()).toMatchObject({
      id,
      event: { kind: 'zap', vcpu: 1 },
      problem: "5 more of this exit were not looked at: a vCPU's thread keeps 1024",
    });
    expect(table.list()[0].hits).toBe(2 * OUTBOX_EVENTS);
  });
});
