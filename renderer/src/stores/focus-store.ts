/** The one thing that is selected, and the way back to what was. */
import type { AddressSpace } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';

export type Focus =
  | { readonly kind: 'address'; readonly space: AddressSpace; readonly address: bigint }
  | { readonly kind: 'code'; readonly address: bigint }
  | { readonly kind: 'slot'; readonly slot: number; readonly gpa: bigint; readonly size: bigint }
  | { readonly kind: 'page'; readonly page: number }
  | { readonly kind: 'gfn'; readonly gfn: number };

const KEPT = 100;

export const useFocusStore = defineStore('focus', () => {
  const history = shallowRef<readonly Focus[]>([]);
  const position = ref(-1);
  const focus = computed(() => history.value.at(position.value));
  const canGoBack = computed(() => position.value > 0);
  const canGoForward = computed(() => position.value < history.value.length - 1);

  function show(next: Focus): void {
    const past = history.value.slice(0, position.value + 1).slice(1 - KEPT);
    history.value = [...past, next];
    position.value = past.length;
  }

  function back(): void {
    if (canGoBack.value) position.value -= 1;
  }

  function forward(): void {
    if (canGoForward.value) position.value += 1;
  }

  return { history, position, focus, canGoBack, canGoForward, show, back, forward };
});

/** The guest physical page that a focus is about, if it is about one. */
export function gpaOfFocus(focus: Focus | undefined): bigint | undefined {
  if (focus?.kind === 'address' && focus.space === 'gpa') return focus.address;
  if (focus?.kind === 'gfn') return BigInt(focus.gfn) << 12n;
  if (focus?.kind === 'slot') return focus.gpa;
  return undefined;
}
