/** Every number that is a place can be followed, wherever it stands; it says what it is, and what can be done with it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { PanelName, Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;

const BREAKS = [
  'break mmio:0xe0000000+0x1000:read:fresh',
  'break exec:0x100034',
  'break spte:0xe0000000',
  'break gpte:0x1000+0x1000',
  'break zap:any',
];
const LOOKS = ['walk 0xe0000000', 'rmap 0x100', 'slots', 'sptes mmio', 'mmio log 3', 'trace show 5', 'generation'];

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page, { width: 1920, height: 1080 });
  await bench.runAWhile();
  const { keyboard } = umbra.page;
  await bench.open('console');
  await bench.panel('console').getByRole('combobox').focus();
  const changes = ['trace enable kvmmmu:* kvm:*', 'slots add slot=5 gpa=0xe8000000 size=4K hva=ram', 'continue 200000'];
  for (const line of [...BREAKS.slice(1), ...changes, BREAKS[0], 'continue']) {
    await keyboard.type(line);
    await keyboard.press('Enter');
    await bench.waitForState('paused');
  }
  for (const line of LOOKS) {
    await keyboard.type(line);
    await keyboard.press('Enter');
  }
  await bench
    .panel('console')
    .getByText(/wraps at/)
    .waitFor();
});
afterAll(() => umbra.close());

/** Words that say what the number behind them is, with that number in the same text: nothing has made a link of it. */
async function unlinked(selector: string): Promise<readonly string[]> {
  return umbra.page.locator(selector).evaluate((root) => {
    const found: string[] = [];
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const { parentElement: element, textContent: text } = texts.currentNode;
      if (element === null || !element.checkVisibility()) continue;
      // What was typed, what the guest says, what a control is called.
      if (
        element.closest(
          '[role=link], button, select, label, .visually-hidden, [data-kind=input], .xterm, .cells, [class*=ink-]',
        )
      )
        continue;
      if (/\b(?:gva|gpa|hva|gfns?|rip|(?:MMIO|spte|its) generation(?: is)?) (?:\[)?0x[0-9a-f]/.test(text ?? ''))
        found.push(`${element.className}: ${text}`);
    }
    return found;
  });
}

const PANELS: readonly PanelName[] = [
  'disassembly',
  'registers',
  'memory',
  'memslots',
  'sptes',
  'mmio',
  'breakpoints',
  'generation',
  'statistics',
  'walk',
  'trace',
  'console',
  'screen',
  'devices',
];

describe('numbers that are places', () => {
  it.each(PANELS)('are links in the panel %s', async (name) => {
    const panel = await bench.open(name);
    const rows = panel.locator('.scroller').first();
    if ((await rows.count()) > 0) {
      await rows.focus();
      await umbra.page.keyboard.press('ArrowDown');
    }
    await expect.poll(() => unlinked(`[data-panel=${name}]`)).toEqual([]);
  });

  it('are links in the frame around the panels', async () => {
    await expect.poll(() => unlinked('.readings')).toEqual([]);
    const reason = umbra.page.locator('.readings .reason');
    await reason.getByRole('link', { name: '0xe0000000' }).click();
    await bench.open('walk');
    await bench.eventually(() => bench.panel('walk').innerText(), /EPT walk of gpa 0xe0000000/, 'the walk follows');
  });

  it('have a tooltip that decodes them, and a menu', async () => {
    const panel = await bench.open('breakpoints');
    const link = panel.getByRole('link', { name: '0xe0000000' }).first();
    await link.hover();
    const tip = umbra.page.getByRole('tooltip');
    await expect.poll(() => tip.innerText()).toMatch(/^gpa 0xe0000000\n[\s\S]*in no memslot: accesses are MMIO/);
    await link.click({ button: 'right' });
    const menu = umbra.page.getByRole('menu');
    for (const entry of ['Go to it in memory', 'Walk it through both trees', 'Break on MMIO faults of its page'])
      await menu.getByRole('menuitem', { name: entry }).waitFor();
    await umbra.page.keyboard.press('Escape');
    expect(umbra.pageErrors).toEqual([]);
  });

  it('that are no places open their menu when they are followed', async () => {
    await bench.open('generation');
    await bench.panel('generation').locator('[data-reading=generation-current]').click();
    await umbra.page.getByRole('menuitem', { name: 'Copy as decimal' }).waitFor();
    await umbra.page.keyboard.press('Escape');
  });
});
