/** The one dialog that can be open. */
import { defineStore } from 'pinia';
import { ref } from 'vue';

export type Dialog = 'palette' | 'open' | 'go-to' | 'keys' | 'save-layout';

export const useDialogStore = defineStore('dialog', () => {
  const dialog = ref<Dialog>();

  function show(next: Dialog): void {
    dialog.value = next;
  }

  function close(): void {
    dialog.value = undefined;
  }

  return { dialog, show, close };
});
