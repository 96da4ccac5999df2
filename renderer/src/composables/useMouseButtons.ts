/** The fourth and fifth button of a mouse go back and forward through what was looked at. */
import { onScopeDispose } from 'vue';
import { useCommandsStore } from '../stores/commands-store.ts';

const COMMANDS: Readonly<Record<number, string>> = { 3: 'back', 4: 'forward' };

export function useMouseButtons(): void {
  const commands = useCommandsStore();
  const listener = (event: MouseEvent): void => {
    const id = COMMANDS[event.button];
    if (id === undefined) return;
    event.preventDefault();
    commands.execute(id);
  };
  window.addEventListener('mouseup', listener);
  onScopeDispose(() => window.removeEventListener('mouseup', listener));
}
