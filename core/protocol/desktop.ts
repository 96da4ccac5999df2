/**
 * What the window gets from its host beside the engine: images to load, which only the host can read from disk. The preload
 * puts an object of this shape at `window.umbra` and nothing else.
 */
import * as v from 'valibot';
import type { EngineClient } from './client.ts';

/** Parameter schemas of the host's own verbs, checked at the border as those of the engine are. */
export const DESKTOP_SCHEMAS = {
  /** The image named on the command line, else the demo guest. */
  'image.startup': v.strictObject({}),
  /** Lets the user choose a file. */
  'image.choose': v.strictObject({}),
  /** Names of the guests that come with the program. */
  'guest.list': v.strictObject({}),
  'guest.read': v.strictObject({ name: v.pipe(v.string(), v.maxLength(64), v.regex(/^[a-z0-9-]+$/)) }),
} as const;

export type DesktopVerb = keyof typeof DESKTOP_SCHEMAS;

/** An image as `machine.create` takes it: `name` is a path, or the name of a guest that comes with the program. */
export interface GuestImage {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Arguments the image is meant to be started with; '' if none. */
  readonly append: string;
}

export type ImageAnswer =
  { readonly ok: true; readonly value: GuestImage } | { readonly ok: false; readonly message: string };

/** Commands of the application menu. */
export type MenuCommand = 'image.open';

export interface PlatformInfo {
  readonly os: string;
  readonly umbra: string;
  readonly electron: string;
  readonly node: string;
}

export interface UmbraDesktop extends EngineClient {
  readonly platform: PlatformInfo;
  startupImage(): Promise<ImageAnswer>;
  /** @returns undefined when the user chose none */
  chooseImage(): Promise<ImageAnswer | undefined>;
  guestNames(): Promise<readonly string[]>;
  readGuest(name: string): Promise<ImageAnswer>;
  /** @returns unsubscribe */
  onMenu(listener: (command: MenuCommand) => void): () => void;
}
