/** Where the window was when it was last closed: `window.json` in the user's data folder. */
import { readFileSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface WindowBounds {
  readonly bounds: Rectangle;
  readonly maximized: boolean;
}

const VERSION = 1;
const integer = v.pipe(v.number(), v.integer());
const schema = v.object({
  version: v.literal(VERSION),
  bounds: v.object({ x: integer, y: integer, width: integer, height: integer }),
  maximized: v.boolean(),
});

/** So much of the title bar must be within reach of the mouse, or the window cannot be moved back. */
const REACHABLE = { width: 120, height: 40 };

/**
 * @param workAreas of the displays that are connected now
 * @returns undefined if nothing usable was kept; a file that cannot be understood is as good as none
 */
export function readWindowBounds(file: string, workAreas: readonly Rectangle[]): WindowBounds | undefined {
  let kept: unknown;
  try {
    kept = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
  const parsed = v.safeParse(schema, kept);
  if (!parsed.success) return undefined;
  const { bounds, maximized } = parsed.output;
  return workAreas.some((area) => isReachable(bounds, area)) ? { bounds, maximized } : undefined;
}

/** Losing this is no reason to keep a window from closing. */
export function writeWindowBounds(file: string, { bounds, maximized }: WindowBounds): void {
  try {
    writeFileSync(file, `${JSON.stringify({ version: VERSION, bounds, maximized })}\n`);
  } catch {
    return;
  }
}

function isReachable({ x, y, width }: Rectangle, area: Rectangle): boolean {
  const overlap = Math.min(x + width, area.x + area.width) - Math.max(x, area.x);
  return overlap >= REACHABLE.width && y >= area.y && y + REACHABLE.height <= area.y + area.height;
}
