/** What each panel of the dock keeps for itself: whether it is locked, the focus it stopped at, and its own small state. */
import { defineStore } from 'pinia';
import { computed, shallowReactive } from 'vue';
import type { ComputedRef, WritableComputedRef } from 'vue';
import { parsePanelId } from '../layout/panel-kinds.ts';
import type { PanelKind } from '../layout/panel-kinds.ts';
import { useFocusStore } from './focus-store.ts';
import type { Focus } from './focus-store.ts';

/** Kept with the layout: addresses as hexadecimal text. */
export type PanelState = Readonly<Record<string, string | number | boolean>>;

/** What of a panel is saved. */
export interface SavedPanel {
  readonly isLocked: boolean;
  readonly state: PanelState;
}

interface PanelRecord extends SavedPanel {
  /** The focus at the moment of locking. */
  readonly frozen: Focus | undefined;
}

const NOTHING: PanelRecord = { isLocked: false, frozen: undefined, state: {} };

export const usePanelsStore = defineStore('panels', () => {
  const focus = useFocusStore();
  const records = shallowReactive(new Map<string, PanelRecord>());

  const recordOf = (id: string): PanelRecord => records.get(id) ?? NOTHING;
  const isLocked = (id: string): boolean => recordOf(id).isLocked;
  const stateOf = (id: string): PanelState => recordOf(id).state;
  const focusOf = (id: string): Focus | undefined => {
    const { isLocked: isFrozen, frozen } = recordOf(id);
    return isFrozen ? frozen : focus.focus;
  };

  function setLocked(id: string, locked: boolean): void {
    if (isLocked(id) === locked) return;
    records.set(id, { ...recordOf(id), isLocked: locked, frozen: locked ? focus.focus : undefined });
  }

  function setState(id: string, state: PanelState): void {
    records.set(id, { ...recordOf(id), state });
  }

  function forget(id: string): void {
    records.delete(id);
  }

  function snapshot(): Readonly<Record<string, SavedPanel>> {
    return Object.fromEntries(
      [...records].map(([id, { isLocked: locked, state }]) => [id, { isLocked: locked, state }]),
    );
  }

  function restore(saved: Readonly<Record<string, SavedPanel>>): void {
    records.clear();
    for (const [id, panel] of Object.entries(saved)) {
      if (parsePanelId(id)) records.set(id, { ...panel, frozen: undefined });
    }
  }

  return { isLocked, stateOf, focusOf, setLocked, setState, forget, snapshot, restore };
});

/** One panel as its own component and store see it. */
export interface Panel {
  readonly id: string;
  readonly kind: PanelKind;
  readonly isLocked: WritableComputedRef<boolean>;
  /** The focus that this panel follows; stands still while it is locked. */
  readonly focus: ComputedRef<Focus | undefined>;
  readonly state: WritableComputedRef<PanelState>;
}

export function panelOf(id: string): Panel {
  const panels = usePanelsStore();
  const name = parsePanelId(id);
  if (name === undefined) throw new Error(`no panel is called ${id}`);
  return {
    id,
    kind: name.kind,
    isLocked: computed({ get: () => panels.isLocked(id), set: (locked) => panels.setLocked(id, locked) }),
    focus: computed(() => panels.focusOf(id)),
    state: computed({ get: () => panels.stateOf(id), set: (state) => panels.setState(id, state) }),
  };
}
