/** A list of breakpoints as a file (docs/FORMATS.md). What comes from outside is believed only when the schema has it. */
import * as v from 'valibot';
import { err, ok, type Result } from '../base/result.ts';
import { jsonText, parseJsonText } from './json-text.ts';
import { breakpointAddSchema, MAX_BREAKPOINTS, type BreakpointWish, type Params } from './requests.ts';

export const BREAKPOINT_FILE_FORMAT = 'umbra-breakpoints';
export const BREAKPOINT_FILE_VERSION = 1;
export const MAX_BREAKPOINT_FILE = 4 * 1024 * 1024;

const headSchema = v.object({ format: v.literal(BREAKPOINT_FILE_FORMAT), version: v.number() });
const fileSchema = v.strictObject({
  format: v.literal(BREAKPOINT_FILE_FORMAT),
  version: v.literal(BREAKPOINT_FILE_VERSION),
  breakpoints: v.pipe(v.array(breakpointAddSchema), v.maxLength(MAX_BREAKPOINTS)),
});

export const breakpointFileText = (breakpoints: readonly Params<'breakpoints.add'>[]): string =>
  jsonText({ format: BREAKPOINT_FILE_FORMAT, version: BREAKPOINT_FILE_VERSION, breakpoints });

/** The error is a sentence. */
export function readBreakpointFile(text: string): Result<readonly BreakpointWish[], string> {
  if (text.length > MAX_BREAKPOINT_FILE) return err('the file is too large for a list of breakpoints.');
  let json: unknown;
  try {
    json = parseJsonText(text);
  } catch (error) {
    return err(`the file is no JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
  const head = v.safeParse(headSchema, json);
  if (!head.success) return err('the file is no list of breakpoints.');
  if (head.output.version !== BREAKPOINT_FILE_VERSION) {
    return err(`the file has version ${head.output.version}; this program reads ${BREAKPOINT_FILE_VERSION}.`);
  }
  const parsed = v.safeParse(fileSchema, json);
  if (parsed.success) return ok(parsed.output.breakpoints);
  const [issue] = parsed.issues;
  return err(`the file is wrong at ${v.getDotPath(issue) ?? 'the top'}: ${issue.message}.`);
}
