/**
 * What only the page knows of a session, kept in the window for the case that the page ends and is read anew: the machine is in
 * another process and is still there. A window that is opened afresh has none of it.
 */
import { MAX_NOTES_CHARACTERS, MAX_WORKSPACE_BYTES } from '@core/protocol/index.ts';
import * as v from 'valibot';

const STORAGE_KEY = 'umbra.session';

const schema = v.strictObject({
  notes: v.pipe(v.string(), v.maxLength(MAX_NOTES_CHARACTERS)),
  savedNotes: v.pipe(v.string(), v.maxLength(MAX_NOTES_CHARACTERS)),
  /** The file of the workspace, where it has one. */
  path: v.optional(v.pipe(v.string(), v.maxLength(4096))),
  /** The workspace as its file has it. */
  savedText: v.optional(v.pipe(v.string(), v.maxLength(MAX_WORKSPACE_BYTES))),
});
export type PageMemory = v.InferOutput<typeof schema>;

export function rememberPage(memory: PageMemory): void {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(memory));
  } catch {
    // More than the window may keep: a reload then starts without.
  }
}

/** @returns undefined at a fresh start */
export function recallPage(): PageMemory | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? ''));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
