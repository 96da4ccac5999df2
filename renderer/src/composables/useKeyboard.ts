/** Keys that mean a command wherever the focus is. */
import { onScopeDispose } from 'vue';
import { CHORD, chordOf, isModifier } from '../commands/chords.ts';
import { skipsTerminal } from '../commands/terminal-keys.ts';
import { useChordStore } from '../stores/chord-store.ts';
import { useCommandsStore } from '../stores/commands-store.ts';
import { useNoticesStore } from '../stores/notices-store.ts';

/** `Ctrl+Shift+P`; Meta counts as Ctrl so that a Mac has its keys. */
export function keyOf(event: KeyboardEvent): string {
  const name = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const parts = [
    event.ctrlKey || event.metaKey ? 'Ctrl' : '',
    event.altKey ? 'Alt' : '',
    event.shiftKey ? 'Shift' : '',
    name,
  ];
  return parts.filter((part) => part !== '').join('+');
}

/** Checkboxes and the like take no text, and the terminal hands on what it gets. */
const TEXT_FIELDS = 'input:not([type=checkbox], [type=radio], [type=range], [type=file]), textarea, [contenteditable]';

const isText = (target: EventTarget | null): boolean => target instanceof Element && target.matches(TEXT_FIELDS);

const isInTerminal = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest('[data-terminal]') !== null;

export function useKeyboard(): void {
  const commands = useCommandsStore();
  const chord = useChordStore();
  const notices = useNoticesStore();

  /** Whatever it is, it is not typed anywhere. Held down, it would be the second stroke as well as the first. */
  function secondStroke(event: KeyboardEvent): void {
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat || isModifier(event.key)) return;
    chord.end();
    if (event.key === 'Escape') return;
    const key = chordOf(keyOf(event));
    if (!commands.executeKey(key)) notices.add('info', `No command has the key ${key}.`);
  }

  const listener = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing) return;
    if (chord.isBegun) {
      secondStroke(event);
      return;
    }
    const key = keyOf(event);
    if (isInTerminal(event.target) && !skipsTerminal(key, commands.commands)) return;
    if (key === CHORD) {
      chord.begin();
      event.preventDefault();
    } else if (commands.executeKey(key, { inText: isText(event.target), isRepeat: event.repeat }))
      event.preventDefault();
  };
  window.addEventListener('keydown', listener, { capture: true });
  window.addEventListener('blur', chord.end);
  onScopeDispose(() => {
    window.removeEventListener('keydown', listener, { capture: true });
    window.removeEventListener('blur', chord.end);
  });
}
