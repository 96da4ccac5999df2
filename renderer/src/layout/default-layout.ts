/** The layout of a first start: code left, the machine's memory in the middle, values right. */
import type { DockviewApi } from 'dockview-vue';
import { PANELS_BY_KIND } from './panel-kinds.ts';
import type { PanelKind } from './panel-kinds.ts';

type Direction = 'right' | 'below' | 'within';

interface Placement {
  readonly kind: PanelKind;
  readonly beside?: PanelKind;
  readonly direction?: Direction;
}

/** In the order of placing; the first panel of a group is the one in front. */
const PLACEMENTS: readonly Placement[] = [
  { kind: 'disassembly' },
  { kind: 'memslots', beside: 'disassembly', direction: 'right' },
  { kind: 'registers', beside: 'memslots', direction: 'right' },
  { kind: 'serial', beside: 'disassembly', direction: 'below' },
  { kind: 'memory', beside: 'serial', direction: 'within' },
  { kind: 'screen', beside: 'serial', direction: 'within' },
  { kind: 'trace', beside: 'serial', direction: 'within' },
  { kind: 'sptes', beside: 'memslots', direction: 'below' },
  { kind: 'mmio', beside: 'sptes', direction: 'within' },
  { kind: 'walk', beside: 'sptes', direction: 'within' },
  { kind: 'generation', beside: 'registers', direction: 'below' },
  { kind: 'breakpoints', beside: 'generation', direction: 'within' },
  { kind: 'statistics', beside: 'registers', direction: 'within' },
];

const IN_FRONT: readonly PanelKind[] = ['disassembly', 'memslots', 'registers', 'serial', 'sptes', 'generation'];

export function applyDefaultLayout(api: DockviewApi): void {
  for (const { kind, beside, direction } of PLACEMENTS) {
    api.addPanel({
      id: kind,
      component: 'DockPanel',
      title: PANELS_BY_KIND[kind].title,
      params: { kind },
      ...(beside && direction ? { position: { referencePanel: beside, direction } } : {}),
    });
  }
  const { width, height } = api;
  api.getPanel('disassembly')?.api.setSize({ width: width * 0.3 });
  api.getPanel('registers')?.api.setSize({ width: Math.max(340, width * 0.25) });
  api.getPanel('serial')?.api.setSize({ height: height * 0.36 });
  api.getPanel('sptes')?.api.setSize({ height: height * 0.52 });
  api.getPanel('generation')?.api.setSize({ height: height * 0.4 });
  for (const kind of IN_FRONT) api.getPanel(kind)?.api.setActive();
  api.getPanel('disassembly')?.api.setActive();
}
