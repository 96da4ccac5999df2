/** The pages of the laboratories: a heading, paragraphs, lists, `words of code`. Everything else is text, and stays text. */

export interface PageWords {
  readonly text: string;
  readonly isCode: boolean;
}

export type PageBlock =
  | { readonly kind: 'title' | 'heading' | 'paragraph'; readonly words: readonly PageWords[] }
  | { readonly kind: 'list'; readonly items: readonly (readonly PageWords[])[] };

const wordsOf = (line: string): readonly PageWords[] =>
  line.split('`').flatMap((text, n) => (text === '' ? [] : [{ text, isCode: n % 2 === 1 }]));

export function parsePlainPage(source: string): readonly PageBlock[] {
  return source
    .split(/\n{2,}/)
    .map((block) => block.trim())
    .filter((block) => block !== '')
    .map(blockOf);
}

function blockOf(block: string): PageBlock {
  if (block.startsWith('## ')) return { kind: 'heading', words: wordsOf(block.slice(3)) };
  if (block.startsWith('# ')) return { kind: 'title', words: wordsOf(block.slice(2)) };
  if (!block.startsWith('- ')) return { kind: 'paragraph', words: wordsOf(block.replaceAll('\n', ' ')) };
  const items = block.split(/\n(?=- )/).map((item) => wordsOf(item.slice(2).replaceAll(/\n\s*/g, ' ')));
  return { kind: 'list', items };
}
