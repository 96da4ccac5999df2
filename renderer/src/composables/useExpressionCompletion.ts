/** Names for whoever writes an expression: what the engine offers at the caret, and which of it is chosen. */
import type { BreakpointKind, ExpressionCandidate } from '@core/protocol/index.ts';
import { nextTick, ref, shallowRef, type Ref } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from '../stores/desktop-store.ts';

const NONE = -1;

export interface ExpressionPlace {
  readonly part: 'condition' | 'log';
  readonly kind: BreakpointKind;
}

export function useExpressionCompletion(
  text: Ref<string>,
  field: Readonly<Ref<HTMLInputElement | null>>,
  place: () => ExpressionPlace,
) {
  const desktop = useDesktopStore();
  const requests = latestRequest();
  const candidates = shallowRef<readonly ExpressionCandidate[]>([]);
  const chosen = ref(NONE);
  let from = 0;

  const caret = (): number => field.value?.selectionStart ?? text.value.length;

  function close(): void {
    candidates.value = [];
    chosen.value = NONE;
  }

  async function offer(): Promise<void> {
    const asked = text.value;
    const answer = await requests.run(() =>
      desktop.call('expression.complete', { ...place(), text: asked, at: caret() }),
    );
    if (answer === undefined || !answer.ok || asked !== text.value) return close();
    ({ from } = answer.value);
    const written = asked.slice(from, caret());
    // What is written already is no news.
    candidates.value = answer.value.candidates.filter((one) => one.text !== written);
    chosen.value = NONE;
  }

  function take(index: number): void {
    const candidate = candidates.value.at(index);
    if (candidate === undefined) return;
    const head = text.value.slice(0, from) + candidate.text;
    text.value = head + text.value.slice(caret());
    close();
    void nextTick(() => {
      field.value?.focus();
      field.value?.setSelectionRange(head.length, head.length);
      // Behind event. or u32[ comes more.
      if (/[.[{]$|: $/.test(head)) void offer();
    });
  }

  /** @returns whether the key was the list's */
  function handleKey({ key, ctrlKey }: KeyboardEvent): boolean {
    const { length } = candidates.value;
    if (key === ' ' && ctrlKey) {
      void offer();
      return true;
    }
    if (length === 0) {
      if (key !== 'ArrowDown') return false;
      void offer();
      return true;
    }
    switch (key) {
      case 'ArrowDown':
        chosen.value = (chosen.value + 1) % length;
        return true;
      case 'ArrowUp':
        chosen.value = chosen.value <= 0 ? length - 1 : chosen.value - 1;
        return true;
      case 'Escape':
        close();
        return true;
      case 'Enter':
        if (chosen.value === NONE) {
          close();
          return false;
        }
        take(chosen.value);
        return true;
      default:
        return false;
    }
  }

  return { candidates, chosen, offer, close, take, handleKey };
}
