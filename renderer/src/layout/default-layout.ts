/** The layout of a first start: code left, the machine's memory in the middle, values right. */
import type { DockviewApi } from 'dockview-vue';
import { PANELS_BY_KIND } from './panel-kinds.ts';
import type { PanelKind } from './panel-kinds.ts';

interface Group {
  /** Left to right; the first is the one in front. */
  readonly panels: readonly PanelKind[];
  /** The group that it is put beside, by its first panel. */
  readonly beside?: PanelKind;
  readonly direction?: 'right' | 'below';
}

/** In the order of placing. No group has more tabs than fit at 1280 pixels. */
const GROUPS: readonly Group[] = [
  { panels: ['disassembly'] },
  { panels: ['memslots', 'memory', 'start', 'trace'], beside: 'disassembly', direction: 'right' },
  { panels: ['registers', 'statistics'], beside: 'memslots', direction: 'right' },
  { panels: ['serial', 'console', 'screen'], beside: 'disassembly', direction: 'below' },
  { panels: ['sptes', 'mmio', 'walk', 'devices'], beside: 'memslots', direction: 'below' },
  { panels: ['generation', 'breakpoints'], beside: 'registers', direction: 'below' },
];

/** The kinds that share a group with `kind`. */
export const groupOf = (kind: PanelKind): readonly PanelKind[] =>
  GROUPS.find(({ panels }) => panels.includes(kind))?.panels ?? [];

export function applyDefaultLayout(api: DockviewApi): void {
  for (const { panels, beside, direction } of GROUPS) {
    const [first] = panels;
    for (const kind of panels) {
      const position =
        kind === first
          ? beside && direction && { referencePanel: beside, direction }
          : ({ referencePanel: first, direction: 'within' } as const);
      api.addPanel({
        id: kind,
        component: 'DockPanel',
        title: PANELS_BY_KIND[kind].title,
        params: { kind },
        ...(position ? { position } : {}),
      });
    }
  }
  const { width, height } = api;
  api.getPanel('disassembly')?.api.setSize({ width: width * 0.3 });
  api.getPanel('registers')?.api.setSize({ width: Math.max(340, width * 0.25) });
  api.getPanel('serial')?.api.setSize({ height: height * 0.36 });
  api.getPanel('sptes')?.api.setSize({ height: height * 0.52 });
  api.getPanel('generation')?.api.setSize({ height: height * 0.4 });
  for (const { panels } of GROUPS) api.getPanel(panels[0])?.api.setActive();
  api.getPanel('disassembly')?.api.setActive();
}
