/** Shift+F10 and the menu key open the context menu of what the keyboard is on, also where no mouse ever was. */
import { onScopeDispose } from 'vue';

const isMenuKey = ({ key, shiftKey }: KeyboardEvent): boolean => key === 'ContextMenu' || (key === 'F10' && shiftKey);

/** In a list the keyboard is on the list, and means its selected row. */
const targetIn = (element: Element): Element =>
  element.querySelector('[data-menu-target]') ??
  element.querySelector('[aria-selected="true"], [aria-current="true"]') ??
  element;

export function useMenuKey(): void {
  const listener = (event: KeyboardEvent): void => {
    const here = document.activeElement;
    if (!isMenuKey(event) || here === null || here === document.body) return;
    event.preventDefault();
    const target = targetIn(here);
    const { left, bottom } = target.getBoundingClientRect();
    const place = { clientX: left + 4, clientY: bottom };
    target.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true, ...place }));
  };
  window.addEventListener('keydown', listener);
  onScopeDispose(() => window.removeEventListener('keydown', listener));
}
