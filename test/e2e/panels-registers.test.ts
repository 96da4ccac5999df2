/** Registers in the real window: bits by name, what KVM refuses in place, undo, and several vCPUs that the panels follow. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page, { colorScheme: 'light' });
});
afterAll(() => umbra.close());

/** Loads a guest with options, and lets it get to 64-bit mode where it is going there. */
async function load(fields: Readonly<Record<string, string>>): Promise<void> {
  await umbra.page.keyboard.press('Control+O');
  const dialog = umbra.page.getByRole('dialog', { name: 'Open an image' });
  for (const [name, value] of Object.entries(fields)) {
    const field = dialog.locator(`[name=${name}]`);
    if ((await field.evaluate((element) => element.tagName)) === 'SELECT') await field.selectOption(value);
    else await field.fill(value);
  }
  await dialog.getByRole('button', { name: 'Load' }).click();
  await dialog.waitFor({ state: 'detached' });
  await bench.eventually(() => bench.reading('insns'), /^0$/, 'a new machine');
}

const register = (name: string) => bench.panel('registers').locator(`[data-register=${name}]`);

describe('control registers', () => {
  it('have bits that are switched by name, and taken back', async () => {
    await load({ guest: 'poller', era: 'v6.8', append: 'mode=long' });
    await bench.runAWhile();
    await bench.open('registers');
    const smep = register('cr4').locator('[data-bit=SMEP]');
    await expect.poll(() => smep.getAttribute('aria-pressed')).toBe('false');
    await smep.click();
    await register('cr4').locator('[data-bit=SMEP][aria-pressed=true]').waitFor();
    await umbra.page.keyboard.press('Control+Z');
    await register('cr4').locator('[data-bit=SMEP][aria-pressed=false]').waitFor();
  });

  it('say in place what KVM refuses, with its errno', async () => {
    await register('cr4').locator('[data-bit=PAE]').click();
    await bench.eventually(
      () => register('cr4').getByRole('alert').innerText(),
      /EINVAL: cr4: with EFER\.LME and CR0\.PG set, CR4\.PAE must be set\./,
      'the refusal',
    );
    await expect.poll(() => register('cr4').locator('[data-bit=PAE]').getAttribute('aria-pressed')).toBe('true');
    await umbra.screenshot('26-register-refused');
  });

  it('lead to what they point to, and describe it', async () => {
    await register('cr3').locator('.value').hover();
    await umbra.page.getByRole('tooltip').waitFor();
    await expect.poll(() => umbra.page.getByRole('tooltip').innerText()).toMatch(/^gpa/);
    await register('cr3').locator('.value').click({ button: 'right' });
    await umbra.page.getByRole('menuitem', { name: 'Go to it in memory' }).waitFor();
    await umbra.page.keyboard.press('Escape');
  });

  it('are edited by two clicks, which lead nowhere, and followed by one', async () => {
    const rsp = register('rsp').locator('.value');
    await rsp.dblclick();
    await register('rsp').locator('input').waitFor();
    await umbra.page.keyboard.press('Escape');
    // Longer than anybody's two clicks are apart.
    await umbra.page.waitForTimeout(600);
    expect(await rsp.getAttribute('class')).not.toContain('focused');
    await rsp.click();
    await register('rsp').locator('.value.focused').waitFor();
  });

  it('are gone through by the arrow keys, and followed by the space bar', async () => {
    await umbra.page.keyboard.press('Alt+1');
    await umbra.page.keyboard.press('Alt+2');
    const here = (): Promise<string> =>
      umbra.page.evaluate(
        () => document.activeElement?.closest('[data-register]')?.getAttribute('data-register') ?? '',
      );
    await expect.poll(here).toBe('rax');
    const passed: string[] = [];
    for (const key of ['ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowDown']) {
      await umbra.page.keyboard.press(key);
      passed.push(await here());
    }
    expect(passed).toEqual(['rcx', 'rbx', 'rdx', 'rsp']);
    await umbra.page.keyboard.press('Space');
    await register('rsp').locator('.value.focused').waitFor();
  });

  it('are named at the head of their menu', async () => {
    await register('rsp').locator('.value').click({ button: 'right' });
    await umbra.page.getByRole('menu', { name: /^rsp = 0x[0-9a-f]+$/ }).waitFor();
    await umbra.page.keyboard.press('Escape');
  });

  it('leave a machine that goes on', async () => {
    await bench.runAWhile();
    await expect.poll(() => umbra.page.locator('.workbench').getAttribute('data-state')).toBe('paused');
  });
});

describe('several vCPUs', () => {
  it('are chosen by the selector or a key, and every panel shows the chosen one', async () => {
    // Without op= it counts and is done within milliseconds: there would be nobody left to pause.
    await load({ guest: 'smp', vcpus: '2', era: 'patch', append: 'op=hammer' });
    await bench.runAWhile();
    await bench.open('registers');
    const header = () => bench.panel('registers').locator('header').innerText();
    await bench.eventually(header, /vCPU 0/, 'the first');
    await umbra.page.locator('.run-bar [name=vcpu]').selectOption('1');
    await bench.eventually(header, /vCPU 1/, 'the second');
    await umbra.page.locator('body').click({ position: { x: 700, y: 4 } });
    await umbra.page.keyboard.press('Alt+PageUp');
    await bench.eventually(header, /vCPU 0/, 'the first again');
    await umbra.screenshot('27-vcpus');
  });

  it('has made no noise on the console', () => expect(umbra.pageErrors).toEqual([]));
});
