/**
 * What the window gets from its host beside the engine: images to load, which only the host can read from disk, and the
 * clipboard. The preload puts an object of the shape `UmbraDesktop` at `window.umbra` and nothing else.
 */
import * as v from 'valibot';
import type { EngineClient } from './client.ts';
import { EXPORT_SCHEMAS } from './desktop-exports.ts';
import type { ExportReplies, UmbraExports } from './desktop-exports.ts';
import type { MachineOptionsInput } from './requests.ts';

export const MAX_CLIPBOARD_CHARACTERS = 4 * 1024 * 1024;

export const THEME_CHOICES = ['system', 'dark', 'light'] as const;
export type ThemeChoice = (typeof THEME_CHOICES)[number];

const label = v.pipe(v.string(), v.minLength(1), v.maxLength(200));

/** One entry of a menu: a command of the page's, as it stands now. */
export const menuItemSchema = v.strictObject({
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(100)),
  title: label,
  /** `Ctrl+Shift+P`: shown beside the title; the page itself listens for it. */
  key: v.optional(v.pipe(v.string(), v.maxLength(40))),
  isEnabled: v.boolean(),
  isChecked: v.optional(v.boolean()),
});
export type MenuItem = v.InferOutput<typeof menuItemSchema>;

export const menuModelSchema = v.strictObject({
  title: label,
  items: v.pipe(v.array(menuItemSchema), v.maxLength(100)),
});
export type MenuModel = v.InferInput<typeof menuModelSchema>;

/** Parameter schemas of the host's own verbs, checked at the border as those of the engine are. */
export const DESKTOP_SCHEMAS = {
  ...EXPORT_SCHEMAS,
  /** The image named on the command line, else the demo guest. */
  'image.startup': v.strictObject({}),
  /** The image and options of the machine that was made last; a reload of the page forgets them, the host does not. */
  'machine.present': v.strictObject({}),
  /** Lets the user choose a file. */
  'image.choose': v.strictObject({}),
  /** Names of the guests that come with the program. */
  'guest.list': v.strictObject({}),
  'guest.read': v.strictObject({ name: v.pipe(v.string(), v.maxLength(64), v.regex(/^[a-z0-9-]+$/)) }),
  'clipboard.write': v.strictObject({ text: v.pipe(v.string(), v.maxLength(MAX_CLIPBOARD_CHARACTERS)) }),
  'theme.read': v.strictObject({}),
  'theme.set': v.strictObject({ choice: v.picklist(THEME_CHOICES) }),
  /** The menus of the application: made from the page's own table of commands, so that both say the same. */
  'menu.set': v.strictObject({ menus: v.pipe(v.array(menuModelSchema), v.maxLength(12)) }),
} as const;

export type DesktopVerb = keyof typeof DESKTOP_SCHEMAS;
export type DesktopParams<V extends DesktopVerb> = v.InferOutput<(typeof DESKTOP_SCHEMAS)[V]>;

export interface DesktopReplies extends ExportReplies {
  'image.startup': ImageAnswer;
  'machine.present': PresentMachine | undefined;
  'image.choose': ImageAnswer | undefined;
  'guest.list': readonly string[];
  'guest.read': ImageAnswer;
  'clipboard.write': undefined;
  'theme.read': ThemeChoice;
  'theme.set': undefined;
  'menu.set': undefined;
}

/** An image as `machine.create` takes it: `name` is a path, or the name of a guest that comes with the program. */
export interface GuestImage {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a machine was made from. */
export interface PresentMachine {
  readonly image: GuestImage;
  readonly options: MachineOptionsInput;
}

export type ImageAnswer =
  { readonly ok: true; readonly value: GuestImage } | { readonly ok: false; readonly message: string };

/**
 * Commands from outside the page: one of its own, chosen from a menu; or `image.startup`, which says that `startupImage()`
 * has another answer now (Umbra was started once more, with an image).
 */
export type MenuCommand = 'image.startup' | { readonly command: string };

export interface PlatformInfo {
  readonly os: string;
  readonly umbra: string;
  readonly electron: string;
  readonly node: string;
}

export interface UmbraDesktop extends EngineClient, UmbraExports {
  readonly platform: PlatformInfo;
  startupImage(): Promise<ImageAnswer>;
  /** @returns undefined when there was no machine yet */
  presentMachine(): Promise<PresentMachine | undefined>;
  /** @returns undefined when the user chose none */
  chooseImage(): Promise<ImageAnswer | undefined>;
  guestNames(): Promise<readonly string[]>;
  readGuest(name: string): Promise<ImageAnswer>;
  /** The page itself has no permission for the clipboard. */
  copyText(text: string): Promise<void>;
  theme(): Promise<ThemeChoice>;
  setTheme(choice: ThemeChoice): Promise<void>;
  setMenu(menus: readonly MenuModel[]): Promise<void>;
  /** @returns unsubscribe */
  onMenu(listener: (command: MenuCommand) => void): () => void;
}
