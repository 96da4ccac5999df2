/** The dock: which panels are open and where, kept from start to start. */
import type { DockviewApi } from 'dockview-vue';
import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import { applyDefaultLayout, groupOf } from '../layout/default-layout.ts';
import { focusPanel, showTab } from '../layout/panel-keyboard.ts';
import { movePanel, nextGroupPanel, nextTab, sharesOf } from '../layout/panel-groups.ts';
import type { Direction } from '../layout/panel-groups.ts';
import { PANELS_BY_KIND, panelId, panelTitle, parsePanelId } from '../layout/panel-kinds.ts';
import type { PanelKind } from '../layout/panel-kinds.ts';
import { LAYOUT_VERSION, parseSavedLayout, readSavedLayout } from '../layout/saved-layout.ts';
import type { SavedLayout } from '../layout/saved-layout.ts';
import { usePanelsStore } from './panels-store.ts';
import type { PanelState } from './panels-store.ts';

const STORAGE_KEY = 'umbra.layout';
/** Panels of one kind that can be open at once. */
const MAX_OF_KIND = 9;

export const useLayoutStore = defineStore('layout', () => {
  const panels = usePanelsStore();
  const dock = shallowRef<DockviewApi>();
  /** The panel that the keyboard is in. */
  const active = ref<string>();

  /** @returns undefined before the dock is there */
  function snapshot(): SavedLayout | undefined {
    if (!dock.value) return undefined;
    return { version: LAYOUT_VERSION, layout: dock.value.toJSON(), panels: panels.snapshot() };
  }

  function save(): void {
    const saved = snapshot();
    if (saved) localStorage.setItem(STORAGE_KEY, JSON.stringify(saved));
  }

  /** @returns whether it was a layout; if not, the default is on screen */
  function restore(saved: unknown): boolean {
    const api = dock.value;
    if (!api) return false;
    const read = readSavedLayout(saved);
    if (read) {
      try {
        // Closing a panel forgets what it kept, so what is there goes first.
        api.clear();
        panels.restore(read.panels);
        api.fromJSON(read.layout);
        return true;
      } catch {
        // The dock has refused it: it was edited by hand, or is of another version of the dock.
      }
    }
    applyDefault(api);
    return false;
  }

  function applyDefault(api: DockviewApi): void {
    api.clear();
    panels.restore({});
    applyDefaultLayout(api);
  }

  function attach(api: DockviewApi): void {
    dock.value = api;
    restore(parseSavedLayout(localStorage.getItem(STORAGE_KEY)));
    active.value = api.activePanel?.id;
    api.onDidLayoutChange(save);
    api.onDidActivePanelChange(({ panel }) => {
      active.value = panel?.id;
      if (panel) showTab(panel.id);
    });
    // A closed panel starts afresh when it is opened again.
    api.onDidRemovePanel(({ id }) => panels.forget(id));
    watch(() => panels.snapshot(), save);
  }

  function reset(): void {
    localStorage.removeItem(STORAGE_KEY);
    if (dock.value) applyDefault(dock.value);
  }

  const openIds = (kind: PanelKind): readonly string[] =>
    dock.value?.panels.map(({ id }) => id).filter((id) => parsePanelId(id)?.kind === kind) ?? [];

  function add(id: string, beside: string | undefined): void {
    const kind = parsePanelId(id)?.kind;
    dock.value?.addPanel({
      id,
      component: 'DockPanel',
      title: panelTitle(id),
      params: { kind },
      ...(beside === undefined ? {} : { position: { referencePanel: beside, direction: 'within' } }),
    });
  }

  /**
   * Brings a panel to the front, opening it where it was closed. Of several the one in use is meant, else one that follows
   * the focus.
   * @returns the panel's id
   */
  function open(kind: PanelKind): string {
    const ids = openIds(kind);
    const inUse = ids.find((id) => id === active.value && !panels.isLocked(id));
    const id = inUse ?? ids.find((one) => !panels.isLocked(one)) ?? ids.at(0);
    if (id === undefined) add(kind, homeOf(kind));
    show(id ?? kind);
    return id ?? kind;
  }

  /** Where the default layout has the kind: beside a panel that is in its group there. */
  const homeOf = (kind: PanelKind): string | undefined =>
    groupOf(kind).find((one) => dock.value?.getPanel(one) !== undefined);

  function show(id: string | undefined): void {
    if (id === undefined) return;
    dock.value?.getPanel(id)?.api.setActive();
    focusPanel(id);
  }

  /** Opens one more panel of a kind that can be at several places. @returns its id, undefined when there are too many */
  function openAnother(kind: PanelKind, state: PanelState = {}): string | undefined {
    const ids = openIds(kind);
    const free = Array.from({ length: PANELS_BY_KIND[kind].hasPlace ? MAX_OF_KIND : 1 }, (_unused, i) =>
      panelId(kind, i + 1),
    ).find((id) => !ids.includes(id));
    if (free === undefined) return undefined;
    panels.setState(free, state);
    add(free, ids.at(-1) ?? homeOf(kind));
    show(free);
    return free;
  }

  function duplicate(id: string): string | undefined {
    const kind = parsePanelId(id)?.kind;
    return kind === undefined ? undefined : openAnother(kind, panels.stateOf(id));
  }

  function close(id: string): void {
    dock.value?.getPanel(id)?.api.close();
  }

  function closeOthers(id: string): void {
    const others = dock.value?.getPanel(id)?.group.panels.filter((panel) => panel.id !== id) ?? [];
    for (const panel of [...others]) panel.api.close();
  }

  function move(id: string, direction: Direction): void {
    const panel = dock.value?.getPanel(id);
    if (dock.value && panel) movePanel(dock.value, panel, direction);
    show(id);
  }

  const showNextGroup = (distance: number): void => show(dock.value && nextGroupPanel(dock.value, distance)?.id);
  const showNextTab = (distance: number): void => show(dock.value && nextTab(dock.value, distance)?.id);

  /** The whole dock for one group, and back: each has the share that it had, though the window is of another size by now. */
  let putBack: (() => void) | undefined;
  function toggleMaximized(id: string): void {
    const api = dock.value;
    if (api?.hasMaximizedGroup()) {
      api.exitMaximizedGroup();
      putBack?.();
    } else if (api) {
      putBack = sharesOf(api);
      api.getPanel(id)?.api.maximize();
    }
    show(id);
  }

  return {
    dock,
    active,
    snapshot,
    restore,
    attach,
    reset,
    open,
    openAnother,
    duplicate,
    close,
    closeOthers,
    move,
    showNextGroup,
    showNextTab,
    toggleMaximized,
  };
});
