/** Dark, light or as the system has it: kept in `theme.json` in the user's data folder, so that a start does not flash. */
import { readFileSync, writeFileSync } from 'node:fs';
import { nativeTheme } from 'electron';
import * as v from 'valibot';
import { THEME_CHOICES } from '../../core/protocol/desktop.ts';
import type { ThemeChoice } from '../../core/protocol/desktop.ts';

const schema = v.object({ version: v.literal(1), choice: v.picklist(THEME_CHOICES) });

/** A file that cannot be understood is as good as none. */
export function readThemeChoice(file: string): ThemeChoice {
  try {
    const parsed = v.safeParse(schema, JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? parsed.output.choice : 'system';
  } catch {
    return 'system';
  }
}

export class WindowTheme {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
    nativeTheme.themeSource = readThemeChoice(file);
  }

  get choice(): ThemeChoice {
    return nativeTheme.themeSource;
  }

  /** The choice holds even where it cannot be written down. */
  choose(choice: ThemeChoice): void {
    nativeTheme.themeSource = choice;
    try {
      writeFileSync(this.#file, `${JSON.stringify({ version: 1, choice })}\n`);
    } catch {
      return;
    }
  }
}
