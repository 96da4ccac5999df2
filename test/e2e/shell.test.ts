/** The window's frame, by keyboard: finding one's way, panels and layouts, undo, menus and keys from one table. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dress, launchUmbra, LOOKS } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page, { width: 1280, height: 800 });
});
afterAll(() => umbra.close());

async function goTo(words: string, option: RegExp): Promise<void> {
  await press('Control+P');
  await umbra.page.getByRole('combobox', { name: 'Go to anything' }).fill(words);
  await umbra.page.locator('[role=option][aria-selected=true]').filter({ hasText: option }).waitFor();
  await press('Enter');
}

/** Where the keyboard is: the id of the panel that has it. */
const keyboardIn = (): Promise<string> =>
  umbra.page.evaluate(() => document.activeElement?.closest('[data-panel]')?.getAttribute('data-panel') ?? '');

describe('go to anything', () => {
  it('takes addresses with their space, gfns, slots and panels', async () => {
    await goTo('gpa:100000', /gpa:0x00100000.*in memory/);
    await bench.panel('memory').locator('.cell.focused').first().waitFor();
    await goTo('slot 1', /slot 1/);
    await bench.panel('memslots').locator('[role=row][aria-selected=true]').waitFor();
    await press('Control+P');
    await umbra.page.getByRole('combobox', { name: 'Go to anything' }).fill('gfn:feb00');
    await umbra.page.locator('li[role=option]').first().waitFor();
    await umbra.screenshot('40-go-to');
    await press('Escape');
    await goTo('walk', /Walk/);
    await bench.eventually(keyboardIn, /^walk$/, 'the keyboard is in the panel');
  });

  it('goes back and forward through what was looked at, by key and by mouse', async () => {
    await goTo('gpa:200000', /gpa:0x00200000.*in memory/);
    await goTo('gpa:300000', /gpa:0x00300000.*in memory/);
    const first = (): Promise<string> => bench.panel('memory').locator('.memory-row .address').first().innerText();
    await bench.eventually(first, /300000/, 'the last');
    await press('Alt+ArrowLeft');
    await bench.eventually(first, /200000/, 'back');
    await press('Alt+ArrowRight');
    await bench.eventually(first, /300000/, 'forward');
    await umbra.page.evaluate(() => window.dispatchEvent(new MouseEvent('mouseup', { button: 3 })));
    await bench.eventually(first, /200000/, 'back by the fourth button');
  });
});

describe('panels', () => {
  it('stay where they are while they are locked', async () => {
    await press('Alt+3');
    await press('Control+L');
    const memory = bench.panel('memory');
    await expect.poll(() => memory.getByRole('button', { name: /^Lock/ }).getAttribute('aria-pressed')).toBe('true');
    const before = await memory.locator('.memory-row .address').first().innerText();
    await goTo('gpa:500000', /in memory/);
    // The locked one does not move: another one is opened or found.
    await expect.poll(() => memory.locator('.memory-row .address').first().innerText()).toBe(before);
  });

  it('can be several of a kind, each at its own place, and are kept with it over a reload', async () => {
    await bench.command('open another panel memory');
    const second = umbra.page.locator('[data-panel=memory-2]');
    await second.waitFor();
    await bench.eventually(keyboardIn, /^memory-2$/, 'the keyboard is in it');
    await second.locator('[name=address]').fill('gpa:100000');
    await press('Enter');
    await bench.eventually(() => second.locator('.memory-row .address').first().innerText(), /100000/, 'its place');
    await umbra.page.reload();
    await bench.waitForState('paused');
    await second.waitFor();
    await bench.eventually(
      () => second.locator('.memory-row .address').first().innerText(),
      /100000/,
      'its place, again',
    );
    await umbra.page.locator('[data-tab=memory]').click();
    await expect
      .poll(() => bench.panel('memory').getByRole('button', { name: /^Lock/ }).getAttribute('aria-pressed'))
      .toBe('true');
    await press('Control+L');
    await umbra.page.locator('[data-tab=memory-2]').click();
    await press('Control+W');
    await second.waitFor({ state: 'detached' });
  });

  it('are reached, moved and given the whole window by keys', async () => {
    await press('Alt+1');
    await bench.eventually(keyboardIn, /^disassembly$/, 'a panel by its key');
    await press('F6');
    await expect.poll(() => keyboardIn()).not.toBe('disassembly');
    await press('Alt+S');
    await press('Control+Alt+ArrowRight');
    await bench.eventually(keyboardIn, /^screen$/, 'the keyboard goes with it');
    await press('Control+M');
    await expect.poll(async () => (await bench.panel('screen').boundingBox())?.width).toBeGreaterThan(1200);
    await press('Control+M');
    await bench.command('reset the layout');
    await bench.panel('serial').waitFor();
  });

  it('have a menu on their tabs', async () => {
    await umbra.page.locator('[data-tab=memory]').click({ button: 'right' });
    await umbra.page.getByRole('menuitem', { name: 'Open once more' }).click();
    await umbra.page.locator('[data-panel=memory-2]').waitFor();
    await umbra.page.locator('[data-tab=memory-2]').click({ button: 'right' });
    await umbra.page.getByRole('menuitem', { name: 'Close', exact: true }).click();
    await umbra.page.locator('[data-panel=memory-2]').waitFor({ state: 'detached' });
  });
});

describe('layouts', () => {
  it('are kept under a name, switched to and deleted', async () => {
    await press('Alt+T');
    await press('Control+W');
    await umbra.page.locator('[data-tab=trace]').waitFor({ state: 'detached' });
    await bench.command('save the layout as');
    await umbra.page.locator('[name=layout-name]').fill('without trace');
    await press('Enter');
    await bench.command('reset the layout');
    await umbra.page.locator('[data-tab=trace]').waitFor();
    await bench.command('layout without trace');
    await umbra.page.locator('[data-tab=trace]').waitFor({ state: 'detached' });
    await bench.command('delete layout without trace');
    await press('Control+Shift+P');
    await umbra.page.getByRole('combobox', { name: 'Command', exact: true }).fill('without trace');
    await umbra.page.getByText('No command is called that.').waitFor();
    await press('Escape');
  });

  it.each([
    ['no JSON', '{'],
    ['a panel that nobody knows', '{"version":2,"layout":{"grid":{},"panels":{"x":{"id":"x"}}},"panels":{}}'],
    [
      'a grid of nonsense',
      '{"version":2,"layout":{"grid":{"root":5},"panels":{"memory":{"id":"memory","contentComponent":"DockPanel"}}},"panels":{}}',
    ],
  ])('that are stored as %s are replaced by the default', async (_what, text) => {
    await umbra.page.evaluate((stored) => localStorage.setItem('umbra.layout', stored), text);
    // The page writes its layout when it changes; nothing changes before the reload.
    await umbra.page.reload();
    await bench.waitForState('paused');
    await umbra.page.locator('[data-tab=disassembly]').waitFor();
    await umbra.page.locator('[data-tab=trace]').waitFor();
  });
});

describe('edits', () => {
  it('of registers and memory are taken back and made again', async () => {
    await press('Alt+2');
    const r9 = bench.panel('registers').locator('[data-register=r9]');
    const before = await r9.locator('.value').innerText();
    await r9.locator('.value').focus();
    await press('Enter');
    await r9.locator('input').fill('77');
    await press('Enter');
    await bench.eventually(() => r9.locator('.value').innerText(), /77$/, 'the new value');
    await press('Control+Z');
    await bench.eventually(() => r9.locator('.value').innerText(), new RegExp(`^${before}$`), 'the old value');
    await press('Control+Shift+Z');
    await bench.eventually(() => r9.locator('.value').innerText(), /77$/, 'the new value again');
    await press('F11');
    await bench.eventually(() => bench.reading('insns'), /^1$/, 'one instruction');
    await press('Control+Z');
    await bench.eventually(
      () => umbra.page.locator('.status-bar .log').innerText(),
      /^Undone: r9 = 0x77 — the guest has run 1\sinstruction since/,
      'it says that the guest has gone on',
    );
  });
});

describe('commands', () => {
  it('stand in the menus as the page has them, with their keys and states', async () => {
    const read = (): Promise<unknown> =>
      umbra.app.evaluate(({ Menu }) =>
        (Menu.getApplicationMenu()?.items ?? []).map(({ label, submenu }) => ({
          label,
          items: (submenu?.items ?? []).flatMap(({ id, label: title, enabled, accelerator }) =>
            id ? [{ id, title, enabled, key: accelerator ?? undefined }] : [],
          ),
        })),
      );
    await press('F1');
    const dialog = umbra.page.getByRole('dialog', { name: 'Keys' });
    const keys = await dialog
      .locator('tr[data-command]')
      .evaluateAll((rows) =>
        rows.map((row) => [
          row.getAttribute('data-command') ?? '',
          row.querySelector('td')?.textContent ?? '',
          row.querySelector('kbd')?.textContent ?? '',
        ]),
      );
    await umbra.screenshot('41-keys');
    await press('Escape');
    const menus = (await read()) as { items: { id: string; title: string; key?: string }[] }[];
    const items = menus.flatMap(({ items: entries }) => entries).filter(({ id }) => keys.some(([name]) => name === id));
    expect(items.length).toBeGreaterThan(25);
    for (const { id, title, key } of items) {
      const row = keys.find(([name]) => name === id);
      // A key of two strokes stands behind the title: no system's menus have such.
      const chord = /^(.*) \[(Ctrl\+K .*)\]$/.exec(title);
      expect((chord?.[1] ?? title).replaceAll('&&', '&')).toBe(row?.[1]);
      const shown = (chord?.[2] ?? key ?? '')
        .replace('CmdOrCtrl', 'Ctrl')
        .replace(/\b(Left|Right|Up|Down)$/, 'Arrow$1');
      expect(shown).toBe(row?.[2]);
    }
  });

  it('chosen from a menu do what their key does', async () => {
    await umbra.app.evaluate(({ Menu }) => Menu.getApplicationMenu()?.getMenuItemById('keys')?.click());
    await umbra.page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await press('Escape');
  });

  it('choose the theme, which is kept', async () => {
    await umbra.page.emulateMedia({ colorScheme: null });
    await bench.command('theme light');
    const isLight = (): Promise<string> =>
      umbra.page.evaluate(() => String(window.matchMedia('(prefers-color-scheme: light)').matches));
    await bench.eventually(isLight, /^true$/, 'light');
    await bench.command('theme dark');
    await bench.eventually(isLight, /^false$/, 'dark');
    await expect.poll(() => umbra.page.evaluate(() => window.umbra.theme())).toBe('dark');
    await bench.command('theme as the system');
  });
});

describe('the window', () => {
  it('is calm and complete, small and large, dark and light', async () => {
    await bench.command('reset the layout');
    for (const look of LOOKS) {
      await dress(umbra.page, look);
      await bench.command('reset the layout');
      await umbra.page.waitForTimeout(300);
      const cut = await umbra.page
        .locator('.dv-tabs-container')
        .evaluateAll((bars) => bars.filter((bar) => bar.scrollWidth > bar.clientWidth + 1).length);
      expect(cut, `no tab is cut off at ${look.width}`).toBe(0);
      await expect.poll(() => umbra.page.locator('.dv-tabs-overflow-dropdown-default').count()).toBe(0);
      await umbra.screenshot(`42-shell-${look.width}-${look.colorScheme}`);
    }
    expect(umbra.pageErrors).toEqual([]);
  });
});
