/** What of a session must never be lost, and no file that must never be written over: reloads, other files, names that were not asked about. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let folder: string;
let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'umbra — ünïcode '));
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page, { width: 1280, height: 800 });
});
afterAll(async () => {
  await umbra.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
});

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);
const at = (name: string): string => path.join(folder, name);
const notes = () => umbra.page.locator('textarea[name=notes]');
const statusBar = (): Promise<string> => umbra.page.locator('.status-bar').innerText();
const notesIn = async (name: string): Promise<unknown> =>
  Reflect.get(JSON.parse(await readFile(at(name), 'utf8')), 'notes');

/** @param answer which button of a question is pressed */
async function answerDialogs(file: string, answer = 0): Promise<void> {
  await umbra.app.evaluate(
    ({ dialog }, [chosen, response]) => {
      dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath: chosen });
      dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [chosen] });
      dialog.showMessageBox = () => Promise.resolve({ response, checkboxChecked: false });
    },
    [at(file), answer] as const,
  );
}

async function writeNotes(text: string): Promise<void> {
  await press('Control+k');
  await press('Shift+N');
  await expect.poll(() => notes().evaluate((element) => element === document.activeElement)).toBe(true);
  await press('Control+a');
  await umbra.page.keyboard.type(text);
  await press('Escape');
}

it('keeps notes and file over an end of the page', async () => {
  await writeNotes('week 3');
  await answerDialogs('week 3.umbra-workspace');
  await press('Control+s');
  await bench.eventually(statusBar, /Workspace saved: .*ünïcode .*week 3\.umbra-workspace/, 'it is saved');
  await writeNotes('week 3, part 2');
  await expect.poll(() => umbra.page.title()).toBe('• week 3.umbra-workspace — Umbra');
  const crashed = umbra.page.waitForEvent('crash');
  await answerDialogs('week 3.umbra-workspace');
  await umbra.app.evaluate(({ BrowserWindow }) =>
    BrowserWindow.getAllWindows()[0].webContents.forcefullyCrashRenderer(),
  );
  await crashed;
  // The window has offered to read the page anew, and was told to.
  const again = umbra.app.context().pages().at(-1) ?? umbra.page;
  await again.waitForLoadState();
  await expect
    .poll(() => umbra.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].title))
    .toBe('• week 3.umbra-workspace — Umbra');
});

it('writes over no file that was open before a workspace was dropped', async () => {
  await umbra.close();
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page, { width: 1280, height: 800 });
  await writeNotes('of the first');
  await answerDialogs('first.umbra-workspace');
  await press('Control+s');
  await bench.eventually(statusBar, /Workspace saved: .*first\.umbra-workspace/, 'it is saved');
  const other = (await readFile(at('first.umbra-workspace'), 'utf8')).replace('of the first', 'of the other');
  await umbra.page.evaluate((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], 'other.umbra-workspace'));
    window.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  }, other);
  await bench.eventually(statusBar, /Workspace opened: other\.umbra-workspace/, 'it is open');
  await expect.poll(() => umbra.page.title()).toBe('Umbra');
  await answerDialogs('asked.umbra-workspace');
  await press('Control+s');
  await bench.eventually(statusBar, /Workspace saved: .*asked\.umbra-workspace/, 'it was asked for a name');
  expect([await notesIn('first.umbra-workspace'), await notesIn('asked.umbra-workspace')]).toEqual([
    'of the first',
    'of the other',
  ]);
});

it('leaves the file of a workspace when another image is loaded', async () => {
  await expect.poll(() => umbra.page.title()).toBe('asked.umbra-workspace — Umbra');
  await bench.open('start');
  await umbra.page.locator('[data-guest=hello]').click();
  await bench.eventually(() => umbra.page.locator('.status-bar .image').innerText(), /hello/, 'another guest');
  await expect.poll(() => umbra.page.title()).toBe('Umbra');
});

it('asks before it replaces a file by a name that got its extension', async () => {
  await writeFile(at('mine.umbra-workspace'), 'mine');
  await answerDialogs('mine', 1);
  await press('Control+s');
  await umbra.page.waitForTimeout(500);
  expect(await readFile(at('mine.umbra-workspace'), 'utf8')).toBe('mine');
  await answerDialogs('mine', 0);
  await press('Control+s');
  await bench.eventually(statusBar, /Workspace saved: .*mine\.umbra-workspace/, 'it is replaced');
  expect(await notesIn('mine.umbra-workspace')).toBe('of the other');
});

it('opens the workspace that it is started with, and shows its notes first', async () => {
  await umbra.close();
  umbra = await launchUmbra({ image: at('mine.umbra-workspace') });
  bench = await pausedWorkbench(umbra.page, { width: 1280, height: 800 });
  await bench.eventually(statusBar, /Workspace opened: .*mine\.umbra-workspace, with notes/, 'it is open');
  await bench.eventually(() => umbra.page.locator('.status-bar .image').innerText(), /hello/, 'its image');
  await expect.poll(() => umbra.page.title()).toBe('mine.umbra-workspace — Umbra');
  const start = await bench.open('start');
  await bench.eventually(() => start.locator('h2').first().innerText(), /Notes/, 'the notes come first');
  expect(await notes().inputValue()).toBe('of the other');
});

it('refuses a folder that is dropped, and goes on', async () => {
  await umbra.page.evaluate(() => {
    const folderLike = new File([], 'a folder');
    Object.defineProperty(folderLike, 'arrayBuffer', { value: () => Promise.reject(new Error('not readable')) });
    const data = new DataTransfer();
    data.items.add(folderLike);
    const event = new DragEvent('drop', { bubbles: true, cancelable: true });
    Object.defineProperty(event, 'dataTransfer', { value: { files: [folderLike], types: ['Files'] } });
    window.dispatchEvent(event);
  });
  await bench.eventually(statusBar, /a folder cannot be opened/, 'the reason');
  expect(umbra.pageErrors).toEqual([]);
});
