/**
 * A number in a plain cell of a table that must scroll fast: the tooltip and the context menu of a NumberLink, without a component
 * for each cell. Whoever uses the keyboard has the same numbers as links in the detail of the selected row.
 */
import { onScopeDispose, useId } from 'vue';
import type { LinkedNumber } from '../layout/linked-number.ts';
import { useMenuStore } from '../stores/menu-store.ts';
import { useTipStore } from '../stores/tip-store.ts';
import { useNumberMenu } from './useNumberMenu.ts';

export interface NumberCell {
  describe(event: Event, number: LinkedNumber): void;
  hide(): void;
  openMenu(event: MouseEvent, number: LinkedNumber): void;
}

export function useNumberCell(): NumberCell {
  const id = useId();
  const tips = useTipStore();
  const menu = useMenuStore();
  onScopeDispose(() => {
    if (tips.owner === id) tips.hide();
  });
  return {
    describe(event, number) {
      if (event.currentTarget instanceof Element) tips.show(id, event.currentTarget, number);
    },
    hide: tips.hide,
    openMenu(event, number) {
      event.preventDefault();
      event.stopPropagation();
      tips.hide();
      menu.open(event.clientX, event.clientY, useNumberMenu()(number));
    },
  };
}
