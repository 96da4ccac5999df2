/** Breakpoints of every kind, made in the editor of the real window, and where the guest stops for them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../scripts/project-root.mjs';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

/** By name of the field in the form. */
type Fields = Readonly<Record<string, string>>;
const KINDS = [
  'exec',
  'data',
  'mmio',
  'exception',
  'page-fault',
  'port',
  'spte',
  'gpte',
  'memslot',
  'generation-wrap',
  'zap',
];
const MOST_TABS = 60;

let umbra: LaunchedUmbra;
let bench: Workbench;
let folder: string;
let panel: Locator;

async function launch(image?: string): Promise<void> {
  umbra = await launchUmbra(image === undefined ? {} : { image: path.join(projectRoot, 'electron/guests', image) });
  bench = await pausedWorkbench(umbra.page, { width: 1280, height: 800 });
  panel = await bench.open('breakpoints');
}

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);
const reason = (): Promise<string> => umbra.page.locator('.run-bar .reason').innerText();
const rows = (): Locator => panel.locator('[data-breakpoint]');
const form = (): Locator => panel.getByRole('form', { name: 'Breakpoint' });
const stopsWith = async (expected: RegExp): Promise<void> => {
  await bench.eventually(reason, expected, 'why it stands');
  await bench.waitForState('paused');
};

async function restart(): Promise<void> {
  if (await form().isVisible()) await form().getByRole('button', { name: 'Cancel' }).click();
  if ((await rows().count()) > 0) await bench.command('Remove all breakpoints');
  await bench.eventually(async () => String(await rows().count()), /^0$/, 'the list is empty');
  await press('Control+Shift+F5');
  await bench.eventually(reason, /first instruction/, 'it begins anew');
}

async function fillIn(fields: Fields): Promise<void> {
  for (const [name, value] of Object.entries(fields)) {
    const field = form().locator(`[name=${name}]`);
    if ((await field.evaluate((element) => element.tagName)) === 'SELECT') await field.selectOption(value);
    else if ((await field.getAttribute('type')) === 'checkbox') await field.setChecked(value === 'on');
    else await field.fill(value);
  }
}

async function withMouse(kind: string, fields: Fields): Promise<void> {
  const before = await rows().count();
  await panel.getByRole('button', { name: 'Add' }).first().click();
  await form().locator('[name=kind]').selectOption(kind);
  await fillIn(fields);
  await form().locator('button[type=submit]').click();
  await expect.poll(() => rows().count()).toBe(before + 1);
}

async function tabTo(selector: string): Promise<void> {
  for (let tabs = 0; tabs < MOST_TABS; tabs++) {
    if (await umbra.page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
    await press('Tab');
  }
  throw new Error(`Tab does not come to ${selector}`);
}

/** In the order of the form: Tab goes forward only. The kind is typed as people do, by its title. */
async function withKeys(title: string, fields: Fields): Promise<void> {
  const before = await rows().count();
  await bench.command('New breakpoint');
  await tabTo('[data-panel=breakpoints] [name=kind]');
  await umbra.page.keyboard.type(title);
  for (const [name, value] of Object.entries(fields)) {
    await tabTo(`[data-panel=breakpoints] [name=${name}]`);
    const isText = await umbra.page.evaluate(() => document.activeElement?.tagName === 'INPUT');
    if (isText) await press('Control+A');
    await umbra.page.keyboard.type(value);
  }
  await tabTo('[data-panel=breakpoints] button[type=submit]');
  await press('Enter');
  await expect.poll(() => rows().count()).toBe(before + 1);
}

async function console(line: string): Promise<void> {
  await press('Alt+C');
  const input = bench.panel('console').getByRole('combobox');
  await input.fill(line);
  await input.press('Enter');
}

async function run(): Promise<void> {
  await press('F5');
}

describe('with the demo guest, a breakpoint', () => {
  beforeAll(() => launch());
  afterAll(() => umbra.close());

  it.each(['dark', 'light'] as const)('of each kind has a form that fits, %s', async (colorScheme) => {
    await umbra.page.emulateMedia({ colorScheme });
    await panel.getByRole('button', { name: 'Add' }).first().click();
    for (const kind of KINDS) {
      await form().locator('[name=kind]').selectOption(kind);
      const box = await panel.boundingBox();
      const button = await form().locator('button[type=submit]').boundingBox();
      if (box === null || button === null) throw new Error('the form is not on screen');
      // Never below the panel's end, and never pushed out to the right.
      expect(button.y + button.height).toBeLessThanOrEqual(box.y + box.height);
      expect(button.x + button.width).toBeLessThanOrEqual(box.x + box.width);
      await expect.poll(() => form().evaluate((element) => element.scrollWidth <= element.clientWidth)).toBe(true);
      await umbra.screenshot(`breakpoint-${kind}-${colorScheme}`);
    }
    await press('Escape');
    await form().waitFor({ state: 'detached' });
  });

  it.each([
    ['exec', 'on execution', { place: 'p32_guest_main' }, /^breakpoint \d+ at 0x[0-9a-f]+$/],
    ['mmio', 'on MMIO', { start: 'e0000000', access: 'read' }, /MMIO read of 0xe0000000, FIRST/],
    [
      'spte',
      'on an spte',
      { start: 'e0000000', level: '1' },
      /spte of gfn 0xe0000, level 1, 0x0 → 0x[0-9a-f]+ by mmu_/,
    ],
  ])('%s, made with the mouse, stops the guest %s', async (kind, _what, fields, expected) => {
    await restart();
    await withMouse(kind, fields as Fields);
    await run();
    await stopsWith(expected);
    await expect.poll(() => rows().first().getAttribute('class')).toContain('here');
    await expect.poll(() => rows().locator('[data-reading=hits]').innerText()).toMatch(/^1/);
  });

  it.each([
    ['Data', { place: '0x108000', length: '4', access: 'write' }, /write of 4 bytes at gva 0x108000, 0x0 → 0x2badb002/],
    ['Port', { start: '0x3f8', length: '8', access: 'out' }, /port out of 0x[0-9a-f]+ to 0x3f[0-9a-f], 1 byte/],
  ])('%s, made by keys alone, stops the guest', async (title, fields, expected) => {
    await restart();
    await withKeys(title, fields as unknown as Fields);
    await run();
    await stopsWith(expected);
  });

  it('on memslots, zaps and the wrap-around stops it for what is done meanwhile', async () => {
    await restart();
    await withMouse('memslot', { slot: '9' });
    await run();
    await bench.waitForState('running');
    await console('slots add slot=9 gpa=0x40000000 size=4K hva=ram');
    await stopsWith(/memslot 9: CREATE, 1 pages/);

    await restart();
    await withKeys('Shadow', {});
    await run();
    await bench.waitForState('running');
    await console('slots add slot=9 gpa=0x40000000 size=4K hva=ram');
    await console('slots remove slot=9');
    await stopsWith(/shadow page \d+ zapped: gfn 0x[0-9a-f]+, level \d/);

    await restart();
    await withMouse('generation-wrap', {});
    await console('generation set 524286');
    await run();
    await bench.waitForState('running');
    await console('slots add slot=9 gpa=0x40000000 size=4K hva=ram');
    await console('slots remove slot=9');
    await stopsWith(/the generation went round/);
  });

  it('has a condition whose mistake is pointed at, and one that decides', async () => {
    await restart();
    await panel.getByRole('button', { name: 'Add' }).first().click();
    await fillIn({ kind: 'mmio', start: 'e0000000', condition: 'event.gpa == event.nothing' });
    await form().locator('button[type=submit]').click();
    const alert = form().getByRole('alert');
    await alert.waitFor();
    await expect
      .poll(() => alert.innerText())
      .toMatch(/column 20: an MMIO fault has no field called nothing; it has gva, gpa,/);
    await expect.poll(() => form().locator('[data-caret]').innerText()).toBe('nothing');
    const selection = await form()
      .locator('[name=condition]')
      .evaluate((input: HTMLInputElement) => input.value.slice(input.selectionStart ?? 0, input.selectionEnd ?? 0));
    expect(selection).toBe('nothing');
    await umbra.screenshot('breakpoint-condition-error');

    // Mended with what is offered.
    await form().locator('[name=condition]').fill('');
    await umbra.page.keyboard.type('event.acc');
    await form()
      .getByRole('option', { name: /^access/ })
      .waitFor();
    await press('ArrowDown');
    await press('Enter');
    await umbra.page.keyboard.type(' == "wr');
    await form()
      .locator('li[role=option]', { hasText: /^write/ })
      .waitFor();
    await umbra.screenshot('breakpoint-completion');
    await press('ArrowDown');
    await press('Enter');
    await expect.poll(() => form().locator('[name=condition]').inputValue()).toBe('event.access == "write"');
    await press('Enter');
    await form().waitFor({ state: 'detached' });
    await run();
    await stopsWith(/MMIO write of 0xe0000000/);
  });

  it('says in the form what a field has wrong', async () => {
    await panel.getByRole('button', { name: 'Add' }).first().click();
    await fillIn({ kind: 'exec', place: 'no_such_symbol' });
    await form().locator('button[type=submit]').click();
    await expect
      .poll(() => form().getByRole('alert').innerText())
      .toMatch(/no_such_symbol is neither an address nor a symbol/);
    await expect.poll(() => form().locator('[name=place]').getAttribute('aria-invalid')).toBe('true');
    await press('Escape');
  });

  it('is edited in place: every second hit, of one vCPU, once, with the numbers kept', async () => {
    await restart();
    await withMouse('mmio', { start: 'e0000000' });
    await rows().getByRole('button', { name: 'Edit' }).click();
    await expect.poll(() => form().locator('[name=kind]').isDisabled()).toBe(true);
    await fillIn({ hitMode: 'every', hit: '2', vcpu: '0', once: 'on' });
    await form().locator('button[type=submit]').click();
    await form().waitFor({ state: 'detached' });
    await expect.poll(() => rows().innerText()).toMatch(/once, at every hit × 2, vCPU 0/);
    await run();
    await stopsWith(/MMIO (read|write) of 0xe0000000/);
    await expect.poll(() => rows().innerText()).toMatch(/2\shits/);
    await expect.poll(() => rows().getByRole('checkbox').isChecked()).toBe(false);
    await umbra.screenshot('breakpoint-row');
  });

  it('with a log text writes lines and lets the guest run', async () => {
    await restart();
    await withMouse('mmio', { start: 'e0000000', log: 'gfn {event.gfn}: {event.access}, {event.outcome}' });
    await run();
    await panel.locator('[data-log-line]').first().waitFor();
    await expect
      .poll(() => panel.locator('[data-log-line]').first().innerText())
      .toMatch(/#\d+ gfn 0xe0000: (read|write), [A-Z]+/);
    await bench.waitForState('running');
    await umbra.screenshot('breakpoint-log');
    await run();
    await bench.waitForState('paused');
  });

  it('that is switched off does not stop, and is undone and redone', async () => {
    await restart();
    await withMouse('exec', { place: 'p32_guest_main' });
    await rows().getByRole('checkbox').uncheck();
    await run();
    await bench.waitForState('running');
    await run();
    await bench.waitForState('paused');
    await expect.poll(() => rows().innerText()).toMatch(/0\shits/);
    await rows().getByRole('button', { name: 'Remove' }).click();
    await expect.poll(() => rows().count()).toBe(0);
    await press('Control+Z');
    await expect.poll(() => rows().count()).toBe(1);
    await expect.poll(() => rows().getByRole('checkbox').isChecked()).toBe(false);
    await press('Control+Z');
    await expect.poll(() => rows().getByRole('checkbox').isChecked()).toBe(true);
    await press('Control+Shift+Z');
    await press('Control+Shift+Z');
    await expect.poll(() => rows().count()).toBe(0);
  });

  it('is set and taken away in the gutter, by F9, and from the menus of numbers', async () => {
    await restart();
    const line = bench.panel('disassembly').locator('.insn').nth(4);
    await line.locator('.gutter').click();
    await line.locator('.mark').waitFor();
    await line.click();
    await press('F9');
    await line.locator('.mark').waitFor({ state: 'detached' });
    await line.click({ button: 'right' });
    await umbra.page.getByRole('menuitem', { name: 'Set or remove a breakpoint here' }).click();
    await line.locator('.mark').waitFor();
    await expect.poll(() => rows().innerText()).toMatch(/execution at 0x/);
    await restart();
    await bench.runAWhile();
    const mmio = await bench.open('mmio');
    await mmio.locator('.table-row').first().locator('> *').nth(1).click({ button: 'right' });
    await umbra.page.getByRole('menuitem', { name: 'Make a breakpoint of this…' }).click();
    await form().waitFor();
    await expect.poll(() => form().locator('[name=start]').inputValue()).toMatch(/0xe0000000|0xb8000/);
    await press('Escape');
    await mmio.locator('[name=device]').selectOption('unsatisfied');
    await mmio.getByRole('button', { name: 'Stop at faults like these' }).click();
    await expect.poll(() => form().locator('[name=condition]').inputValue()).toBe('event.claim == "unsatisfied"');
    await form().locator('button[type=submit]').click();
    await run();
    await stopsWith(/MMIO (read|write) of 0xe0000000/);
  });

  it('goes into a file and comes back; a hostile file is refused with its reason', async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-breakpoints-'));
    await umbra.app.evaluate(
      ({ dialog }, target) => {
        dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath: target });
      },
      path.join(folder, 'breakpoints.json'),
    );
    await restart();
    await withMouse('data', { place: '0x108000', condition: 'event.new != 0' });
    await withMouse('zap', {});
    await panel.getByRole('button', { name: 'Export breakpoints' }).click();
    const file = path.join(folder, 'breakpoints.json');
    await expect.poll(() => readFile(file, 'utf8').catch(() => '')).toMatch(/umbra-breakpoints/);
    await restart();
    const chooser = panel.locator('input[type=file]');
    await chooser.setInputFiles(file);
    await expect.poll(() => rows().count()).toBe(2);
    await expect.poll(() => rows().first().innerText()).toMatch(/access to gva 0x108000.*\n?.*if event.new != 0/);

    const hostile = path.join(folder, 'hostile.json');
    const text = await readFile(file, 'utf8');
    await writeFile(hostile, text.replace('event.new != 0', 'event.new ! 0'));
    await chooser.setInputFiles(hostile);
    await panel.getByRole('alert').waitFor();
    await expect.poll(() => panel.getByRole('alert').innerText()).toMatch(/breakpoint 1: the condition, column 11/);
    await writeFile(hostile, text.replace('"kind": "zap"', '"kind": "zapp"').replace('"kind":"zap"', '"kind":"zapp"'));
    await chooser.setInputFiles(hostile);
    await bench.eventually(
      () => panel.getByRole('alert').innerText(),
      /the file is wrong at breakpoints\.1/,
      'refused',
    );
    await expect.poll(() => rows().count()).toBe(2);
    await umbra.screenshot('breakpoint-import-refused');
    await rm(folder, { recursive: true, force: true });
  });

  it('makes no noise on the console', () => expect(umbra.pageErrors).toEqual([]));
});

describe('with a guest that faults, a breakpoint', () => {
  beforeAll(() => launch('faults.elf'));
  afterAll(() => umbra.close());

  it.each([
    ['exception', { vectors: '#PF' }, /#PF.* at rip 0x/],
    ['page-fault', { access: 'write' }, /page fault, write of gva 0x[0-9a-f]+, error code 0x/],
    ['gpte', { mask: '0x20' }, /guest page-table entry at gpa 0x[0-9a-f]+, 0x[0-9a-f]+ → 0x[0-9a-f]+ by the processor/],
  ])('%s stops it', async (kind, fields, expected) => {
    await restart();
    await withMouse(kind, fields as Fields);
    if (kind === 'gpte') {
      await rows().getByRole('button', { name: 'Edit' }).click();
      await fillIn({ condition: 'event.by == "the processor"' });
      await press('Enter');
      await form().waitFor({ state: 'detached' });
    }
    await run();
    await stopsWith(expected);
    await umbra.screenshot(`breakpoint-stop-${kind}`);
  });
});
