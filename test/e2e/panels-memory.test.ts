/** Memory in the real window: searched, compared with another moment, watched over a reload. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page);
});
afterAll(() => umbra.close());

async function goTo(address: string): Promise<void> {
  await bench.fill('memory', 'address', address);
  await bench.panel('memory').locator('[name=address]').press('Enter');
  const first = bench.panel('memory').locator('.memory-row .address').first();
  await bench.eventually(() => first.innerText(), new RegExp(`${address.replace('gpa:', '')}$`), 'the bytes of there');
}

describe('memory', () => {
  it('is searched for bytes, and leads to where they stand', async () => {
    const memory = await bench.open('memory');
    await goTo('gpa:300000');
    await memory.locator('.cell.byte').first().click();
    await umbra.page.keyboard.type('deadbeef');
    await memory.getByRole('button', { name: 'Search memory' }).click();
    await memory.locator('[name=search-from]').fill('200000');
    await memory.locator('[name=search-length]').fill('2M');
    await memory.locator('[name=pattern]').fill('de ad be ef');
    await memory.locator('[name=pattern]').press('Enter');
    await bench.eventually(() => bench.reading('memory-matches'), /1/, 'one match');
    await umbra.screenshot('25-memory-search');
    await memory.getByRole('button', { name: 'Close the search' }).click();
  });

  it('is selected by keys and by the mouse, copied, filled, pasted over, and made a breakpoint', async () => {
    const memory = bench.panel('memory');
    const clipboard = (): Promise<string> => umbra.app.evaluate(({ clipboard: board }) => board.readText());
    const selected = (): Promise<string> => bench.reading('selected-bytes');
    const { keyboard, mouse } = umbra.page;
    await goTo('gpa:300000');
    const cells = memory.locator('.memory-cell');
    await cells.first().click();
    await keyboard.type('deadbeef');
    await keyboard.press('Home');
    for (let n = 0; n < 3; n += 1) await keyboard.press('Shift+ArrowRight');
    await bench.eventually(selected, /^gpa 0x00300000 – 0x00300003, 4.bytes$/, 'four bytes');
    await keyboard.press('Control+C');
    await bench.eventually(clipboard, /^de ad be ef$/, 'the bytes');
    await umbra.page.keyboard.press('Shift+F10');
    await umbra.page.getByRole('menu', { name: /^gpa 0x00300000 – 0x00300003/ }).waitFor();
    await umbra.page.getByRole('menuitem', { name: 'Copy as an array of C' }).click();
    await bench.eventually(clipboard, /bytes\[4\] = \{\n\t0xde, 0xad, 0xbe, 0xef,\n\};/, 'an array');

    // What was copied is pasted over what is selected elsewhere.
    await cells.nth(8).click();
    await keyboard.press('Control+V');
    await expect.poll(() => cells.nth(11).innerText()).toBe('ef');

    const [from, to] = [await cells.nth(4).boundingBox(), await cells.nth(7).boundingBox()];
    await mouse.move((from?.x ?? 0) + 6, (from?.y ?? 0) + 6);
    await mouse.down();
    await mouse.move((to?.x ?? 0) + 6, (to?.y ?? 0) + 6, { steps: 4 });
    await mouse.up();
    await bench.eventually(selected, /^gpa 0x00300004 – 0x00300007/, 'four others');
    await memory.getByRole('button', { name: 'Fill the bytes…' }).click();
    const pattern = memory.locator('[name=fill-pattern]');
    await pattern.fill('5');
    await keyboard.press('Enter');
    await bench.eventually(() => memory.getByRole('alert').innerText(), /^Bytes are pairs/, 'what is wrong');
    expect(await pattern.getAttribute('aria-invalid')).toBe('true');
    await pattern.fill('5a a5');
    await keyboard.press('Enter');
    await expect.poll(async () => (await cells.allInnerTexts()).slice(4, 8)).toEqual(['5a', 'a5', '5a', 'a5']);
    await keyboard.press('Control+Z');
    await expect.poll(async () => (await cells.allInnerTexts()).slice(4, 8)).toEqual(['00', '00', '00', '00']);

    await bench.command('break on writes to the selected bytes');
    const list = (await bench.open('breakpoints')).locator('li');
    await expect.poll(async () => (await list.allInnerTexts()).join(' ')).toMatch(/write to gpa 0x300004–0x300007/);
    await bench.command('Remove all breakpoints');
    await bench.open('memory');
    await umbra.screenshot('25-memory-selection');
  });

  it('follows a pointer by the space bar, and goes back', async () => {
    const memory = bench.panel('memory');
    await goTo('gpa:300000');
    await memory.locator('.memory-cell').nth(32).click();
    await umbra.page.keyboard.type('00003000');
    await umbra.page.keyboard.press('Home');
    await umbra.page.keyboard.press('Space');
    const first = memory.locator('.memory-row .address').first();
    await bench.eventually(() => first.innerText(), /0x00300000$/, 'where it points');
    await expect.poll(() => memory.locator('[aria-pressed=true]', { hasText: 'gva' }).count()).toBe(1);
  });

  it('is compared with another moment: what was written since is said', async () => {
    const memory = bench.panel('memory');
    await goTo('gpa:300000');
    await memory.getByRole('button', { name: 'Compare with another moment' }).click();
    await memory.getByRole('button', { name: 'what is in sight' }).click();
    await memory.getByRole('button', { name: 'Compare with now' }).waitFor();
    await memory.locator('.cell.byte').first().click();
    await umbra.page.keyboard.type('00');
    await memory.getByRole('button', { name: 'Compare with now' }).click();
    await bench.eventually(() => bench.reading('memory-differences'), /1/, 'what differs');
    await memory.getByRole('button', { name: 'Forget what was kept' }).click();
  });

  it('is watched, and still is after a reload', async () => {
    const memory = bench.panel('memory');
    const link = bench.panel('registers').locator('[data-register=rip] .value');
    await link.click({ button: 'right' });
    await umbra.page.getByRole('menuitem', { name: 'Watch it' }).click();
    const watches = memory.getByRole('region', { name: 'Watched places' });
    await bench.eventually(() => watches.innerText(), /gva/, 'the watch');
    await umbra.page.reload();
    await bench.waitForState('paused');
    await bench.open('memory');
    await bench.eventually(() => watches.innerText(), /gva/, 'the watch after the reload');
    await watches.getByRole('button', { name: 'Watch it no more' }).click();
    await watches.waitFor({ state: 'detached' });
  });
});

describe('a port of a device', () => {
  it('is followed to a peek at it, described, and made a breakpoint', async () => {
    const devices = await bench.open('devices');
    const port = devices.locator('tr', { hasText: '16550 UART' }).getByRole('link').first();
    await port.focus();
    await bench.eventually(() => umbra.page.getByRole('tooltip').innerText(), /of the 16550 UART/, 'whose it is');
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(() => bench.reading('peeked-ports'), /^0x03f8: [0-9a-f]{2} /, 'what reads would give');
    await umbra.page.keyboard.press('Shift+F10');
    await umbra.page.getByRole('menu', { name: 'port 0x3f8' }).waitFor();
    await umbra.page.getByRole('menuitem', { name: 'Break on accesses of it' }).click();
    const list = (await bench.open('breakpoints')).locator('li');
    await bench.eventually(async () => (await list.allInnerTexts()).join(' '), /port 0x3f8/, 'the breakpoint');
    await bench.command('Remove all breakpoints');
  });
});

describe('the serial terminal', () => {
  it('takes the letters of a shell, and leaves the workbench its own keys', async () => {
    await bench.open('serial');
    await bench.panel('serial').locator('.xterm-helper-textarea').focus();
    const before = await umbra.page.locator('[data-tab]').count();
    // Ctrl+W closes a panel elsewhere; here it is the guest's.
    await umbra.page.keyboard.press('Control+W');
    await umbra.page.keyboard.press('Control+P');
    await umbra.page.getByRole('combobox', { name: 'Go to anything' }).waitFor();
    // Whatever Ctrl+W would have done is done by now.
    expect(await umbra.page.locator('[data-tab]').count()).toBe(before);
    await umbra.page.keyboard.press('Escape');
    await bench.panel('serial').locator('.xterm-helper-textarea').focus();
    const insns = await bench.reading('insns');
    await umbra.page.keyboard.press('F11');
    await bench.eventually(() => bench.reading('insns'), new RegExp(`^(?!${insns}$)`), 'a step');
    await umbra.page.keyboard.press('Shift+Tab');
    await expect
      .poll(() => umbra.page.evaluate(() => document.activeElement?.closest('[data-terminal]') ?? null))
      .toBeNull();
  });

  it('has made no noise on the console', () => expect(umbra.pageErrors).toEqual([]));
});
