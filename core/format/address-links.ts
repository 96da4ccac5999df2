/** Addresses within a line of text, found by the words in front of them, so that a reader can follow them. */
import type { AddressSpace } from '../protocol/snapshots.ts';

export interface TextSegment {
  readonly text: string;
  /** What the text is the address of. */
  readonly link: { readonly space: AddressSpace; readonly address: bigint } | undefined;
}

/**
 * `gpa 0xfee00000`, `gpa [0x0, 0xa0000)`, `gfn 0xfee00`, `rip 0x100034`; and at a line's beginning `=> 0x100034 <main>:`, as
 * disassembly has it. Other numbers are none that could be followed: values, sizes, hpas.
 */
const QUALIFIED =
  /\b(gva|gpa|hva|gfn|rip|rsp)( \[?)(0x[0-9a-f]{1,16})(?:(, )(0x[0-9a-f]{1,16}))?|^((?:=> | {3}))(0x[0-9a-f]{1,16})/gi;

const plain = (text: string): TextSegment => ({ text, link: undefined });

function linkTo(word: string, digits: string): TextSegment['link'] {
  const value = BigInt(digits);
  const space = word.toLowerCase();
  if (space === 'gfn') return value > U64_MAX >> 12n ? undefined : { space: 'gpa', address: value << 12n };
  return { space: space === 'gpa' || space === 'hva' ? space : 'gva', address: value };
}

const U64_MAX = (1n << 64n) - 1n;

/** The segments are the line, in order. */
export function addressLinks(line: string): readonly TextSegment[] {
  const segments: TextSegment[] = [];
  let done = 0;
  const push = (text: string, link?: TextSegment['link']): void => {
    if (text !== '') segments.push(link === undefined ? plain(text) : { text, link });
  };
  for (const match of line.matchAll(QUALIFIED)) {
    const [whole, word, between, first, comma, second, margin, code] = match;
    push(line.slice(done, match.index));
    if (code !== undefined) {
      push(margin);
      push(code, linkTo('gva', code));
    } else {
      push(`${word}${between}`);
      push(first, linkTo(word, first));
      if (second !== undefined) {
        push(comma);
        push(second, between.endsWith('[') ? linkTo(word, second) : undefined);
      }
    }
    done = match.index + whole.length;
  }
  push(line.slice(done));
  return segments;
}
