/** The title of the window: the workspace, and a mark while it has changes that no file has. */
import { watchEffect } from 'vue';
import { useSessionStore } from '../stores/session-store.ts';

export function useWindowTitle(): void {
  const session = useSessionStore();
  watchEffect(() => {
    const name = session.name === undefined ? '' : `${session.isDirty ? '• ' : ''}${session.name} — `;
    document.title = `${name}Umbra`;
  });
}
