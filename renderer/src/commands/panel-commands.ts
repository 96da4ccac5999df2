/** Panels: showing one, another of its kind, locking, closing, the whole window for one. */
import { PANELS_BY_KIND, PANEL_KINDS, panelTitle, parsePanelId } from '../layout/panel-kinds.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { usePanelsStore } from '../stores/panels-store.ts';
import { always } from './command.ts';
import type { Command } from './command.ts';

export function panelCommands(): readonly Command[] {
  const layout = useLayoutStore();
  const panels = usePanelsStore();
  const hasActive = (): boolean => layout.active !== undefined;
  const activeKind = () => (layout.active === undefined ? undefined : parsePanelId(layout.active)?.kind);
  const activeHasPlace = (): boolean => {
    const kind = activeKind();
    return kind !== undefined && PANELS_BY_KIND[kind].hasPlace;
  };
  const withActive = (act: (id: string) => unknown) => () =>
    layout.active === undefined ? undefined : act(layout.active);
  return [
    ...PANEL_KINDS.map((kind): Command => ({
      id: `panel-${kind}`,
      title: `Show panel: ${PANELS_BY_KIND[kind].title}`,
      key: PANELS_BY_KIND[kind].key,
      menu: 'Panels',
      isEnabled: always,
      run: () => layout.open(kind),
    })),
    ...PANEL_KINDS.filter((kind) => PANELS_BY_KIND[kind].hasPlace).map((kind): Command => ({
      id: `another-${kind}`,
      title: `Open another panel: ${PANELS_BY_KIND[kind].title}`,
      isEnabled: always,
      run: () => layout.openAnother(kind),
    })),
    {
      id: 'lock-panel',
      get title() {
        const { active } = layout;
        if (active === undefined || !activeHasPlace()) return 'Lock or unlock the panel';
        return `${panels.isLocked(active) ? 'Unlock' : 'Lock'} the panel: ${panelTitle(active)}`;
      },
      key: 'Ctrl+L',
      menu: 'Panels',
      isEnabled: activeHasPlace,
      run: withActive((id) => panels.setLocked(id, !panels.isLocked(id))),
    },
    {
      id: 'duplicate-panel',
      title: 'Open the panel once more',
      isEnabled: activeHasPlace,
      run: withActive((id) => layout.duplicate(id)),
    },
    {
      id: 'close-panel',
      title: 'Close the panel',
      key: 'Ctrl+F4',
      menu: 'Panels',
      isEnabled: hasActive,
      run: withActive((id) => layout.close(id)),
    },
    {
      id: 'reset-layout',
      title: 'Reset the layout',
      menu: 'View',
      isEnabled: always,
      run: layout.reset,
    },
  ];
}
