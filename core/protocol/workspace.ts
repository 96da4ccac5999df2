/**
 * The workspace file, `.umbra-workspace` (docs/FORMATS.md, "Workspaces"): what somebody has set up around a guest. JSON, and
 * hostile until it has gone through here.
 */
import * as v from 'valibot';
import { err, ok, type Result } from '../base/result.ts';
import { jsonText, parseJsonText } from './json-text.ts';
import { breakpointAddSchema, machineOptionsSchema, userMemoryRegionSchema } from './requests.ts';

export const WORKSPACE_VERSION = 1;
export const MAX_WORKSPACE_BYTES = 8 * 1024 * 1024;
/** Smaller images are kept in the workspace itself. */
export const MAX_EMBEDDED_IMAGE = 1024 * 1024;
export const MAX_NOTES_CHARACTERS = 256 * 1024;
export const MAX_WORKSPACE_SLOTS = 512;
export const MAX_WORKSPACE_BREAKPOINTS = 1000;

const text = (max: number) => v.pipe(v.string(), v.maxLength(max));

export const MAX_WATCHES = 32;
export const watchListSchema = v.pipe(
  v.array(
    v.strictObject({
      space: v.picklist(['gva', 'gpa', 'hva']),
      address: v.pipe(v.string(), v.regex(/^0x[0-9a-f]{1,16}$/)),
      size: v.picklist([1, 2, 4, 8]),
    }),
  ),
  v.maxLength(MAX_WATCHES),
);
export type WatchList = v.InferOutput<typeof watchListSchema>;

/** What the window knows of a workspace; the host adds the image. */
export const workspacePartsSchema = v.strictObject({
  /** The memslots of user space where they are not those that a machine starts with. */
  slots: v.optional(v.pipe(v.array(userMemoryRegionSchema), v.maxLength(MAX_WORKSPACE_SLOTS))),
  breakpoints: v.pipe(v.array(breakpointAddSchema), v.maxLength(MAX_WORKSPACE_BREAKPOINTS)),
  /** The window's own; read again, without trust, where it is applied. */
  layout: v.optional(v.looseObject({})),
  notes: text(MAX_NOTES_CHARACTERS),
  /** Places in memory that are watched. */
  watches: v.optional(watchListSchema),
});
export type WorkspaceParts = v.InferOutput<typeof workspacePartsSchema>;

export const workspaceSchema = v.strictObject({
  format: v.literal('umbra-workspace'),
  version: v.literal(WORKSPACE_VERSION),
  image: v.strictObject({
    /** Path of the image, or the name of a guest that comes with the program. */
    name: text(4096),
    sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'a SHA-256 in 64 hexadecimal digits')),
    /** The image itself, where it is small. */
    base64: v.optional(v.pipe(v.string(), v.maxLength(Math.ceil(MAX_EMBEDDED_IMAGE / 3) * 4), v.base64())),
  }),
  options: machineOptionsSchema,
  ...workspacePartsSchema.entries,
});
export type Workspace = v.InferOutput<typeof workspaceSchema>;

export const workspaceText = (workspace: Workspace): string => `${jsonText(workspace, 1)}\n`;

/** @returns the reason as a sentence, with the place in the file */
export function parseWorkspace(file: string): Result<Workspace, string> {
  let json: unknown;
  try {
    json = parseJsonText(file);
  } catch (error) {
    return err(`it is no JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
  if (typeof json === 'object' && json !== null && 'version' in json && 'format' in json) {
    const { format, version } = json;
    if (format === 'umbra-workspace' && version !== WORKSPACE_VERSION) {
      return err(`it is of version ${String(version)}; this version of Umbra reads version ${WORKSPACE_VERSION}.`);
    }
  }
  const parsed = v.safeParse(workspaceSchema, json);
  if (parsed.success) return ok(parsed.output);
  const [issue] = parsed.issues;
  return err(`it is damaged at ${v.getDotPath(issue) ?? 'the top'}: ${issue.message}.`);
}
