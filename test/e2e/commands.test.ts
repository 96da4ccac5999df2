/** Every command of the palette: what can be done does something that is seen, what cannot be done says what it needs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

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
      let saved = 0;
      dialog.showSaveDialog = async (...given: unknown[]) => {
        const options = given.at(-1) as { defaultPath?: string };
        saved += 1;
        return { canceled: false, filePath: `${target}/${saved} ${(options.defaultPath ?? '').split('/').at(-1)}` };
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
      const choice = element instanceof HTMLSelectElement ? element.value : '';
      lines.push([element.tagName, left, top, width, height, color, backgroundColor, value, choice, ...own].join(' '));
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
  const dismiss = umbra.page.locator('.status-bar .problem').getByRole('button', { name: 'Dismiss' });
  if ((await dismiss.count()) > 0) await dismiss.click();
  await umbra.page.mouse.move(640, 2);
}

/** The row of a command, among all of them. */
async function inPalette(id: string): Promise<Locator> {
  await press('Control+Shift+P');
  const row = umbra.page.locator(`[role=option][data-key="${id}"]`);
  await row.waitFor();
  return row;
}

async function allCommands(): Promise<readonly string[]> {
  await inPalette('run');
  const rows = umbra.page.locator('[role=option][data-key]');
  return rows.evaluateAll((found) => found.map((row) => row.getAttribute('data-key') ?? ''));
}

/** Enough for most commands to be possible: a trace, a place looked at before, an edit, a prepared memslot, a selected line. */
async function prepare(): Promise<void> {
  const trace = await bench.open('trace');
  await trace.locator('[data-reading=trace-events]').click();
  for (const name of ['kvm_mmio', 'kvm_exit']) await umbra.page.locator(`input[name=${name}]`).check();
  await press('Escape');
  await bench.runAWhile();
  // By its address: a listing that is scrolled has another line in its fifth place.
  const listing = bench.panel('disassembly');
  const address = await listing.locator('.insn[aria-current=true]').getAttribute('data-address');
  const line = listing.locator(`.insn[data-address="${address}"]`);
  // Not where an operand may stand, which leads elsewhere.
  await line.locator('.mnemonic').click();
  await press('F9');
  await line.locator('.mark').waitFor();
}

/** These look like what is there already, where it is not another one first. */
const FIRST: Readonly<Record<string, string>> = { 'theme-system': 'Theme: dark', 'theme-light': 'Theme: dark' };

it('does what can be seen, or says what it needs', { timeout: 600_000 }, async () => {
  await umbra.page.emulateMedia({ colorScheme: null, reducedMotion: 'reduce' });
  await prepare();
  const done: string[] = [];
  const wrong: string[] = [];
  const commands = (await allCommands()).filter((id) => id !== 'palette');
  for (const id of [...commands.filter((one) => one !== 'reset-layout'), 'reset-layout']) {
    await calmDown();
    const first = FIRST[id];
    if (first !== undefined) await bench.command(first);
    const before = await calmSight();
    const asked = choosers;
    const row = await inPalette(id);
    if ((await row.getAttribute('aria-disabled')) === 'true') {
      if ((await row.locator('[data-reason]').count()) === 0) wrong.push(`${id}: is off and does not say why`);
      continue;
    }
    // The mouse stays where it is: what it hovers over would be another sight.
    await row.dispatchEvent('click');
    done.push(id);
    await expect
      .poll(async () => choosers > asked || (await sight()) !== before)
      .toBe(true)
      .catch(() => wrong.push(`${id}: does nothing that is seen`));
  }
  expect(wrong).toEqual([]);
  expect(done.length).toBeGreaterThan(60);
  expect(umbra.pageErrors).toEqual([]);
});

it('tells what went well beside what did not', async () => {
  await calmDown();
  await bench.command('Import a trace');
  await umbra.page.locator('.status-bar .problem, [data-reading=trace-refusal]').first().waitFor();
  await bench.command('Open a workspace, machine state');
  await umbra.page.locator('.status-bar .problem').waitFor();
  await bench.command('Save the workspace as');
  await bench.eventually(() => umbra.page.locator('.status-bar .log').innerText(), /Workspace saved/, 'it is saved');
});
