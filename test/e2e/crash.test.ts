/** The engine is another thread: when it dies, the window says so and starts a new one. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inProject } from '../../scripts/project-root.mjs';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { workbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = workbench(umbra.page);
  await bench.waitForState('paused');
});
afterAll(() => umbra.close());

/** Somewhere in `hello`, behind its first instruction. */
const SYMBOL = 'guest_main';

it('keeps an opened image, its options and its words over a reload of the page', async () => {
  await umbra.page.keyboard.press('Control+O');
  const dialog = umbra.page.getByRole('dialog', { name: 'Open an image' });
  await dialog.locator('[name=image]').setInputFiles(inProject('electron/guests/hello.elf'));
  await dialog.locator('[name=append]').fill('mode=flat');
  await dialog.getByRole('button', { name: 'Load' }).click();
  await dialog.waitFor({ state: 'detached' });
  await umbra.page.keyboard.press('F5');
  await bench.waitForState('exited');
  await umbra.page.reload();
  await bench.waitForState('exited');
  await bench.eventually(bench.serialText, /^Hello from(?![\s\S]*Hello)/, 'what it said, once');
  await umbra.page.keyboard.press('Control+O');
  await expect.poll(() => dialog.locator('[name=append]').inputValue()).toBe('mode=flat');
  await dialog.locator('[name=mmu]').selectOption('npt');
  await dialog.getByRole('button', { name: 'Load' }).click();
  await dialog.waitFor({ state: 'detached' });
  await bench.waitForState('paused');
  const statusBar = umbra.page.locator('.status-bar');
  await bench.eventually(() => statusBar.innerText(), /hello\.elf\s+NPT/, 'the same image with other options');
});

it('leaves the window alive, says what happened, and starts again', async () => {
  const breakpoints = await bench.open('breakpoints');
  await breakpoints.getByRole('button', { name: 'Add' }).first().click();
  await breakpoints.locator('[name=kind]').selectOption('exec');
  await bench.fill('breakpoints', 'place', SYMBOL);
  await breakpoints.locator('button[type=submit]').click();
  await breakpoints.locator('[data-breakpoint="1"]').waitFor();
  await umbra.crashEngine();
  const notice = umbra.page.getByRole('alert', { name: 'Engine crashed' });
  await notice.waitFor();
  await bench.waitForState('crashed');
  await expect.poll(() => notice.innerText()).toMatch(/crash/i);
  // What was seen last stays on screen, and what needs the engine is off.
  await expect.poll(() => bench.panel('disassembly').locator('[aria-current=true]').count()).toBe(1);
  await umbra.screenshot('08-crashed');
  await notice.getByRole('button', { name: 'Start again' }).click();
  await bench.waitForState('paused');
  await expect.poll(() => notice.count()).toBe(0);
  await umbra.page.keyboard.press('F11');
  await bench.eventually(() => bench.reading('insns'), /^1$/, 'the new engine runs');
  await expect.poll(() => umbra.page.locator('.status-bar').innerText()).toMatch(/hello\.elf\s+NPT/);
  await expect.poll(() => umbra.page.locator('.status-bar .problem').count()).toBe(0);
  await expect.poll(() => breakpoints.locator('[data-breakpoint="1"]').innerText()).toContain(SYMBOL);
  await umbra.page.keyboard.press('F5');
  const reason = umbra.page.locator('.run-bar .reason');
  await bench.eventually(() => reason.innerText(), /breakpoint 1 at/, 'the breakpoint is armed in the new engine');
});
