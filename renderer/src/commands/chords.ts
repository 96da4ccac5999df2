/**
 * Keys of two strokes, as VS Code has them: Ctrl+K, and then one that says what. A workbench has more commands than a keyboard has
 * keys that nothing else wants.
 */
import type { Command } from './command.ts';

/** What a second stroke is waited for after. */
export const CHORD = 'Ctrl+K';

const MODIFIERS: ReadonlySet<string> = new Set(['Control', 'Shift', 'Alt', 'AltGraph', 'Meta', 'CapsLock']);
const CTRL = 'Ctrl+';

/** Whether a key that is pressed is only on the way to another. */
export const isModifier = (key: string): boolean => MODIFIERS.has(key);

/** The whole key. Ctrl may still be held at the second stroke, and then means nothing. */
export const chordOf = (stroke: string): string =>
  `${CHORD} ${stroke.startsWith(CTRL) ? stroke.slice(CTRL.length) : stroke}`;

/** Those that the chord leads to, as they are offered while the second stroke is waited for. */
export const chordsOf = (commands: readonly Command[]): readonly Command[] =>
  commands.filter(({ key }) => key?.startsWith(`${CHORD} `));
