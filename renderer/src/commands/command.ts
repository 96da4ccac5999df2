/** Something that can be done, with its name and its key. Palette, keyboard, menus and the page of keys all read this. */
export interface Command {
  readonly id: string;
  /** May be a getter where it depends on the moment: `Undo: rax = 0x5`. */
  readonly title: string;
  /** As `keyOf` writes it: 'Ctrl+Shift+P'; of two strokes: 'Ctrl+K B'. */
  readonly key?: string;
  /** Other keys that mean the same. */
  readonly moreKeys?: readonly string[];
  /** Where it stands in the menu of the application; nowhere when left out. */
  readonly menu?: MenuName;
  /** Its key belongs to the text that is being typed, where some is. */
  readonly yieldsToText?: boolean;
  /**
   * It changes the machine, or means what the machine is: pressed while something is under way it waits, and is decided by what
   * there is then.
   */
  readonly waits?: boolean;
  /** Switches to and fro, or is done once: a key that is held down means it once. */
  readonly isOnceAPress?: boolean;
  /** For a choice among several: whether it is the one that holds. */
  readonly isChecked?: () => boolean;
  readonly isEnabled: () => boolean;
  /** What it takes, in words, where it cannot always be done: `a guest that stands still`. The palette gives it as the reason. */
  readonly needs?: string;
  readonly run: () => unknown;
}

export const MENU_NAMES = ['File', 'Edit', 'View', 'Go', 'Run', 'Panels', 'Help'] as const;
export type MenuName = (typeof MENU_NAMES)[number];

export const always = (): boolean => true;
