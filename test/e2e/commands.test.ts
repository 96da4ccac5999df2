/** Every command of the palette: what can be done does something that is seen, what cannot be done says what it needs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

interface CommandRow {
  readonly id: string;
  readonly title: string;
}

let umbra: LaunchedUmbra;
let bench: Workbench;
let folder: string;
/** Choosers of files that the page has asked for; the page itself shows nothing of them. */
let choosers = 0;

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-commands-'));
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page, { width: 1280, height: 800 });
  umbra.page.on('filechooser', () => {
    choosers += 1;
  });
  const opened = path.join(folder, 'opened.umbra-workspace');
  await writeFile(opened, '{');
  await umbra.app.evaluate(
    ({ dialog }, [target, source]) => {
      dialog.showSaveDialog = async (...given: unknown[]) => {
        const options = given.at(-1) as { defaultPath?: string };
        return { canceled: false, filePath: `${target}/${(options.defaultPath ?? 'saved').split('/').at(-1)}` };
      };
      dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [source] });
    },
    [folder, opened] as const,
  );
});
afterAll(async () => {
  await umbra.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
});

/** What is to be seen: of each element its place, its own text, its colours and states; and where the keyboard is. */
const sight = (): Promise<string> =>
  umbra.page.evaluate(() => {
    const lines = [document.title];
    for (const element of document.querySelectorAll('body *')) {
      if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const { left, top, width, height } = element.getBoundingClientRect();
      if (width === 0 || height === 0) continue;
      const own = [...element.childNodes].flatMap((node) => (node.nodeType === 3 ? [node.textContent] : []));
      const { color, backgroundColor } = getComputedStyle(element);
      const value = element instanceof HTMLInputElement ? `${element.value} ${element.checked}` : '';
      lines.push([element.tagName, left, top, width, height, color, backgroundColor, value, ...own].join(' '));
      if (element === document.activeElement) lines.push('the keyboard is here');
    }
    return lines.join('\n');
  });

/** When everything that was asked has been answered and drawn. */
async function calmSight(): Promise<string> {
  let last = '';
  await expect
    .poll(async () => {
      const before = last;
      last = await sight();
      return last === before;
    })
    .toBe(true);
  return last;
}

/** The guest stands, nothing is open, and no notice of the last command is left to be the same as the next one's. */
async function calmDown(): Promise<void> {
  if ((await umbra.page.getByRole('dialog').count()) > 0) await press('Escape');
  await umbra.page.getByRole('dialog').waitFor({ state: 'detached' });
  if ((await umbra.page.locator('.workbench[data-state=running]').count()) > 0) await press('F5');
  await bench.waitForState('paused');
  await umbra.page.mouse.move(640, 2);
}

async function inPalette({ id, title }: CommandRow) {
  await press('Control+Shift+P');
  await umbra.page.getByRole('combobox', { name: 'Command', exact: true }).fill(title);
  const row = umbra.page.locator(`[role=option][data-key="${id}"]`);
  await row.waitFor();
  return row;
}

async function allCommands(): Promise<readonly CommandRow[]> {
  await press('F1');
  const rows = umbra.page.getByRole('dialog', { name: 'Keys' }).locator('tr[data-command]');
  await rows.first().waitFor();
  const commands = await rows.evaluateAll((found) =>
    found.map((row) => ({
      id: row.getAttribute('data-command') ?? '',
      title: row.querySelector('td')?.textContent ?? '',
    })),
  );
  await press('Escape');
  return commands;
}

/** Enough for most commands to be possible: a trace, a place looked at before, an edit, a prepared memslot, a selected line. */
async function prepare(): Promise<void> {
  const trace = await bench.open('trace');
  await trace.locator('[data-reading=trace-events]').click();
  for (const name of ['kvm_mmio', 'kvm_exit']) await umbra.page.locator(`input[name=${name}]`).check();
  await press('Escape');
  await bench.runAWhile();
  const line = bench.panel('disassembly').locator('.insn').nth(4);
  await line.click();
  await press('F9');
  await line.locator('.mark').waitFor();
}

/** The window's own colours follow the theme, and the last one is the one that it begins with. */
const LAST = ['theme-light', 'theme-dark', 'theme-system', 'reset-layout'];
const orderOf = ({ id }: CommandRow): number => LAST.indexOf(id);

it('does what can be seen, or says what it needs', { timeout: 600_000 }, async () => {
  await umbra.page.emulateMedia({ colorScheme: null, reducedMotion: 'reduce' });
  await prepare();
  const commands = (await allCommands()).toSorted((a, b) => orderOf(a) - orderOf(b));
  const done: string[] = [];
  const wrong: string[] = [];
  for (const { id } of commands) {
    await calmDown();
    const now = (await allCommands()).find((one) => one.id === id);
    if (now === undefined || id === 'palette') continue;
    const before = await calmSight();
    const asked = choosers;
    const row = await inPalette(now);
    if ((await row.getAttribute('aria-disabled')) === 'true') {
      if ((await row.locator('[data-reason]').count()) === 0) wrong.push(`${id}: is off and does not say why`);
      continue;
    }
    await row.click();
    done.push(id);
    await expect
      .poll(async () => choosers > asked || (await sight()) !== before, { timeout: 5000 })
      .toBe(true)
      .catch(() => wrong.push(`${id}: does nothing that is seen`));
  }
  expect(wrong).toEqual([]);
  expect(done.length).toBeGreaterThan(60);
  expect(umbra.pageErrors).toEqual([]);
});
