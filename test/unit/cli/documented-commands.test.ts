/** The commands that README and docs/ show do what they are shown for: each is carried out as it stands there. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { findRaceLab } from '../../../core/debug/race/race-labs.ts';
import { umbra } from './cli-runner.ts';

const ROOT = new URL('../../../', import.meta.url);
const PAGES = [
  'README.md',
  ...readdirSync(new URL('docs', ROOT))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const folder = mkdtempSync(path.join(os.tmpdir(), 'umbra-documented-'));
/** A file of the reader's own. */
const own = path.join(folder, 'my.race');
writeFileSync(own, findRaceLab('stale-cache')?.script ?? '');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Documented {
  readonly page: string;
  readonly line: string;
  readonly typed: string;
  readonly words: readonly string[];
}

/** As a shell splits them: blanks, quotes, comments. */
const wordsOf = (text: string): readonly string[] =>
  [...text.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/g)].map(([, single, double, bare]) => single ?? double ?? bare);

function commandsOf(page: string): readonly Documented[] {
  const text = readFileSync(new URL(page, ROOT), 'utf8');
  const blocks = [...text.matchAll(/```(?:sh)?\n([\s\S]*?)```/g)].flatMap(([, block]) => block.split('\n'));
  const inline = [...text.matchAll(/`(npm run -s umbra -- [^`]*)`/g)].map(([, line]) => line);
  return [...blocks, ...inline].flatMap((line) => {
    const found = /^(?:printf '([^']*)' \| )?(?:npm run (?:-s )?umbra --|umbra) (.*)$/.exec(line.trim());
    if (found === null || line.endsWith(' COMMAND')) return [];
    const typed = (found[1] ?? '').replaceAll(String.raw`\n`, '\n');
    const words = wordsOf(found[2].replace(/\s+#.*$/, '')).map((word) => (word === 'my.race' ? own : word));
    return [{ page, line: line.trim(), typed, words }];
  });
}

const COMMANDS = PAGES.flatMap(commandsOf);

describe('the documentation', () => {
  it('shows commands of every kind', () => {
    const kinds = new Set(COMMANDS.map(({ words }) => words[0]));
    expect([...kinds].toSorted()).toEqual(['audit', 'console', 'demo', 'race', 'run', 'spte', 'walk']);
  });

  it.each(COMMANDS.map((command) => [command.page, command.line, command] as const))(
    '%s: %s',
    async (_page, _line, { words, typed }) => {
      // spte writes to the process's own output.
      const direct: string[] = [];
      const written = vi.spyOn(process.stdout, 'write').mockImplementation((text) => direct.push(String(text)) > 0);
      const { status = 0, stdout, stderr } = await umbra(words, typed).finally(() => written.mockRestore());
      // A guest that has passed exits with 1: what it writes to the debug-exit port is doubled, and one more.
      expect(words[0] === 'run' ? [0, 1] : [0], `${stdout}\n${stderr}`).toContain(status);
      expect(stdout + stderr + direct.join('')).not.toBe('');
      expect(stdout).not.toMatch(/^E[A-Z]+: /m);
    },
  );

  it('is linked from the README, page by page', () => {
    const readme = readFileSync(new URL('README.md', ROOT), 'utf8');
    for (const page of PAGES.slice(1)) expect(readme, page).toContain(`](${page})`);
  });

  it('has no link into nowhere', () => {
    for (const page of [...PAGES, ...readdirSync(new URL('docs/labs', ROOT)).map((name) => `docs/labs/${name}`)]) {
      const text = readFileSync(new URL(page, ROOT), 'utf8');
      for (const [, target] of text.matchAll(/\]\(([^)#:]+\.md)(?:#[^)]*)?\)/g)) {
        expect(() => readFileSync(new URL(target, new URL(page, ROOT))), `${page}: ${target}`).not.toThrow();
      }
    }
  });
});
