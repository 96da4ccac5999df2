/** The workbench as a test uses it: by what is on screen and by nothing else. */
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { dress } from './harness.ts';
import type { Look } from './harness.ts';

export type PanelName =
  | 'disassembly'
  | 'registers'
  | 'memory'
  | 'memslots'
  | 'sptes'
  | 'mmio'
  | 'breakpoints'
  | 'generation'
  | 'serial'
  | 'statistics'
  | 'walk'
  | 'screen'
  | 'console'
  | 'start'
  | 'trace'
  | 'devices';

export interface Workbench {
  /** Brings a panel to the front. */
  open(panel: PanelName): Promise<Locator>;
  panel(panel: PanelName): Locator;
  /** The text of a reading: `reading('insns')`. */
  reading(name: string): Promise<string>;
  waitForState(state: string): Promise<void>;
  /** Waits until `read` gives what `expected` says. */
  eventually(read: () => Promise<string>, expected: RegExp, what: string): Promise<void>;
  /** Instructions retired, as the run bar shows them. */
  insns(): Promise<number>;
  /** Lets the guest go on for a good while, on a slow machine too, and pauses it. */
  runAWhile(): Promise<void>;
  serialText(): Promise<string>;
  /** Fills a field of a form and leaves it. */
  fill(panel: PanelName, field: string, text: string): Promise<void>;
  /** Chooses from the palette by words of the command, by keys alone. */
  command(words: string): Promise<void>;
}

const PATIENCE = 20_000;
/** Longer than the demo guest needs from its first instruction to its first poll. */
const A_WHILE = 1_000_000;

export function workbench(page: Page): Workbench {
  const panel = (name: PanelName): Locator => page.locator(`[data-panel=${name}]`);

  async function eventually(read: () => Promise<string>, expected: RegExp, what: string): Promise<void> {
    await expect.poll(read, { timeout: PATIENCE, interval: 100, message: what }).toMatch(expected);
  }

  const reading = async (name: string): Promise<string> =>
    (await page.locator(`[data-reading=${name}]`).first().innerText()).trim();
  const insns = async (): Promise<number> => Number((await reading('insns')).replaceAll(/\D/g, ''));
  async function waitForState(state: string): Promise<void> {
    await page.locator(`.workbench[data-state=${state}]`).waitFor({ timeout: PATIENCE });
  }

  return {
    panel,
    eventually,
    reading,
    insns,
    waitForState,
    async runAWhile() {
      const before = await insns();
      await page.keyboard.press('F5');
      // Not by `expect.poll`: set-up is no test.
      const end = Date.now() + PATIENCE;
      while ((await insns()) <= before + A_WHILE) {
        if (Date.now() > end) throw new Error('the guest does not run');
        await page.waitForTimeout(50);
      }
      await page.keyboard.press('F5');
      await waitForState('paused');
    },
    async open(name) {
      await page.locator(`[data-tab=${name}]`).click();
      await panel(name).waitFor();
      return panel(name);
    },
    serialText: () => panel('serial').locator('.xterm-rows').innerText(),
    async fill(name, field, text) {
      await panel(name).locator(`[name=${field}]`).fill(text);
    },
    async command(words) {
      const palette = page.getByRole('combobox', { name: 'Command', exact: true });
      await page.keyboard.press('Control+Shift+P');
      await palette.waitFor();
      await page.keyboard.type(words);
      await page.getByRole('dialog').locator('[role=option][aria-selected=true]').waitFor();
      await page.keyboard.press('Enter');
      await palette.waitFor({ state: 'detached' });
    },
  };
}

/** The workbench of a window that has just been opened, when its guest stands at the first instruction. */
export async function pausedWorkbench(
  page: Page,
  { width = 1600, height = 1000, colorScheme = 'dark' }: Partial<Look> = {},
): Promise<Workbench> {
  await dress(page, { width, height, colorScheme });
  const bench = workbench(page);
  await bench.waitForState('paused');
  return bench;
}
