/** The memslots in the real window: drawn, dragged, resized and deleted on the map, by pointer and by key, several as one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Locator } from 'playwright-core';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;
let panel: Locator;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page);
  panel = await bench.open('memslots');
  await panel.locator('[data-slot="1"]').waitFor();
});
afterAll(() => umbra.close());

const map = (): Locator => panel.locator('[aria-roledescription="memory map"]');

/** Presses at a part of the map's width, moves, and lets go; all in the lane of the slots. */
async function drag(from: number, to: number): Promise<void> {
  const box = await map().boundingBox();
  if (box === null) throw new Error('the map is not on screen');
  const { mouse } = umbra.page;
  const y = box.y + 30;
  await mouse.move(box.x + from * box.width, y);
  await mouse.down();
  for (let i = 1; i <= 4; i += 1) await mouse.move(box.x + (from + ((to - from) * i) / 4) * box.width, y);
  await mouse.up();
}

async function dragBox(key: string, grip: 'body' | 'end', pixels: number): Promise<void> {
  const box = await panel.locator(`[data-box="${key}"]`).boundingBox();
  if (box === null) throw new Error(`${key} is not on the map`);
  const { mouse } = umbra.page;
  const y = box.y + box.height / 2;
  const x = grip === 'end' ? box.x + box.width - 1 : box.x + box.width / 2;
  await mouse.move(x, y);
  await mouse.down();
  for (let i = 1; i <= 4; i += 1) await mouse.move(x + (pixels * i) / 4, y);
  await mouse.up();
}

const gpaOf = async (key: string): Promise<string> =>
  (await panel.locator(`[data-box="${key}"] title`).innerHTML()).replace(/^.*: (0x[0-9a-f]+) .*$/, '$1');

/** Goes over the map with the arrow keys until it says that something is chosen. */
async function choose(wanted: RegExp): Promise<void> {
  const said = (): Promise<string> => panel.locator('[aria-live=polite]').first().innerText();
  for (let i = 0; i < 12; i += 1) {
    const before = await said();
    await umbra.page.keyboard.press('ArrowDown');
    await expect.poll(said).not.toBe(before);
    if (wanted.test(await said())) return;
  }
  throw new Error(`nothing on the map is ${wanted}`);
}

/** What was applied and is taken back is on the list again: taking that back as well leaves nothing prepared. */
async function undoStagingOf(slot: number): Promise<void> {
  await panel.locator(`[data-staged="${slot}"]`).waitFor();
  await umbra.page.keyboard.press('Control+Z');
  await panel.locator('[data-staged]').first().waitFor({ state: 'detached' });
}

describe('the map of guest physical memory', () => {
  it('draws a new slot where the pointer is dragged over a hole, and says what it would do', async () => {
    await drag(0.3, 0.4);
    await panel.locator('[data-verdict=future-report]').waitFor();
    await expect.poll(() => panel.locator('[data-verdict=future-report]').innerText()).toMatch(/Preview: CREATE/);
    await panel.locator('[data-action=stage]').click();
    await panel.locator('[data-staged="2"]').waitFor();
    await panel.locator('[data-box="ghost 2"]').waitFor();
    await umbra.screenshot('30-memslots-staged');
  });

  it('drags what is staged, and pulls its end', async () => {
    const before = await gpaOf('ghost 2');
    await dragBox('ghost 2', 'body', 40);
    await bench.eventually(() => gpaOf('ghost 2'), new RegExp(`^(?!${before}$)`), 'the ghost has moved');
    const widthOf = async (): Promise<number> =>
      (await panel.locator('[data-box="ghost 2"]').boundingBox())?.width ?? 0;
    const width = await widthOf();
    await dragBox('ghost 2', 'end', 30);
    await expect.poll(widthOf).toBeGreaterThan(width + 15);
  });

  it('stages a second one, and applies both as one: what was promised is done', async () => {
    await drag(0.62, 0.66);
    await panel.locator('[data-action=stage]').click();
    await panel.locator('[data-staged="3"]').waitFor();
    await panel.locator('[data-reading=staged-total]').waitFor();
    await panel.locator('[data-action=apply-staged]').click();
    await panel.locator('[data-verdict=past-report]').waitFor();
    await expect.poll(() => panel.locator('[data-reading=promise]').innerText()).toMatch(/As the preview had promised/);
    await panel.locator('[data-slot="2"]').waitFor();
    await panel.locator('[data-slot="3"]').waitFor();
    await umbra.screenshot('31-memslots-applied');
  });

  it('drags a slot that is there onto another: refused before anything is done, and both are named', async () => {
    const left = await panel.locator('[data-box="slot 3"]').boundingBox();
    const right = await panel.locator('[data-box="slot 2"]').boundingBox();
    if (left === null || right === null) throw new Error('the slots are on the map');
    await dragBox('slot 3', 'body', right.x - left.x);
    await panel.locator('[data-verdict=future-refusal]').waitFor();
    await expect
      .poll(() => panel.locator('[data-verdict=future-refusal]').innerText())
      .toMatch(/EEXIST[\s\S]*overlap[\s\S]*slot 2/);
    await expect.poll(() => panel.locator('[data-action=apply-staged]').isDisabled()).toBe(true);
    await umbra.screenshot('32-memslots-refused');
    await panel.getByRole('button', { name: 'Drop all' }).click();
  });
});

describe('a slot under the mouse', () => {
  const menuAt = async (key: string): Promise<Locator> => {
    const box = await panel.locator(`[data-box="${key}"]`).boundingBox();
    if (box === null) throw new Error(`${key} is not on the map`);
    await umbra.page.mouse.click(box.x + box.width / 2, box.y + box.height / 2, { button: 'right' });
    return umbra.page.getByRole('menu');
  };

  it('is deleted by its context menu: staged, applied, undone and redone', async () => {
    const menu = await menuAt('slot 3');
    await umbra.screenshot('33-memslots-menu');
    await menu.getByRole('menuitem', { name: 'Delete slot 3 (staged)' }).click();
    await panel.locator('[data-staged="3"]').waitFor();
    await panel.locator('[data-action=apply-staged]').click();
    await panel.locator('[data-slot="3"]').waitFor({ state: 'detached' });
    await umbra.page.keyboard.press('Control+Z');
    await panel.locator('[data-slot="3"]').waitFor();
    await umbra.page.keyboard.press('Control+Shift+Z');
    await panel.locator('[data-slot="3"]').waitFor({ state: 'detached' });
    await umbra.page.keyboard.press('Control+Z');
    await panel.locator('[data-slot="3"]').waitFor();
    await undoStagingOf(3);
  });

  it('is chosen by a click and deleted by the key; the menu drops what is staged', async () => {
    const box = await panel.locator('[data-box="slot 2"]').boundingBox();
    if (box === null) throw new Error('slot 2 is not on the map');
    await umbra.page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    await umbra.page.keyboard.press('Delete');
    await panel.locator('[data-staged="2"]').waitFor();
    await (await menuAt('slot 2')).getByRole('menuitem', { name: 'Drop the staged change of slot 2' }).click();
    await panel.locator('[data-staged="2"]').waitFor({ state: 'detached' });
  });

  it('is made where a hole was pressed', async () => {
    const box = await map().boundingBox();
    if (box === null) throw new Error('the map is not on screen');
    await umbra.page.mouse.click(box.x + 0.9 * box.width, box.y + 30, { button: 'right' });
    await umbra.page.getByRole('menuitem', { name: /^New slot at 0x[0-9a-f]+000$/ }).click();
    await bench.eventually(() => panel.locator('[name=gpa]').inputValue(), /^0x[0-9a-f]+000$/, 'the editor has it');
    await map().focus();
    await umbra.page.keyboard.press('Escape');
    await panel.locator('[name=gpa]').waitFor({ state: 'detached' });
    await panel.locator('[data-slot="3"] > span').first().click();
  });
});

describe('the map by key', () => {
  it('chooses a slot, moves it by a page, resizes it, stages it and drops it', async () => {
    await map().focus();
    await choose(/^slot 2 /);
    await umbra.page.keyboard.press('ArrowRight');
    await bench.eventually(() => panel.locator('[data-verdict^=future]').innerText(), /MOVE/, 'the move is foretold');
    await umbra.page.keyboard.press('Shift+ArrowRight');
    await bench.eventually(() => bench.reading('replaces'), /delete \+ create/, 'a resize is two calls');
    await umbra.page.keyboard.press('Enter');
    await panel.locator('[data-staged="2"]').waitFor();
    await umbra.page.keyboard.press('Escape');
    await panel.locator('[data-staged="2"]').waitFor({ state: 'detached' });
  });

  it('stages a deletion, applies it with Control-Enter, and Control-Z brings the slot back', async () => {
    await map().focus();
    await umbra.page.keyboard.press('Delete');
    await panel.locator('[data-staged="2"]').waitFor();
    await umbra.page.keyboard.press('Control+Enter');
    await panel.locator('[data-slot="2"]').waitFor({ state: 'detached' });
    await umbra.page.keyboard.press('Control+Z');
    await panel.locator('[data-slot="2"]').waitFor();
    await undoStagingOf(2);
  });

  it('zooms and pans, and shows everything again', async () => {
    await map().focus();
    const whole = await bench.reading('map-extent');
    await umbra.page.keyboard.press('z');
    await bench.eventually(() => bench.reading('map-extent'), / \+ (?!4)/, 'closer');
    await umbra.page.keyboard.press('PageDown');
    await umbra.page.keyboard.press('0');
    await expect.poll(() => bench.reading('map-extent')).toBe(whole);
  });
});

describe('what is prepared', () => {
  const staged = (): Promise<string[]> =>
    panel.locator('[data-staged]').evaluateAll((rows) => rows.map((row) => row.getAttribute('data-staged') ?? ''));
  const stagedIs = (...slots: readonly string[]) => expect.poll(staged).toEqual(slots);
  const titles = (): Promise<string> => umbra.page.getByRole('menu').innerText();

  it('is drawn, moved, resized and staged by key alone', async () => {
    await map().focus();
    await umbra.page.keyboard.press('Insert');
    await bench.eventually(() => panel.locator('[data-verdict^=future]').innerText(), /CREATE/, 'it is foretold');
    const gpa = await panel.locator('[name=gpa]').inputValue();
    await umbra.page.keyboard.press('Control+ArrowRight');
    await bench.eventually(() => panel.locator('[name=gpa]').inputValue(), new RegExp(`^(?!${gpa}$)`), 'it has moved');
    const size = await panel.locator('[name=size]').inputValue();
    await umbra.page.keyboard.press('Control+Shift+ArrowRight');
    await bench.eventually(
      () => panel.locator('[name=size]').inputValue(),
      new RegExp(`^(?!${size}$)`),
      'it has grown',
    );
    await umbra.page.keyboard.press('Enter');
    await stagedIs('4');
    await umbra.page.keyboard.press('ArrowUp');
    await umbra.page.keyboard.press('Delete');
    await expect.poll(async () => (await staged()).length).toBe(2);
  });

  it('is taken back one by one, applied, and taken back behind that', async () => {
    const [, deleted] = await staged();
    await umbra.page.keyboard.press('Control+Z');
    await stagedIs('4');
    await umbra.page.keyboard.press('Control+Shift+Z');
    await stagedIs('4', deleted);
    await umbra.page.keyboard.press('Control+Enter');
    await panel.locator('[data-slot="4"]').waitFor();
    await stagedIs();
    await umbra.page.keyboard.press('Control+Z');
    await panel.locator('[data-slot="4"]').waitFor({ state: 'detached' });
    await stagedIs('4', deleted);
    await umbra.page.keyboard.press('Control+Z');
    await umbra.page.keyboard.press('Control+Z');
    await stagedIs();
    await umbra.page.keyboard.press('Escape');
    await panel.locator('[name=gpa]').waitFor({ state: 'detached' });
  });

  it('has its context menu at the slot, the device and the hole that the keyboard is on', async () => {
    await map().focus();
    for (const [wanted, entries] of [
      [/^slot 2 /, /Edit slot 2[\s\S]*Delete slot 2/],
      [/^MMIO bank/, /New slot at 0xfeb00000/],
    ] as const) {
      await choose(wanted);
      await umbra.page.keyboard.press('Shift+F10');
      await bench.eventually(titles, entries, 'the menu of what is chosen');
      await umbra.page.keyboard.press('Escape');
      await umbra.page.getByRole('menu').waitFor({ state: 'detached' });
      await expect.poll(() => map().evaluate((element) => element === document.activeElement)).toBe(true);
    }
    const box = await map().boundingBox();
    if (box === null) throw new Error('the map is not on screen');
    await umbra.page.mouse.click(box.x + 0.8 * box.width, box.y + 30);
    await umbra.page.keyboard.press('Shift+F10');
    await bench.eventually(titles, /New slot at 0xcc[0-9a-f]+000/, 'where the mark is');
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(() => panel.locator('[name=gpa]').inputValue(), /^0xcc[0-9a-f]+000$/, 'the editor has it');
    await umbra.page.keyboard.press('Escape');
  });

  it('is refused where the mistake is, before and after Apply', async () => {
    const invalid = (): Promise<string[]> =>
      panel
        .locator('form [aria-invalid=true]')
        .evaluateAll((fields) => fields.map((one) => one.getAttribute('name') ?? ''));
    await panel.getByRole('button', { name: 'New slot' }).click();
    await bench.eventually(
      () => panel.locator('[name=gpa]').evaluate((field) => String(field === document.activeElement)),
      /true/,
      'the keyboard is in the form',
    );
    for (const [field, text, check] of [
      ['gpa', '0x1000', 'overlap'],
      ['gpa', '0xd0000800', 'gpa-unaligned'],
      ['size', '0x1800', 'size-unaligned'],
      ['hva', '0x7f0000000001', 'hva-unaligned'],
      ['hva', '0xffff888000000000', 'hva-not-user'],
      ['slot', '4294967295', 'slot-out-of-range'],
    ] as const) {
      const before = await panel.locator(`[name=${field}]`).inputValue();
      await bench.fill('memslots', field, text);
      await bench.eventually(
        () => panel.locator('[data-verdict=future-refusal]').innerText(),
        new RegExp(check),
        check,
      );
      await expect.poll(invalid).toEqual([field]);
      await panel.locator('[name=size]').press('Enter');
      await bench.eventually(() => panel.locator('[data-verdict=past-refusal]').innerText(), new RegExp(check), check);
      await expect.poll(invalid).toEqual([field]);
      await bench.eventually(
        () => panel.locator(`[name=${field}]`).evaluate((one) => String(one === document.activeElement)),
        /true/,
        'the keyboard is where the mistake is',
      );
      await bench.fill('memslots', field, check === 'overlap' ? '0xd0000000' : before);
    }
    await umbra.page.keyboard.press('Escape');
    await panel.locator('form').waitFor({ state: 'detached' });
  });
});

describe('a list that is applied while the guest runs', () => {
  it('goes through as one, and the log of what was done has every change', async () => {
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('running');
    await panel.getByRole('button', { name: 'New slot' }).click();
    await bench.fill('memslots', 'gpa', '0xd0000000');
    await panel.locator('[data-action=stage]').click();
    await panel.locator('[data-staged="4"]').waitFor();
    await panel.getByRole('button', { name: 'Delete slot 3…' }).click();
    await panel.locator('[data-action=stage]').click();
    await panel.locator('[data-staged="3"]').waitFor();
    await panel.locator('[data-action=apply-staged]').click();
    await panel.locator('[data-verdict=past-report]').waitFor();
    await panel.locator('[data-slot="4"]').waitFor();
    await panel.locator('[data-slot="3"]').waitFor({ state: 'detached' });
    await bench.waitForState('running');
    const events = async (): Promise<string> => (await bench.open('generation')).locator('ol').innerText();
    await bench.eventually(events, /slot 3: DELETE[\s\S]*slot 4: CREATE/, 'both, the newest first');
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
    panel = await bench.open('memslots');
    await umbra.page.keyboard.press('Control+Z');
    await panel.locator('[data-slot="4"]').waitFor({ state: 'detached' });
    await panel.locator('[data-slot="3"]').waitFor();
    await panel.getByRole('button', { name: 'Drop all' }).click();
  });
});

describe('a slot that logs dirty pages', () => {
  it('says which pages the guest wrote while it ran', async () => {
    await panel.getByRole('button', { name: 'Edit slot 1' }).click();
    await panel.locator('[name=log-dirty]').check();
    await bench.eventually(
      () => panel.locator('[data-verdict^=future]').innerText(),
      /FLAGS_ONLY/,
      'only flags change',
    );
    await panel.locator('button[type=submit]').click();
    await panel.locator('[data-verdict=past-report]').waitFor();
    await bench.runAWhile();
    await panel.getByRole('button', { name: 'Read the dirty log of slot 1' }).click();
    await bench.eventually(() => bench.reading('dirty-log'), /slot 1: [1-9]/, 'dirty pages');
    await umbra.screenshot('33-dirty-log');
  });
});

describe('the window around it', () => {
  it('is drawn at 1280×800 and 1920×1080, light and dark', async () => {
    await panel.locator('[data-slot="2"] > span').first().click();
    await map().focus();
    await umbra.page.keyboard.press('ArrowRight');
    await umbra.photograph('34-memslots');
  });

  it('has made no noise on its console', () => {
    expect(umbra.pageErrors).toEqual([]);
  });
});
