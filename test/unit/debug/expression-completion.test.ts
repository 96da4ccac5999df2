/** What is offered to somebody who writes an expression; a bar stands for the caret. */
import { describe, expect, it } from 'vitest';
import {
  completeExpression,
  completeLogText,
  type CompletionScope,
} from '../../../core/debug/expression/completion.ts';
import { BREAKPOINT_KINDS } from '../../../core/protocol/breakpoint-kinds.ts';
import { sessionWith } from './debug-guest.ts';

const SYMBOLS = ['main', 'main.cold', 'rax', 'memset'].map((name, i) => ({ name, address: BigInt(0x1000 * (i + 1)) }));
const scope: CompletionScope = {
  fields: BREAKPOINT_KINDS.mmio.fields,
  symbols: (query) => SYMBOLS.filter(({ name }) => name.includes(query)),
};

function offered(text: string, complete = completeExpression): { readonly from: number; readonly texts: string[] } {
  const at = text.indexOf('|');
  const { from, candidates } = complete(text.replace('|', ''), at, scope);
  return { from, texts: candidates.map((candidate) => candidate.text) };
}

describe('completion of an expression', () => {
  it('begins with the fields of the event and the counters', () => {
    const { from, texts } = offered('|');
    expect(from).toBe(0);
    expect(texts.slice(0, 3)).toEqual(['event.gva', 'event.gpa', 'event.gfn']);
    expect(texts).toContain('hits');
  });

  it.each([
    ['event.g|', 6, ['gva', 'gpa', 'gfn', 'generation']],
    ['1 + event.ac|', 10, ['access']],
    ['event.access == "wr|', 17, ['write"']],
    ['event.access != "|', 17, ['read"', 'write"', 'fetch"']],
    ['rflags.i|', 7, ['id', 'if', 'iopl']],
    ['u32[g|', 4, ['gva: ', 'gpa: ', 'generation', 'gs', 'gs_base', 'gdtr_base', 'gdtr_limit']],
    ['u64[sp|', 4, ['spte: ', 'sp', 'spl']],
    ['hits > 3 && r1|', 12, ['r10', 'r11', 'r12', 'r13', 'r14', 'r15']],
    ['ma|', 0, ['main', '`main.cold`']],
    ['$ra|', 0, ['$rax']],
    ['`ra|', 0, ['`rax`']],
  ])('after %s it has what fits, from %i on', (text, from, expected) => {
    const found = offered(text);
    expect(found.from).toBe(from);
    expect(found.texts.slice(0, expected.length).toSorted()).toEqual([...expected].toSorted());
  });

  it.each(['rax |', '(rax + 1)|', '0x12|', 'event.access == "write"|', 'nothing_like_it|', 'cr3.|'])(
    'after %s it has nothing',
    (text) => {
      expect(offered(text).texts).toEqual([]);
    },
  );

  it('in a log text is for what stands in braces', () => {
    expect(offered('wrote ev|', completeLogText).texts).toEqual([]);
    expect(offered('{{ ev|', completeLogText).texts).toEqual([]);
    expect(offered('{hits} ev|', completeLogText).texts).toEqual([]);
    expect(offered('wrote {event.gf|', completeLogText)).toEqual({ from: 13, texts: ['gfn'] });
    expect(offered('{|', completeLogText).texts[0]).toBe('event.gva');
  });

  it('never throws, wherever the caret stands', () => {
    const text = 'a ? {`"event.access == "$ u8[gpa:';
    for (let at = 0; at <= text.length + 2; at++) {
      completeExpression(text, at, scope);
      completeLogText(text, at, scope);
    }
  });

  it('is a request, with the symbols of the image', () => {
    const session = sessionWith('poller');
    const ask = (text: string, kind?: 'exec') =>
      session
        .ask('expression.complete', { part: 'condition', text, at: text.length, ...(kind ? { kind } : {}) })
        .candidates.map((candidate) => candidate.text);
    expect(ask('p32_guest')).toContain('p32_guest_main');
    expect([ask('event.', 'exec'), ask('event.')]).toEqual([['address'], []]);
  });
});

describe('memory by space', () => {
  it('has the sptes of KVM, where the event says that they stand', () => {
    const session = sessionWith('poller', { append: 'mode=flat' });
    session.ask('breakpoints.add', {
      spec: { kind: 'spte', start: 0xe000_0000n, length: 0x1000n, mask: (1n << 64n) - 1n, level: 1 },
      condition: 'u64[spte: event.sptep] == event.new && event.new',
    });
    const { reason } = session.run(1_000_000);
    expect(reason).toMatchObject({ kind: 'event-breakpoint', problem: undefined });
    const evaluate = (text: string) => session.engine.handle('expression.evaluate', { vcpu: 0, text });
    const outside = evaluate('u64[spte: 0]');
    expect(outside.ok ? '' : outside.error.message).toMatch(/spte 0x0 cannot be read: shadow pages lie at hpa 0x/);
  });
});
