/** Dialogs and the dock where somebody is faster than the machine, makes a mistake, or has closed everything. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeComplaints } from './axe.ts';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page, { width: 1280, height: 800 });
});
afterAll(() => umbra.close());

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);

/** From now on the engine takes so long for these. */
async function slowDown(names: readonly string[], milliseconds: number): Promise<void> {
  await umbra.app.evaluate(
    (_electron, [slow, time]) => {
      const engine = Reflect.get(globalThis, 'umbraEngine');
      const request = Object.getPrototypeOf(engine).request.bind(engine);
      engine.request = async (name: string, params: unknown) => {
        if (slow.includes(name)) await new Promise((resolve) => setTimeout(resolve, time));
        return request(name, params);
      };
    },
    [names, milliseconds] as const,
  );
}

describe('going to anything while the engine is slow', () => {
  const dialog = () => umbra.page.getByRole('dialog', { name: 'Go to' });

  it('goes to a symbol that is found after Enter', async () => {
    await slowDown(['symbols.search', 'registers.read', 'sptes.rows'], 1500);
    await press('Control+P');
    await dialog().waitFor();
    await umbra.page.keyboard.type('poll_write');
    await press('Enter');
    await dialog().getByText('Looking…').waitFor();
    await dialog().waitFor({ state: 'detached' });
    await bench.eventually(() => bench.panel('disassembly').innerText(), /poll_write:/, 'its code is shown');
  });

  it('goes to a slot though nothing else is known yet', async () => {
    await press('Control+P');
    await umbra.page.keyboard.type('slot 1');
    await press('Enter');
    await dialog().waitFor({ state: 'detached' });
    await bench.panel('memslots').locator('.table-row[aria-selected=true][data-slot="1"]').waitFor();
  });

  it('says that there is nothing when everything was answered', async () => {
    await press('Control+P');
    await umbra.page.keyboard.type('qqzzqq');
    await press('Enter');
    await bench.eventually(() => dialog().innerText(), /Nothing of this machine is called that/, 'why it stays');
    await press('Escape');
    await dialog().waitFor({ state: 'detached' });
    await slowDown([], 0);
  });
});

describe('the options of a machine', () => {
  it.each([
    ['mem', 'zebra', /a size such as 128M/],
    ['vcpus', '99', /a number from 1 to 8/],
    ['maxphyaddr', '7', /a number from 32 to 52/],
  ])('marks %s, gives it the keyboard, and says why', async (field, wrong, why) => {
    await press('Control+O');
    const dialog = umbra.page.getByRole('dialog', { name: 'Open an image' });
    const input = dialog.locator(`[name=${field}]`);
    const right = await input.inputValue();
    await input.fill(wrong);
    await dialog.locator('[name=append]').focus();
    await press('Enter');
    const problem = dialog.getByRole('alert');
    await bench.eventually(() => problem.innerText(), why, 'the reason');
    expect(await dialog.locator('[aria-invalid=true]').getAttribute('name')).toBe(field);
    expect(await input.getAttribute('aria-describedby')).toBe(await problem.getAttribute('id'));
    expect(await umbra.page.evaluate(() => document.activeElement?.getAttribute('name'))).toBe(field);
    expect(await axeComplaints(umbra.page, 'dialog')).toEqual([]);
    await input.fill(right);
    await problem.waitFor({ state: 'detached' });
    expect(await dialog.locator('[aria-invalid=true]').count()).toBe(0);
    await press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });

  it('say what the guest does, and give it the vCPUs that it needs', async () => {
    await press('Control+O');
    const dialog = umbra.page.getByRole('dialog', { name: 'Open an image' });
    await dialog.locator('[name=guest]').selectOption('smp');
    await bench.eventually(() => bench.reading('guest-sentence'), /^Several vCPUs/, 'the sentence');
    expect(await dialog.locator('[name=vcpus]').inputValue()).toBe('2');
    await press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });
});

describe('the dock', () => {
  const box = async (panel: string) => umbra.page.locator(`[data-panel=${panel}]`).boundingBox();

  it('shows the tab in front, however many there are', async () => {
    await press('Alt+w');
    for (let n = 2; n <= 6; n++) {
      await press('Control+K');
      await press('Alt+w');
      await umbra.page.locator(`[data-tab=walk-${n}]`).waitFor();
    }
    const isWhole = (): Promise<boolean> =>
      umbra.page.locator('[data-tab=walk-6]').evaluate((element) => {
        const tab = element.closest('.dv-tab')?.getBoundingClientRect();
        const seen = element.closest('.dv-tabs-container')?.getBoundingClientRect();
        return tab !== undefined && seen !== undefined && tab.left >= seen.left - 1 && tab.right <= seen.right + 1;
      });
    await expect.poll(isWhole).toBe(true);
    await umbra.screenshot('dock-many-tabs');
    for (let n = 2; n <= 6; n++) await press('Control+w');
  });

  it('gives every group its share back, though the window was made larger and smaller meanwhile', async () => {
    await press('Alt+h');
    await bench.panel('start').waitFor();
    const before = await box('registers');
    await press('Control+m');
    await bench.panel('registers').waitFor({ state: 'hidden' });
    for (const width of [1920, 1280]) {
      await umbra.page.setViewportSize({ width, height: width === 1280 ? 800 : 1080 });
      await umbra.page.waitForTimeout(200);
    }
    await press('Control+m');
    await bench.panel('registers').waitFor();
    await expect
      .poll(async () => Math.abs(((await box('registers'))?.width ?? 0) - (before?.width ?? 0)) < 4)
      .toBe(true);
  });

  it('says the ways back when the last panel was closed', async () => {
    const groups = () => umbra.page.locator('[data-tab]').count();
    while ((await groups()) > 0) {
      await umbra.page.locator('[data-tab]').first().click({ button: 'middle' });
    }
    const ways = umbra.page.getByRole('region', { name: 'No panel is open' });
    await ways.waitFor();
    expect(await axeComplaints(umbra.page, '.watermark')).toEqual([]);
    await umbra.screenshot('dock-empty');
    await ways.getByRole('button', { name: /Reset the layout/ }).click();
    await bench.panel('disassembly').waitFor();
    await ways.waitFor({ state: 'detached' });
  });

  it('has made no noise on its console', () => {
    expect(umbra.pageErrors).toEqual([]);
  });
});
