/** Dark, light, or as the system has it. The host keeps the choice: menus and dialogs of the window follow it too. */
import type { ThemeChoice } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { ref } from 'vue';
import { useDesktopStore } from './desktop-store.ts';

export const useThemeStore = defineStore('theme', () => {
  const desktop = useDesktopStore();
  const choice = ref<ThemeChoice>('system');

  async function load(): Promise<void> {
    choice.value = await desktop.theme();
  }

  async function choose(next: ThemeChoice): Promise<void> {
    await desktop.setTheme(next);
    choice.value = next;
  }

  return { choice, load, choose };
});
