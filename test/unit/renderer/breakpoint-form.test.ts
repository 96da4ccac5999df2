import { describe, expect, it } from 'vitest';
import { breakpointSnapshot } from './fake-snapshots.ts';
import { formOf, parseBreakpoint } from '../../../renderer/src/layout/breakpoint-form.ts';

const symbols = [{ name: 'main', address: 0x10_0000n, size: 16 }];
const exec = { ...formOf(undefined, undefined), kind: 'exec' as const, length: '1' };
const mmio = { ...formOf(undefined, undefined), kind: 'mmio' as const };

describe('the form of a breakpoint', () => {
  it('takes a symbol for an address, and keeps its name', () => {
    expect(parseBreakpoint({ ...exec, place: 'main' }, symbols)).toEqual({
      ok: true,
      spec: { kind: 'exec', address: 0x10_0000n, symbol: 'main' },
    });
  });

  it('takes an address in hexadecimal', () => {
    expect(parseBreakpoint({ ...exec, place: '100040' }, [])).toMatchObject({ spec: { address: 0x10_0040n } });
  });

  it('says of a name that nobody knows that nobody knows it', () => {
    const parsed = parseBreakpoint({ ...exec, place: 'mian' }, symbols);
    expect(parsed).toMatchObject({ ok: false, field: 'place', message: expect.stringMatching(/mian/) });
  });

  it('reads the range of an MMIO breakpoint', () => {
    expect(parseBreakpoint({ ...mmio, start: 'e0000000', length: '8K', freshness: 'stale' }, [])).toMatchObject({
      spec: { kind: 'mmio', start: 0xe000_0000n, length: 0x2000n, freshness: 'stale', outcomes: [] },
    });
  });

  it.each([
    [{ start: 'here' }, 'start'],
    [{ start: '0', length: '0' }, 'length'],
    [{ start: '0', length: 'much' }, 'length'],
  ])('%o is a mistake in %s', (fields, field) => {
    const parsed = parseBreakpoint({ ...mmio, ...fields }, []);
    // A whole sentence: it stands below the form, away from the field.
    expect(parsed).toMatchObject({ ok: false, field, message: expect.stringMatching(/^[A-Z].*\.$/) });
  });

  it.each(['mmio', 'port', 'page-fault', 'spte', 'gpte', 'zap'] as const)('of %s takes no place for any', (kind) => {
    const parsed = parseBreakpoint({ ...formOf(undefined, undefined), kind, start: ' ' }, []);
    if (!parsed.ok) throw new Error(parsed.message);
    const again = formOf(breakpointSnapshot({ id: 1, spec: parsed.spec }), undefined);
    expect(again.start).toBe('');
    // Whoever names a place now is not offered the length of everything.
    expect(again.length.length).toBeLessThan(8);
    expect(parseBreakpoint(again, [])).toEqual(parsed);
  });

  it('shows a breakpoint as it was made', () => {
    const spec = {
      kind: 'mmio',
      start: 0xe000_0000n,
      length: 0x1000n,
      access: 'write',
      outcomes: ['INVALID'],
      freshness: 'any',
    } as const;
    const form = formOf(breakpointSnapshot({ id: 1, spec, once: true, stopAtHit: 3 }), undefined);
    expect(form).toMatchObject({ once: true, stopAtHit: 3 });
    expect(parseBreakpoint(form, [])).toEqual({ ok: true, spec });
  });
});
