/** Panels: showing one, another of its kind, locking, closing, the whole window for one. */
import { PANELS_BY_KIND, PANEL_KINDS, panelTitle, parsePanelId } from '../layout/panel-kinds.ts';
import { DIRECTIONS } from '../layout/panel-groups.ts';
import type { Direction } from '../layout/panel-groups.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { usePanelsStore } from '../stores/panels-store.ts';
import { always } from './command.ts';
import type { Command } from './command.ts';

const ARROWS: Readonly<Record<Direction, string>> = {
  left: 'ArrowLeft',
  right: 'ArrowRight',
  up: 'ArrowUp',
  down: 'ArrowDown',
};

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
      key: `Ctrl+K ${PANELS_BY_KIND[kind].key}`,
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
      isOnceAPress: true,
      // In the line of the console it clears.
      yieldsToText: true,
      menu: 'Panels',
      needs: 'a panel with a place of its own',
      isEnabled: activeHasPlace,
      run: withActive((id) => panels.setLocked(id, !panels.isLocked(id))),
    },
    {
      id: 'duplicate-panel',
      title: 'Open the panel once more',
      key: 'Ctrl+K 0',
      needs: 'a panel with a place of its own',
      isEnabled: activeHasPlace,
      run: withActive((id) => layout.duplicate(id)),
    },
    {
      id: 'close-panel',
      title: 'Close the panel',
      key: 'Ctrl+W',
      isOnceAPress: true,
      moreKeys: ['Ctrl+F4'],
      menu: 'Panels',
      needs: 'a panel',
      isEnabled: hasActive,
      run: withActive((id) => layout.close(id)),
    },
    {
      id: 'maximize-panel',
      title: 'Give the panel the whole window, or take it back',
      key: 'Ctrl+M',
      isOnceAPress: true,
      menu: 'Panels',
      needs: 'a panel',
      isEnabled: hasActive,
      run: withActive((id) => layout.toggleMaximized(id)),
    },
    {
      id: 'next-group',
      title: 'Next group of panels',
      key: 'F6',
      isEnabled: always,
      run: () => layout.showNextGroup(1),
    },
    {
      id: 'previous-group',
      title: 'Previous group of panels',
      key: 'Shift+F6',
      isEnabled: always,
      run: () => layout.showNextGroup(-1),
    },
    {
      id: 'next-tab',
      title: 'Next panel of the group',
      key: 'Ctrl+PageDown',
      isEnabled: always,
      run: () => layout.showNextTab(1),
    },
    {
      id: 'previous-tab',
      title: 'Previous panel of the group',
      key: 'Ctrl+PageUp',
      isEnabled: always,
      run: () => layout.showNextTab(-1),
    },
    ...DIRECTIONS.map((direction): Command => ({
      id: `move-panel-${direction}`,
      title: `Move the panel ${direction}`,
      key: `Ctrl+Alt+${ARROWS[direction]}`,
      needs: 'a panel',
      isEnabled: hasActive,
      run: withActive((id) => layout.move(id, direction)),
    })),
  ];
}
