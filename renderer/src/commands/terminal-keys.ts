/**
 * Which keys are the workbench's while the serial terminal has the keyboard; all others are typed to the guest. As in VS Code's
 * terminal it is a list (its `commandsToSkipShell`), and one without the letters that a shell or an editor in the guest lives on:
 * Ctrl+C, Ctrl+D, Ctrl+L, Ctrl+W, Ctrl+Z go to the guest, whatever they mean elsewhere.
 */
import type { Command } from './command.ts';

/** `key` as `keyOf` writes it. */
const RESERVED: readonly RegExp[] = [
  // Running, breakpoints, help, from group to group.
  /^(?:Ctrl\+)?(?:Alt\+)?(?:Shift\+)?F\d{1,2}$/,
  // Go to anything.
  /^Ctrl\+P$/,
  // The palette, and whatever else has both modifiers: no terminal can send those.
  /^Ctrl\+Shift\+./,
  // Panels, vCPUs, back and forward. Without a command of ours Alt is the guest's Meta.
  /^(?:Ctrl\+)?Alt\+./,
  // From tab to tab.
  /^Ctrl\+Page(?:Up|Down)$/,
];

/** What leaves the terminal without being a command: what holds the focus for ever holds the keyboard's user, too. */
export const LEAVES_TERMINAL = 'Shift+Tab';

const isReserved = (key: string): boolean => RESERVED.some((form) => form.test(key));

/** Whether a key that is pressed in the terminal is the workbench's. */
export function skipsTerminal(key: string, commands: readonly Command[]): boolean {
  return isReserved(key) && commands.some((command) => command.key === key || command.moreKeys?.includes(key) === true);
}
