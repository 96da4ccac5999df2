/**
 * What the window gets from its host beside the engine: images to load, which only the host can read from disk, and the
 * clipboard. The preload puts an object of the shape `UmbraDesktop` at `window.umbra` and nothing else.
 */
import * as v from 'valibot';
import type { EngineClient } from './client.ts';
import { EXPORT_SCHEMAS } from './desktop-exports.ts';
import type { ExportReplies, UmbraExports } from './desktop-exports.ts';
import type { MachineOptionsInput } from './requests.ts';
import type { OpenedState, StateProgress } from './snapshots.ts';
import type { TraceFileAnswer } from './trace-file.ts';
import { type Workspace, type WorkspaceParts, workspacePartsSchema } from './workspace.ts';

export const MAX_CLIPBOARD_CHARACTERS = 4 * 1024 * 1024;

/** What a window without an argument starts with, and the tour goes with. */
export const DEMO_GUEST = 'poller';

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
  /** Lets the user choose an image, a workspace or a machine state and opens it; `recent` is the number of one opened before. */
  'session.open': v.strictObject({
    recent: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(50))),
  }),
  /** `as`: asks where to, also when the workspace has a file already. */
  'session.saveWorkspace': v.strictObject({ parts: workspacePartsSchema, as: v.boolean() }),
  'session.saveState': v.strictObject({}),
  /** How far the saving or opening of a machine state has come; asked while one goes on. */
  'session.progress': v.strictObject({}),
  'session.cancel': v.strictObject({}),
  'session.recent': v.strictObject({}),
  'session.forget': v.strictObject({ recent: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(50)) }),
  /** Keeps the workspace for the case of a crash; `hasUnsaved`: and for the next start, if it is closed as it is. */
  'session.keep': v.strictObject({ parts: workspacePartsSchema, hasUnsaved: v.boolean() }),
  /** What the program was started with, if it is a workspace or a machine state and has not been opened yet. */
  'session.startup': v.strictObject({}),
  /** The workspace that was kept when the program ended without being closed, or with changes that no file has. */
  'session.recover': v.strictObject({ choice: v.picklist(['ask', 'open', 'discard']) }),
  /** Lets the user choose an ftrace text of any machine, and reads it. */
  'trace.open': v.strictObject({}),
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
  'session.open': OpenedFile | undefined;
  'session.saveWorkspace': SavedFile | undefined;
  'session.saveState': SavedFile | undefined;
  'session.progress': StateProgress | undefined;
  'session.cancel': undefined;
  'session.recent': readonly RecentFile[];
  'session.forget': readonly RecentFile[];
  'session.keep': undefined;
  'session.startup': OpenedFile | undefined;
  'session.recover': OpenedFile | RecoverableSession | undefined;
  'trace.open': TraceFileAnswer | undefined;
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

export const SESSION_FILE_KINDS = ['image', 'workspace', 'state'] as const;
export type SessionFileKind = (typeof SESSION_FILE_KINDS)[number];

/** What came of opening a file. A refusal is a sentence, and nothing has changed. */
export type OpenedFile =
  | { readonly kind: 'image'; readonly image: GuestImage }
  | {
      readonly kind: 'workspace';
      readonly path: string;
      readonly workspace: Workspace;
      /** Undefined: the image is not there any more, or is another one; `imageProblem` says which. */
      readonly image: GuestImage | undefined;
      readonly imageProblem: string | undefined;
    }
  | { readonly kind: 'state'; readonly path: string; readonly opened: OpenedState }
  | { readonly kind: 'refused'; readonly message: string };

export type SavedFile = { readonly ok: true; readonly path: string } | { readonly ok: false; readonly message: string };

export interface RecentFile {
  readonly kind: SessionFileKind;
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly openedAt: number;
  /** Why it cannot be opened now. */
  readonly missing: string | undefined;
}

export interface RecoverableSession {
  readonly kind: 'recoverable';
  /** The program was not closed as it should be, or somebody closed it and had not saved. */
  readonly why: 'crash' | 'unsaved';
  readonly image: string;
  /** Milliseconds since 1970. */
  readonly keptAt: number;
}

/** What a machine was made from. */
export interface PresentMachine {
  readonly image: GuestImage;
  readonly options: MachineOptionsInput;
}

export type ImageAnswer =
  { readonly ok: true; readonly value: GuestImage } | { readonly ok: false; readonly message: string };

/**
 * Commands from outside the page: one of its own, chosen from a menu; or `file.startup`, which says that
 * `openStartupFile()` or `startupImage()` has another answer now (Umbra was started once more, with a file).
 */
export type MenuCommand = 'file.startup' | { readonly command: string };

export interface PlatformInfo {
  readonly os: string;
  readonly umbra: string;
  readonly electron: string;
  readonly node: string;
}

export interface UmbraDesktop extends EngineClient, UmbraExports {
  readonly platform: PlatformInfo;
  /** Has the page's port to the engine sent to it, as a message to the window with `PORT_GREETING` (engine-port.ts). */
  connectEngine(): void;
  startupImage(): Promise<ImageAnswer>;
  /** @returns undefined when there was no machine yet */
  presentMachine(): Promise<PresentMachine | undefined>;
  /** @returns undefined when the user chose none */
  chooseImage(): Promise<ImageAnswer | undefined>;
  guestNames(): Promise<readonly string[]>;
  readGuest(name: string): Promise<ImageAnswer>;
  /** @returns undefined when the user chose none */
  openFile(recent?: number): Promise<OpenedFile | undefined>;
  /** @returns undefined when the user chose none */
  saveWorkspace(parts: WorkspaceParts, as: boolean): Promise<SavedFile | undefined>;
  saveState(): Promise<SavedFile | undefined>;
  stateProgress(): Promise<StateProgress | undefined>;
  cancelState(): Promise<void>;
  recentFiles(): Promise<readonly RecentFile[]>;
  forgetRecent(recent: number): Promise<readonly RecentFile[]>;
  keepSession(parts: WorkspaceParts, hasUnsaved: boolean): Promise<void>;
  /** @returns undefined where the program was started with an image, or with nothing */
  openStartupFile(): Promise<OpenedFile | undefined>;
  recoverSession(choice: 'ask' | 'open' | 'discard'): Promise<OpenedFile | RecoverableSession | undefined>;
  /** @returns undefined when the user chose none */
  openTrace(): Promise<TraceFileAnswer | undefined>;
  /** The page itself has no permission for the clipboard. */
  copyText(text: string): Promise<void>;
  theme(): Promise<ThemeChoice>;
  setTheme(choice: ThemeChoice): Promise<void>;
  setMenu(menus: readonly MenuModel[]): Promise<void>;
  /** @returns unsubscribe */
  onMenu(listener: (command: MenuCommand) => void): () => void;
}
