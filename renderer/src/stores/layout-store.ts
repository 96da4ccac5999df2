/** The dock: which panels are open and where, kept from start to start. */
import type { DockviewApi } from 'dockview-vue';
import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import { applyDefaultLayout } from '../layout/default-layout.ts';
import { PANEL_KINDS, PANEL_TITLES } from '../layout/panel-kinds.ts';
import type { PanelKind } from '../layout/panel-kinds.ts';

const STORAGE_KEY = 'umbra.layout';
const VERSION = 1;

interface SavedLayout {
  readonly version: number;
  readonly layout: ReturnType<DockviewApi['toJSON']>;
}

/** @returns undefined for anything but a layout of this version whose panels all exist */
function readSaved(text: string | null): SavedLayout['layout'] | undefined {
  if (text === null) return undefined;
  try {
    const saved: SavedLayout = JSON.parse(text);
    const known: readonly string[] = PANEL_KINDS;
    const isKnown = saved.version === VERSION && Object.keys(saved.layout.panels).every((id) => known.includes(id));
    return isKnown ? saved.layout : undefined;
  } catch {
    return undefined;
  }
}

export const useLayoutStore = defineStore('layout', () => {
  const dock = shallowRef<DockviewApi>();

  function save(): void {
    if (!dock.value) return;
    const saved: SavedLayout = { version: VERSION, layout: dock.value.toJSON() };
    localStorage.setItem(STORAGE_KEY, JSON.stringify(saved));
  }

  function restore(api: DockviewApi): void {
    const saved = readSaved(localStorage.getItem(STORAGE_KEY));
    if (saved === undefined) {
      applyDefaultLayout(api);
      return;
    }
    try {
      api.fromJSON(saved);
    } catch {
      applyDefaultLayout(api);
    }
  }

  function attach(api: DockviewApi): void {
    dock.value = api;
    restore(api);
    api.onDidLayoutChange(save);
  }

  function reset(): void {
    localStorage.removeItem(STORAGE_KEY);
    if (dock.value) applyDefaultLayout(dock.value);
  }

  /** Brings a panel to the front, opening it where it was closed. */
  function open(kind: PanelKind): void {
    const existing = dock.value?.getPanel(kind);
    if (existing) existing.api.setActive();
    else dock.value?.addPanel({ id: kind, component: 'DockPanel', title: PANEL_TITLES[kind], params: { kind } });
  }

  return { dock, attach, reset, open };
});
