import { describe, expect, it } from 'vitest';
import { sessionWith } from './debug-guest.ts';

describe('tracepoints that are on', () => {
  it('are exactly those that were named', () => {
    const session = sessionWith('hello');
    expect(session.ask('trace.enable', { events: ['kvmmmu:mark_mmio_spte', 'kvm_exit'] }).events).toEqual([
      'kvm_exit',
      'mark_mmio_spte',
    ]);
    expect(session.refusal('trace.enable', { events: ['kvm_exti'] })).toMatch(/kvm_exti/);
    session.run(5000);
    const names = new Set(session.ask('trace.read', { since: 0, limit: 1000 }).lines.map(({ event }) => event));
    expect([...names].toSorted()).toEqual(['kvm_exit', 'mark_mmio_spte']);
  });

  it('stay on when the machine starts again, as a host goes on tracing', () => {
    const session = sessionWith('hello');
    session.ask('trace.enable', { events: ['kvm_exit'] });
    session.run(5000);
    const first = session.ask('trace.read', { since: 0, limit: 1000 }).lines;
    session.ask('machine.reset', {});
    expect(session.ask('trace.read', { since: 0, limit: 1000 }).lines).toEqual([]);
    session.run(5000);
    expect(session.ask('trace.read', { since: 0, limit: 1000 }).lines).toEqual(first);
  });
});
