/**
 * Every panel in a state that has something to say, in every look: pictures for the eye, and what can be measured of them without
 * one. Text that does not fit can be read in a tooltip, nothing is pushed out of its panel, and no scroll bar stands in another.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dress, launchUmbra, LOOKS } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { PanelName, Workbench } from './workbench.ts';

/** The page that the demo guest polls. */
const POLLED = 'e0000000';

/** Both sizes and both schemes; every pair of them costs too much for each day. */
const SEEN = LOOKS.filter(({ width, colorScheme }) => width < 1500 === (colorScheme === 'dark'));

let umbra: LaunchedUmbra;
let bench: Workbench;

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page);
});
afterAll(() => umbra.close());

/** @returns what is wrong with how the window is laid out, a line for each element */
const flaws = (): Promise<readonly string[]> =>
  umbra.page.evaluate(() => {
    const found = new Set<string>();
    const isShown = (element: Element): boolean =>
      element.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true });
    const nameOf = (element: Element): string => {
      const panel = element.closest('[data-panel]')?.getAttribute('data-panel') ?? 'frame';
      const text = (element.textContent ?? '').trim().replaceAll(/\s+/g, ' ').slice(0, 50);
      return `${panel}: ${element.tagName.toLowerCase()}.${[...element.classList].join('.')} “${text}”`;
    };
    const scrolls = (element: Element): boolean =>
      /auto|scroll/.test(getComputedStyle(element).overflowY) && element.scrollHeight > element.clientHeight + 1;
    for (const element of document.querySelectorAll('.workbench *, dialog *')) {
      if (!(element instanceof HTMLElement) || !isShown(element) || element.clientWidth < 2) continue;
      const { overflowX } = getComputedStyle(element);
      const hasText = [...element.childNodes].some(
        (node) => node.nodeType === 3 && (node.textContent ?? '').trim() !== '',
      );
      const isCut = element.scrollWidth > element.clientWidth + 1;
      if (isCut && overflowX === 'hidden' && element.closest('.xterm') === null) {
        if (element.tagName === 'HEADER') found.add(`header cut off: ${nameOf(element)}`);
        else if (hasText && element.closest('[title]:not([title=""])') === null)
          found.add(`cut off without a tooltip: ${nameOf(element)}`);
      }
      // A console and a screen of 80 columns are as wide as they are.
      const isPanned = isCut && /auto|scroll/.test(overflowX) && !element.matches('textarea, .transcript, .frame');
      if (isPanned) found.add(`has to be scrolled sideways: ${nameOf(element)}`);
      // A text that is edited has to scroll by itself.
      if (scrolls(element) && element.tagName !== 'TEXTAREA') {
        for (let outer = element.parentElement; outer !== null; outer = outer.parentElement) {
          if (scrolls(outer)) found.add(`scrolls inside of ${nameOf(outer).slice(0, 40)}: ${nameOf(element)}`);
        }
      }
      if (element instanceof HTMLButtonElement && hasText && element.scrollWidth > element.clientWidth + 1)
        found.add(`label of a button cut off: ${nameOf(element)}`);
    }
    return [...found];
  });

async function look(name: string): Promise<void> {
  const wrong: string[] = [];
  for (const each of SEEN) {
    await dress(umbra.page, each);
    await umbra.page.waitForTimeout(350);
    await umbra.screenshot(`look-${name}-${each.width}-${each.colorScheme}`);
    wrong.push(...(await flaws()).map((flaw) => `${each.width} ${flaw}`));
  }
  if (process.env['LOOKS_REPORT']) console.log([name, ...new Set(wrong)].join('\n  '));
  else expect([...new Set(wrong)]).toEqual([]);
}

async function front(...panels: readonly PanelName[]): Promise<void> {
  for (const panel of panels) await bench.open(panel);
}

describe('the demo guest at an MMIO fault', () => {
  it('stands there', async () => {
    const trace = await bench.open('trace');
    await trace.locator('[data-reading=trace-events]').click();
    for (const name of ['kvm_mmio', 'mark_mmio_spte', 'check_mmio_spte', 'kvm_exit']) {
      await umbra.page.locator(`input[name=${name}]`).check();
    }
    await press('Escape');
    await press('F5');
    await bench.eventually(() => bench.serialText(), /is MMIO at poll/, 'the guest polls');
    await press('F5');
    await bench.waitForState('paused');
    await bench.open('console');
    await bench.panel('console').getByRole('combobox').focus();
    for (const line of [`break mmio:0x${POLLED}+0x1000:read`, 'slots', `walk 0x${POLLED}`]) {
      await umbra.page.keyboard.type(line);
      await press('Enter');
    }
    await press('F5');
    await bench.eventually(() => umbra.page.locator('.run-bar .reason').innerText(), /breakpoint 1: MMIO/, 'the fault');
    await bench.waitForState('paused');
  });

  it('in its default layout', async () => {
    await front('serial', 'memslots', 'registers', 'sptes', 'generation', 'disassembly');
    await look('01-default');
  });
  it('with console, memory, statistics, MMIO faults, breakpoints', async () => {
    await front('console', 'memory', 'statistics', 'mmio', 'breakpoints');
    await look('02-second');
  });
  it('with screen, start page and walk', async () => {
    await front('screen', 'start', 'walk');
    await bench.fill('walk', 'walk-address', `gva:${POLLED}`);
    await bench.panel('walk').locator('[name=walk-address]').press('Enter');
    await bench.panel('walk').locator('[data-reading=walk-kvm]').waitFor();
    await look('03-third');
  });
  it('with trace and devices', async () => {
    await front('trace', 'devices');
    await look('04-fourth');
  });
  it('walking where nothing is', async () => {
    const walk = await bench.open('walk');
    await walk.locator('[name=walk-address]').fill('gva:ffff800000000000');
    await press('Enter');
    await walk.locator('[name=walk-access]').selectOption('write');
    await walk.locator('[name=walk-privilege]').selectOption('user');
    await look('05-walk-fails');
  });
  it('with an edit of a breakpoint that does not parse', async () => {
    const panel = await bench.open('breakpoints');
    await panel.getByRole('button', { name: 'Add' }).first().click();
    await panel.locator('[name=kind]').selectOption('mmio');
    await panel.locator('[name=start]').fill('zebra');
    await panel.locator('[name=condition]').fill('rax == && 3');
    await panel.locator('button[type=submit]').click();
    await look('06-breakpoint-error');
    await press('Escape');
  });
  it('with staged memslot changes', async () => {
    const panel = await bench.open('memslots');
    await panel.getByRole('button', { name: 'New slot' }).click();
    await bench.fill('memslots', 'gpa', `0x${POLLED}`);
    await panel.locator('[data-verdict=future-report]').waitFor();
    await look('07-slot-editor');
    await panel.locator('[data-action=stage]').click();
    await panel.locator('[data-staged="2"]').waitFor();
    await look('08-staged');
  });
  it('with a kernel log to decode', async () => {
    const sptes = await bench.open('sptes');
    await sptes.getByRole('button', { name: 'Decode' }).click();
    await sptes
      .locator('[name=raw-spte]')
      .fill(
        [
          'mark_mmio_spte: sptep:ffff8800371a2f00 gfn fee00 access 6 gen 7ff69',
          'check_mmio_spte: spte ffff8800feb00006 kvm_gen 2 spte-gen 1 valid 0',
          'nothing of KVM',
          '------ spte 0x8913827 level 2.',
        ].join('\n'),
      );
    await sptes.locator('[data-reading=log-counts]').waitFor();
    await look('09-decoder');
    await sptes.getByRole('button', { name: 'Shadow pages' }).click();
    await look('10-shadow-pages');
  });
  it('with a race in the middle of its script', async () => {
    const start = await bench.open('start');
    await start.locator('[data-race=corrupt-spte]').click();
    await look('11-race-page');
    await start.getByRole('button', { name: 'Play' }).click();
    for (let n = 0; n < 4; n++) await start.locator('[data-action=race-next]').click();
    await start.locator('[data-step=installed]').waitFor();
    await look('12-race-player');
    await start.getByRole('button', { name: 'Start page' }).click();
    await start.locator('[data-lab=stale-spte]').click();
    await look('13-lab-page');
    await start.getByRole('button', { name: 'Start page' }).click();
  });
});

describe('what comes over the panels', () => {
  it.each([
    ['palette', 'Control+Shift+P'],
    ['go-to', 'Control+P'],
    ['open', 'Control+O'],
    ['keys', 'F1'],
  ])('%s', async (name, key) => {
    await press(key);
    await umbra.page.getByRole('dialog').first().waitFor();
    if (name === 'go-to') await umbra.page.keyboard.type('main');
    await look(`20-${name}`);
    await press('Escape');
    await umbra.page.getByRole('dialog').first().waitFor({ state: 'detached' });
  });
  it('a menu of a number, and its tooltip', async () => {
    await front('registers');
    const value = bench.panel('registers').locator('[data-register=rip] .value');
    for (const each of SEEN) {
      await dress(umbra.page, each);
      await value.hover();
      await umbra.page.getByRole('tooltip').waitFor();
      await umbra.screenshot(`look-21-tooltip-${each.width}-${each.colorScheme}`);
      await value.click({ button: 'right' });
      await umbra.page.getByRole('menu').waitFor();
      await umbra.screenshot(`look-22-menu-${each.width}-${each.colorScheme}`);
      await press('Escape');
      await umbra.page.mouse.move(700, 4);
    }
  });
});

// A storm leaves a picture little time on a busy machine.
describe('a storm of sptes', { timeout: 180_000 }, () => {
  it('fills the inspector', async () => {
    await press('Control+O');
    const dialog = umbra.page.getByRole('dialog', { name: 'Open an image' });
    await dialog.locator('[name=guest]').selectOption('storm');
    await dialog.locator('[name=append]').fill('pages=20000 passes=100000');
    await dialog.getByRole('button', { name: 'Load' }).click();
    await dialog.waitFor({ state: 'detached' });
    await front('sptes', 'memslots', 'generation', 'statistics', 'serial');
    await press('F5');
    await bench.waitForState('running');
    await bench.eventually(() => bench.reading('insns'), /\d.\d{3}.\d{3}/, 'it has stormed for a while');
  });
  it('looks well while it goes on', () => look('30-storm-running'));
  it('looks well at a stop', async () => {
    await press('F5');
    await umbra.page.locator('.workbench:not([data-state=running])').waitFor();
    await bench.panel('sptes').getByRole('button', { name: 'Sptes' }).click();
    await look('31-storm');
  });
  it('looks well in the log of faults', async () => {
    await front('mmio');
    await look('32-storm-mmio');
  });

  it('has made no noise on the console', () => expect(umbra.pageErrors).toEqual([]));
});
