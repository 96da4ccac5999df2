/** docs/breakpoints.md: every SPEC in its table can be set as it stands there, and no kind is missing. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseBreakSpec } from '../../../core/format/break-spec.ts';
import { BREAKPOINT_KIND_NAMES } from '../../../core/protocol/breakpoint-kinds.ts';
import { sessionWith } from './debug-guest.ts';

const page = readFileSync(new URL('../../../docs/breakpoints.md', import.meta.url), 'utf8');
const specs = [...page.matchAll(/^\| `([^`]+)`/gm)].map(([, spec]) => spec);

describe('the page of breakpoints', () => {
  const session = sessionWith('hello');

  it.each(specs)('%s is a breakpoint', (spec) => {
    const wish = parseBreakSpec(spec);
    if (!wish.ok) throw new Error(wish.error);
    expect(session.ask('breakpoints.add', wish.value)).toMatchObject({ enabled: true, problem: undefined });
  });

  it('has every kind', () => {
    const kinds = new Set(specs.map((spec) => parseBreakSpec(spec)).map((wish) => wish.ok && wish.value.spec.kind));
    expect([...kinds].toSorted()).toEqual([...BREAKPOINT_KIND_NAMES].toSorted());
  });
});
