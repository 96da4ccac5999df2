/** The panel that a component stands in: which instance it is, the focus it follows, and what it keeps with the layout. */
import { inject } from 'vue';
import type { InjectionKey } from 'vue';
import type { Panel } from '../stores/panels-store.ts';

export const PANEL: InjectionKey<Panel> = Symbol('panel');

export function usePanel(): Panel {
  const panel = inject(PANEL, undefined);
  if (panel === undefined) throw new Error('usePanel is for components inside a panel of the dock');
  return panel;
}
