/** The one context menu that can be open. */
import { defineStore } from 'pinia';
import { shallowRef } from 'vue';

export interface MenuEntry {
  readonly title: string;
  /** What it and those that follow it are about: a line above them that names the thing. */
  readonly heading?: string;
  /** A line above it: what follows is of another kind. */
  readonly isApart?: boolean;
  readonly isEnabled?: boolean;
  readonly run: () => void;
}

export interface OpenMenu {
  readonly x: number;
  readonly y: number;
  readonly entries: readonly MenuEntry[];
}

export const useMenuStore = defineStore('menu', () => {
  const menu = shallowRef<OpenMenu>();

  function open(x: number, y: number, entries: readonly MenuEntry[]): void {
    menu.value = { x, y, entries };
  }

  function close(): void {
    menu.value = undefined;
  }

  return { menu, open, close };
});
