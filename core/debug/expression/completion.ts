/** What may stand at a place of an expression, or of a log text, that somebody is writing. */
import type { ExpressionCandidate, ExpressionCompletion } from '../../protocol/expression-completion.ts';
import { COUNTERS, type CounterName, type FieldName } from './checker.ts';
import { bitNames, REGISTER_NAMES, registerPart } from './register-names.ts';
import { SPACES, WIDTHS, type Space } from './syntax.ts';

export interface CompletionScope {
  /** Undefined where there is no event. */
  readonly fields: readonly FieldName[] | undefined;
  symbols(query: string, limit: number): readonly { readonly name: string; readonly address: bigint }[];
}

const MOST = 40;
const WORD = /\bevent\.(\w+)\s*[!=]=\s*"([^"]*)$/;
const MEMBER = /([$A-Za-z_]\w*)\.(\w*)$/;
const SPACE = /\b[us](?:8|16|32|64)\[\s*(\w*)$/i;
const NAME = /[$`]?[A-Za-z_]\w*$/;
/** Behind these a value begins, and not an operator. */
const VALUE_BEGINS = /(?:^|[-+*/%&|^~!<>=?:([])\s*$/;
const C_NAME = /^[A-Za-z_]\w*$/;

const COUNTER_MEANINGS: Readonly<Record<CounterName, string>> = {
  vcpu: 'the vCPU that met it',
  cpl: 'its privilege level, 0 to 3',
  hits: 'of this breakpoint, before this time',
  insns: 'retired by all vCPUs since reset',
  generation: 'of the memslots',
};

const SPACE_MEANINGS: Readonly<Record<Space, string>> = {
  gva: 'guest virtual, as without a word',
  gpa: 'guest physical',
  hva: "in KVM's user space",
  spte: "KVM's page tables, by hpa",
};

const NOTHING: ExpressionCompletion = { from: 0, candidates: [] };

/** @param at where the caret stands, in UTF-16 units from 0 */
export function completeExpression(text: string, at: number, scope: CompletionScope): ExpressionCompletion {
  const before = text.slice(0, at);
  const word = WORD.exec(before);
  if (word !== null) return completeWord(at, word[1], word[2], scope);
  if ((before.split('"').length & 1) === 0) return NOTHING;
  const member = MEMBER.exec(before);
  if (member !== null) return completeMember(at, member[1], member[2], scope);
  const space = SPACE.exec(before);
  const spaces =
    space === null
      ? []
      : chosen(
          SPACES.map((name) => ({ text: `${name}: `, meaning: SPACE_MEANINGS[name] })),
          space[1],
        );
  const written = NAME.exec(before)?.[0] ?? '';
  if (written === '' && !VALUE_BEGINS.test(before)) return NOTHING;
  const names = [...spaces, ...candidatesFor(written, scope)].slice(0, MOST);
  return { from: at - written.length, candidates: names };
}

/** A log text is completed inside of its braces only. */
export function completeLogText(text: string, at: number, scope: CompletionScope): ExpressionCompletion {
  let open = -1;
  for (let i = 0; i < at; i++) {
    const isDoubled = text[i + 1] === text[i];
    if (text[i] === '{' && open < 0) {
      if (isDoubled && i + 1 < at) i += 1;
      else open = i;
    } else if (text[i] === '}') open = -1;
  }
  if (open < 0) return NOTHING;
  const { from, candidates } = completeExpression(text.slice(open + 1, at), at - open - 1, scope);
  return { from: from + open + 1, candidates };
}

const chosen = (candidates: readonly ExpressionCandidate[], prefix: string): readonly ExpressionCandidate[] =>
  candidates.filter(({ text }) => text.toLowerCase().startsWith(prefix.toLowerCase()));

function completeWord(at: number, name: string, prefix: string, { fields }: CompletionScope): ExpressionCompletion {
  const words = fields?.find((field) => field.name === name)?.words ?? [];
  const candidates = chosen(
    words.map((word) => ({ text: `${word}"`, meaning: '' })),
    prefix,
  );
  return { from: at - prefix.length, candidates };
}

function completeMember(
  at: number,
  object: string,
  prefix: string,
  { fields = [] }: CompletionScope,
): ExpressionCompletion {
  const from = at - prefix.length;
  if (object === 'event') {
    return {
      from,
      candidates: chosen(
        fields.map(({ name, meaning }) => ({ text: name, meaning })),
        prefix,
      ),
    };
  }
  const part = registerPart(object.replace(/^\$/, ''));
  const bits = part === undefined ? [] : (bitNames(part) ?? []);
  return {
    from,
    candidates: chosen(
      bits.map((text) => ({ text, meaning: `of ${object}` })),
      prefix,
    ),
  };
}

function candidatesFor(written: string, { fields = [], symbols }: CompletionScope): readonly ExpressionCandidate[] {
  const events = fields.map(({ name, meaning }) => ({ text: `event.${name}`, meaning }));
  const counters = COUNTERS.map((text) => ({ text, meaning: COUNTER_MEANINGS[text] }));
  // Nobody wants three hundred names unasked.
  if (written === '') return [...events, ...counters];
  const sigil = /^[$`]/.test(written) ? written[0] : '';
  const prefix = written.slice(sigil.length);
  const registers = chosen(
    REGISTER_NAMES.map((name) => ({ text: name, meaning: 'register' })),
    prefix,
  );
  const found = symbols(prefix, MOST)
    .filter(({ name }) => name.toLowerCase().startsWith(prefix.toLowerCase()))
    .map(({ name, address }) => ({ name, meaning: `symbol at 0x${address.toString(16)}` }));
  if (sigil === '$') return registers.map(({ text, meaning }) => ({ text: `$${text}`, meaning }));
  if (sigil === '`') return found.map(({ name, meaning }) => ({ text: `\`${name}\``, meaning }));
  const memory = WIDTHS.map((width) => ({ text: `${width}[`, meaning: 'memory' }));
  // A name that is no C identifier, or is a register's, stands in backquotes.
  const plain = found.map(({ name, meaning }) => ({
    text: C_NAME.test(name) && registerPart(name) === undefined ? name : `\`${name}\``,
    meaning,
  }));
  return [...chosen([...events, ...counters], prefix), ...registers, ...chosen(memory, prefix), ...plain];
}
