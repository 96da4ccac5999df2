/** The line that is being typed at the console: walking through the history, searching it, completing words. */
import { computed, nextTick, ref, shallowRef, type Ref } from 'vue';
import { useConsoleStore } from '../stores/console-store.ts';

/** What Tab offers, and which of it is chosen. */
export interface CompletionList {
  readonly from: number;
  readonly to: number;
  readonly candidates: readonly string[];
  readonly more: boolean;
  readonly chosen: number;
}

const commonPrefix = (words: readonly string[]): string =>
  words.reduce((prefix, word) => {
    let end = 0;
    while (end < prefix.length && prefix[end] === word[end]) end += 1;
    return prefix.slice(0, end);
  });

/** Words after which nothing but a value can stand get no blank. */
const endsOpen = (word: string): boolean => /[=:]$/.test(word);

export function useConsoleInput(field: Readonly<Ref<HTMLInputElement | null>>) {
  const store = useConsoleStore();
  const text = ref('');
  const list = shallowRef<CompletionList>();
  /** Steps back in the history; 0 is the line that is being typed. */
  let back = 0;
  let draft = '';
  /** Words that the history is searched for; undefined while it is not. */
  const query = ref<string>();
  const hits = computed(() => {
    const wanted = query.value?.toLowerCase() ?? '';
    return wanted === ''
      ? []
      : [...new Set(store.history.toReversed())].filter((line) => line.toLowerCase().includes(wanted));
  });
  const hitIndex = ref(0);
  const hit = computed(() => hits.value.at(Math.min(hitIndex.value, Math.max(0, hits.value.length - 1))));

  function put(line: string): void {
    text.value = line;
    list.value = undefined;
    void nextTick(() => field.value?.setSelectionRange(line.length, line.length));
  }

  function walkHistory(step: 1 | -1): void {
    const next = back + step;
    if (next < 0 || next > store.history.length) return;
    if (back === 0) draft = text.value;
    back = next;
    put(back === 0 ? draft : (store.history.at(-back) ?? ''));
  }

  async function submit(): Promise<void> {
    const line = text.value;
    text.value = '';
    back = 0;
    list.value = undefined;
    await store.run(line);
  }

  function take(word: string, { from, to }: Pick<CompletionList, 'from' | 'to'>, isWhole: boolean): void {
    const behind = text.value.slice(to);
    const blank = isWhole && !endsOpen(word) && !behind.startsWith(' ') ? ' ' : '';
    text.value = `${text.value.slice(0, from)}${word}${blank}${behind}`;
    const cursor = from + word.length + blank.length;
    void nextTick(() => field.value?.setSelectionRange(cursor, cursor));
  }

  /** One candidate is taken, of several as much as they share. */
  async function complete(): Promise<void> {
    const line = text.value;
    const offer = await store.complete(line, field.value?.selectionStart ?? line.length);
    if (offer === undefined || line !== text.value) return;
    const { candidates, from, to } = offer;
    list.value = undefined;
    if (candidates.length === 0) return;
    if (candidates.length === 1) return take(candidates[0], offer, true);
    const shared = commonPrefix(candidates);
    if (shared.length > to - from) take(shared, offer, false);
    list.value = { ...offer, to: from + Math.max(shared.length, to - from), chosen: 0 };
  }

  function choose(step: 1 | -1): void {
    const open = list.value;
    if (open === undefined) return;
    const { length } = open.candidates;
    list.value = { ...open, chosen: (open.chosen + step + length) % length };
  }

  function acceptChosen(index = list.value?.chosen ?? 0): void {
    const open = list.value;
    if (open === undefined) return;
    list.value = undefined;
    take(open.candidates[index], open, true);
    field.value?.focus();
  }

  function search(): void {
    if (query.value === undefined) {
      query.value = '';
      hitIndex.value = 0;
      list.value = undefined;
    } else if (hits.value.length > 0) hitIndex.value = Math.min(hitIndex.value + 1, hits.value.length - 1);
  }

  function endSearch(accept: boolean): void {
    const found = hit.value;
    query.value = undefined;
    if (accept && found !== undefined) put(found);
    void nextTick(() => field.value?.focus());
  }

  /** A selection is copied; without one it is the terminal's Ctrl+C. */
  function interrupt(): boolean {
    const { selectionStart, selectionEnd } = field.value ?? {};
    if (selectionStart !== selectionEnd || window.getSelection()?.isCollapsed === false) return false;
    if (!store.interrupt(text.value)) return false;
    back = 0;
    put('');
    return true;
  }

  /** readline's Ctrl+U. */
  function dropToCursor(): void {
    const cursor = field.value?.selectionStart ?? text.value.length;
    put(text.value.slice(cursor));
    void nextTick(() => field.value?.setSelectionRange(0, 0));
  }

  /** @returns whether the key was meant for the line */
  function handleKey(event: KeyboardEvent): boolean {
    const { key } = event;
    const control = event.ctrlKey || event.metaKey;
    if (control && key.toLowerCase() === 'r') search();
    else if (control && key.toLowerCase() === 'l') store.clear();
    else if (control && key.toLowerCase() === 'c') return interrupt();
    else if (control && key.toLowerCase() === 'u') dropToCursor();
    else if (control || event.altKey) return false;
    else if (key === 'Enter') {
      if (list.value === undefined) void submit();
      else acceptChosen();
    } else if (key === 'Tab' && !event.shiftKey && text.value.trim() !== '') {
      if (list.value === undefined) void complete();
      else choose(1);
    } else if (key === 'ArrowUp') {
      if (list.value === undefined) walkHistory(1);
      else choose(-1);
    } else if (key === 'ArrowDown') {
      if (list.value === undefined) walkHistory(-1);
      else choose(1);
    } else if (key === 'Escape' && (list.value !== undefined || text.value !== '')) {
      if (list.value === undefined) put('');
      list.value = undefined;
    } else return false;
    return true;
  }

  /** Keys of the search's own field. */
  function handleSearchKey(event: KeyboardEvent): boolean {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'r') search();
    else if (event.key === 'Enter') endSearch(true);
    else if (event.key === 'Escape') endSearch(false);
    else return false;
    return true;
  }

  const forgetList = (): void => {
    list.value = undefined;
    back = 0;
  };

  return {
    text,
    list,
    query,
    hit,
    hitIndex,
    submit,
    complete,
    acceptChosen,
    search,
    endSearch,
    handleKey,
    handleSearchKey,
    forgetList,
  };
}
