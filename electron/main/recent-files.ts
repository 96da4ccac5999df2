/** What was opened and saved last: `recent.json` in the user's data folder. */
import { existsSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { SESSION_FILE_KINDS, type RecentFile, type SessionFileKind } from '../../core/protocol/desktop.ts';
import { writeText } from './session-files.ts';

const VERSION = 1;
const KEPT = 20;
const schema = v.object({
  version: v.literal(VERSION),
  files: v.array(
    v.object({
      kind: v.picklist(SESSION_FILE_KINDS),
      path: v.pipe(v.string(), v.maxLength(4096)),
      openedAt: v.pipe(v.number(), v.finite()),
    }),
  ),
});
type Entry = v.InferOutput<typeof schema>['files'][number];

export class RecentFiles {
  readonly #file: string;
  #entries: readonly Entry[];

  constructor(file: string) {
    this.#file = file;
    this.#entries = read(file);
  }

  /** Newest first. */
  list(): readonly RecentFile[] {
    return this.#entries.map((entry) => ({
      ...entry,
      missing: existsSync(entry.path) ? undefined : 'It is not there any more.',
    }));
  }

  at(index: number): Entry | undefined {
    return this.#entries[index];
  }

  async add(kind: SessionFileKind, path: string): Promise<void> {
    const others = this.#entries.filter((entry) => entry.path !== path);
    await this.#keep([{ kind, path, openedAt: Date.now() }, ...others].slice(0, KEPT));
  }

  async forget(index: number): Promise<void> {
    await this.#keep(this.#entries.filter((_entry, at) => at !== index));
  }

  /** A list that cannot be written is no reason to stop anybody. */
  async #keep(entries: readonly Entry[]): Promise<void> {
    this.#entries = entries;
    await writeText(this.#file, `${JSON.stringify({ version: VERSION, files: entries })}\n`);
  }
}

function read(file: string): readonly Entry[] {
  try {
    const parsed = v.safeParse(schema, JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? parsed.output.files.slice(0, KEPT) : [];
  } catch {
    return [];
  }
}
