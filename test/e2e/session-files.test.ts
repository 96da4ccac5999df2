/** Files that are dropped, gone, changed or no longer fit, in the real window. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../scripts/project-root.mjs';
import { axeComplaints } from './axe.ts';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let folder: string;
let umbra: LaunchedUmbra;
let bench: Workbench;
let hello: Buffer;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-files-'));
  hello = await readFile(path.join(projectRoot, 'electron/guests/hello.elf'));
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page, { width: 1280, height: 800 });
});
afterAll(async () => {
  await umbra.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
});

const statusBar = (): Promise<string> => umbra.page.locator('.status-bar').innerText();
const problem = (): Promise<string> => umbra.page.locator('.status-bar .problem').innerText();
const image = (): Promise<string> => umbra.page.locator('.status-bar .image').innerText();

async function answerDialogs(file: string): Promise<void> {
  await umbra.app.evaluate(({ dialog }, chosen) => {
    dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath: chosen });
    dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [chosen] });
  }, file);
}

/** As the desktop's file manager does it. */
async function drop(name: string, bytes: Uint8Array): Promise<void> {
  await umbra.page.evaluate(
    ({ file, base64 }) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], file));
      for (const kind of ['dragover', 'drop']) {
        window.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
      }
    },
    { file: name, base64: Buffer.from(bytes).toString('base64') },
  );
}

const openFile = async (file: string): Promise<void> => {
  await answerDialogs(file);
  await umbra.page.keyboard.press('Control+Shift+O');
};

async function savedWorkspace(name: string): Promise<{ readonly file: string; readonly text: string }> {
  const file = path.join(folder, name);
  await answerDialogs(file);
  await umbra.page.keyboard.press('Control+Shift+P');
  await umbra.page.keyboard.type('save the workspace as');
  await umbra.page.keyboard.press('Enter');
  await bench.eventually(statusBar, new RegExp(`Workspace saved: .*${name}`), 'it is saved');
  return { file, text: await readFile(file, 'utf8') };
}

it('opens what is dropped onto the window: an image, a workspace, a machine state', async () => {
  await drop('dropped.elf', hello);
  await bench.eventually(image, /^dropped\.elf$/, 'the image');
  await umbra.page.keyboard.press('F11');
  await bench.eventually(() => bench.reading('insns'), /^1$/, 'one step of it');
  const { text } = await savedWorkspace('drop.umbra-workspace');
  const state = path.join(folder, 'drop.umbra-machine');
  await answerDialogs(state);
  await umbra.page.keyboard.press('Control+Shift+S');
  await bench.eventually(statusBar, /Machine state saved/, 'the state');
  await umbra.page.keyboard.press('F11');
  await bench.eventually(() => bench.reading('insns'), /^2$/, 'a step behind it');
  await drop('drop.umbra-machine', await readFile(state));
  await bench.eventually(() => bench.reading('insns'), /^1$/, 'back where it was saved');
  await drop('drop.umbra-workspace', Buffer.from(text));
  await bench.eventually(() => bench.reading('insns'), /^0$/, 'the workspace starts its image');
  await expect.poll(() => image()).toBe('dropped.elf');
});

it('refuses what is dropped and cannot be opened, by its name, and goes on with what it had', async () => {
  await umbra.page.keyboard.press('F11');
  await bench.eventually(() => bench.reading('insns'), /^1$/, 'a step');
  const state = await readFile(path.join(folder, 'drop.umbra-machine'));
  state[state.length >> 1] ^= 4;
  for (const [name, bytes, why] of [
    ['bad.umbra-machine', state, /bad\.umbra-machine cannot be opened: .*(damaged|unpacked)/],
    ['bad.umbra-workspace', Buffer.from('{'), /bad\.umbra-workspace cannot be opened: /],
    ['empty.elf', new Uint8Array(), /./],
  ] as const) {
    await drop(name, bytes);
    await bench.eventually(problem, why, name);
    await expect.poll(() => bench.reading('insns')).toBe('1');
    await umbra.page.getByRole('button', { name: 'Dismiss', exact: true }).click();
  }
});

it('takes a dropped list of breakpoints in place of its own, as one edit, and refuses what is none', async () => {
  const panel = await bench.open('breakpoints');
  const rows = panel.locator('[data-breakpoint]');
  const port = { spec: { kind: 'port', start: 0x3f8, length: 8, access: 'out' } };
  const listOf = (...breakpoints: object[]): Buffer =>
    Buffer.from(JSON.stringify({ format: 'umbra-breakpoints', version: 1, breakpoints }));
  await bench.open('start');
  await drop('stops.json', listOf(port, { spec: { kind: 'zap', start: { $u64: '0x0' }, length: { $u64: '0x1000' } } }));
  await expect.poll(() => rows.count()).toBe(2);
  await bench.eventually(statusBar, /Breakpoints imported: stops\.json/, 'it says so');
  await panel.waitFor();
  await expect.poll(() => image()).toBe('dropped.elf');

  for (const [name, bytes, why] of [
    ['other.json', Buffer.from('{"some":"json"}'), /other\.json cannot be opened: the file is no list of breakpoints/],
    ['none.json', Buffer.from('\u007fELF'), /none\.json cannot be opened: the file is no JSON/],
    [
      'condition.json',
      listOf({ ...port, condition: 'event.port ==' }),
      /condition\.json cannot be opened: breakpoint 1: the condition, column 14/,
    ],
  ] as const) {
    await drop(name, bytes);
    await bench.eventually(problem, why, name);
    await expect.poll(() => rows.count()).toBe(2);
    await expect.poll(() => image()).toBe('dropped.elf');
    await umbra.page.getByRole('button', { name: 'Dismiss', exact: true }).click();
  }
  await umbra.page.keyboard.press('Control+Z');
  await expect.poll(() => rows.count()).toBe(0);
});

it('says that the image of a workspace is missing or another, and takes the one that is chosen', async () => {
  const { text } = await savedWorkspace('moved.umbra-workspace');
  const elf = path.join(folder, 'moved.elf');
  const workspace = JSON.parse(text);
  delete workspace.image.base64;
  workspace.image.name = elf;
  workspace.image.sha256 = createHash('sha256').update(hello).digest('hex');
  const file = path.join(folder, 'elsewhere.umbra-workspace');
  await writeFile(file, JSON.stringify(workspace));
  const bar = umbra.page.getByRole('status', { name: 'Image missing' });

  await openFile(file);
  await bench.eventually(() => bar.innerText(), /The image of the workspace is missing: .*moved\.elf/, 'it is missing');
  await umbra.screenshot('24-image-missing');
  for (const colorScheme of ['light', 'dark'] as const) {
    await umbra.page.emulateMedia({ colorScheme });
    expect(await axeComplaints(umbra.page, '.workbench')).toEqual([]);
  }
  await bar.getByRole('button', { name: 'Do not open' }).click();
  await bar.waitFor({ state: 'detached' });
  await expect.poll(() => image()).toBe('dropped.elf');

  const changed = Buffer.from(hello);
  changed[changed.length - 1] ^= 1;
  await writeFile(elf, changed);
  await openFile(file);
  await bench.eventually(() => bar.innerText(), /is not the one that the workspace was saved with/, 'it has changed');
  const right = path.join(folder, 'right.elf');
  await writeFile(right, hello);
  await answerDialogs(right);
  await bar.getByRole('button', { name: 'Choose the image…' }).click();
  await bench.eventually(image, /^right\.elf$/, 'the chosen image');
  await bar.waitFor({ state: 'detached' });
});

it('leaves out slots that no longer fit, and says which, why, and that the rest is there', async () => {
  const { text } = await savedWorkspace('slots.umbra-workspace');
  const workspace = JSON.parse(text);
  const word = (value: string) => ({ $u64: value });
  const slot = (id: number, gpa: string, size: string, hva: string) => ({
    slot: id,
    flags: 0,
    guestPhysAddr: word(gpa),
    memorySize: word(size),
    userspaceAddr: word(hva),
  });
  workspace.slots = [
    slot(0, '0x0', '0xa0000', '0x7f0000000000'),
    slot(1, '0x100000', '0x700000', '0x7f0000100000'),
    slot(3, '0x200000', '0x1000', '0x7f0000000000'),
    slot(4, '0xd0000000', '0x1000', '0x7f0000000000'),
  ];
  const file = path.join(folder, 'overlap.umbra-workspace');
  await writeFile(file, JSON.stringify(workspace));
  await openFile(file);
  await bench.eventually(problem, /memslots of it, which were left out: slot 3 \(overlap: /, 'slot 3 collides');
  const slots = await bench.open('memslots');
  await slots.locator('[data-slot="4"]').waitFor();
  await expect.poll(() => slots.locator('[data-slot="3"]').count()).toBe(0);
  await umbra.page.getByRole('button', { name: 'Dismiss', exact: true }).click();
});

it('marks a recent file that is gone, and takes it from the list', async () => {
  await rm(path.join(folder, 'overlap.umbra-workspace'));
  const start = await bench.open('start');
  await openFile(path.join(folder, 'right.elf'));
  await bench.eventually(() => start.innerText(), /overlap\.umbra-workspace\s+\S+\s+workspace, gone/, 'it is gone');
  await start.getByRole('button', { name: 'Remove overlap.umbra-workspace from the list' }).click();
  await bench.eventually(() => start.innerText(), /^((?!overlap\.umbra-workspace)[\s\S])*$/, 'the list without it');
});

it('has made no noise on its console', () => {
  expect(umbra.pageErrors).toEqual([]);
});
