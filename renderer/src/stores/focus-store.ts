/** The one thing that is selected, and the way back to what was. */
import type { AddressSpace } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { useMachineStore } from './machine-store.ts';

export type Focus =
  | { readonly kind: 'address'; readonly space: AddressSpace; readonly address: bigint }
  | { readonly kind: 'code'; readonly address: bigint }
  | { readonly kind: 'slot'; readonly slot: number; readonly gpa: bigint; readonly size: bigint }
  /** A shadow page, by its index in the pool. */
  | { readonly kind: 'page'; readonly page: number }
  | { readonly kind: 'gfn'; readonly gfn: number }
  /** An entry of a shadow page, and the gfn that it is for. */
  | { readonly kind: 'spte'; readonly page: number; readonly entry: number; readonly gfn: number }
  /** A moment of the guest's past: so many instructions had retired. */
  | { readonly kind: 'moment'; readonly insns: number }
  | { readonly kind: 'port'; readonly port: number };

const KEPT = 100;

export const useFocusStore = defineStore('focus', () => {
  const machine = useMachineStore();
  const history = shallowRef<readonly Focus[]>([]);
  const position = ref(-1);
  /** The stop at which the focus was put where it is. */
  const shownAt = ref(-1);
  const focus = computed(() => history.value.at(position.value));
  const canGoBack = computed(() => position.value > 0);
  const canGoForward = computed(() => position.value < history.value.length - 1);
  /** The line of code that commands mean: the selected one, until the guest goes on. */
  const codeLine = computed(() => {
    const isFresh = shownAt.value === (machine.status?.moment.insns ?? 0);
    return focus.value?.kind === 'code' && isFresh ? focus.value.address : undefined;
  });

  function arrive(at: number): void {
    position.value = at;
    shownAt.value = machine.status?.moment.insns ?? 0;
  }

  /** To show the same thing again brings every panel back to it, but is no new step of the history. */
  function show(next: Focus): void {
    const isSame = focus.value !== undefined && isSameFocus(focus.value, next);
    const past = history.value.slice(0, position.value + (isSame ? 0 : 1)).slice(1 - KEPT);
    history.value = isSame ? [...past, next, ...history.value.slice(position.value + 1)] : [...past, next];
    arrive(past.length);
  }

  /** Moves on from a thing to its neighbour, as the arrow keys do: that is one step of the history however far it goes. */
  function slide(next: Focus): void {
    if (focus.value?.kind !== next.kind) {
      show(next);
      return;
    }
    history.value = [...history.value.slice(0, position.value), next];
    arrive(position.value);
  }

  function back(): void {
    if (canGoBack.value) arrive(position.value - 1);
  }

  function forward(): void {
    if (canGoForward.value) arrive(position.value + 1);
  }

  return { history, position, focus, codeLine, canGoBack, canGoForward, show, slide, back, forward };
});

const partsOf = (focus: Focus): string => Object.values(focus).join(' ');
const isSameFocus = (one: Focus, other: Focus): boolean => one.kind === other.kind && partsOf(one) === partsOf(other);

/** The guest physical page that a focus is about, if it is about one. */
export function gpaOfFocus(focus: Focus | undefined): bigint | undefined {
  if (focus?.kind === 'address' && focus.space === 'gpa') return focus.address;
  if (focus?.kind === 'gfn' || focus?.kind === 'spte') return BigInt(focus.gfn) << 12n;
  if (focus?.kind === 'slot') return focus.gpa;
  return undefined;
}
