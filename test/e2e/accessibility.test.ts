/** Every panel and every dialog by axe-core's rules for WCAG 2.1 A and AA, dark and light, in a small and a large window. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeComplaints } from './axe.ts';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { workbench } from './workbench.ts';
import type { PanelName, Workbench } from './workbench.ts';

const PANELS: readonly PanelName[] = [
  'disassembly',
  'registers',
  'memory',
  'memslots',
  'sptes',
  'mmio',
  'breakpoints',
  'generation',
  'serial',
  'statistics',
  'walk',
  'screen',
  'console',
  'trace',
  'devices',
  'start',
];
const SCHEMES = ['dark', 'light'] as const;
const SIZES = [
  { width: 1280, height: 800 },
  { width: 1920, height: 1080 },
] as const;

let umbra: LaunchedUmbra;
let bench: Workbench;

const byKey = (key: string) => () => umbra.page.keyboard.press(key);
const byName = (name: string) => async (): Promise<void> => {
  await umbra.page.keyboard.press('Control+Shift+P');
  await umbra.page.getByRole('combobox', { name: 'Command' }).fill(name);
  await umbra.page.keyboard.press('Enter');
  await umbra.page.getByRole('combobox', { name: 'Command' }).waitFor({ state: 'detached' });
};
const DIALOGS: readonly (readonly [string, () => Promise<void>])[] = [
  ['the palette', byKey('Control+Shift+P')],
  ['go to', byKey('Control+P')],
  ['open an image', byKey('Control+O')],
  ['keys', byKey('F1')],
  ['save the layout', byName('Save the layout as')],
];

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = workbench(umbra.page);
  await bench.waitForState('paused');
});
afterAll(() => umbra.close());

// What is not on screen cannot be found wanting.
it('every panel has something to show', async () => {
  const trace = await bench.open('trace');
  await trace.locator('[data-reading=trace-events]').click();
  await umbra.page.locator('input[name=kvm_mmio]').check();
  await umbra.page.keyboard.press('Escape');
  await umbra.page.keyboard.press('F5');
  await bench.eventually(() => trace.locator('.scroller').innerText(), /mmio (read|write)/, 'the guest has begun');
  await umbra.page.keyboard.press('F5');
  await bench.waitForState('paused');
  const walk = await bench.open('walk');
  await walk.locator('[name=walk-address]').fill('gpa:e0000000');
  await umbra.page.keyboard.press('Enter');
  await walk.locator('[data-reading=walk-kvm]').waitFor();
});

const complaints = (selector: string): Promise<readonly string[]> => axeComplaints(umbra.page, selector);

describe.each(SIZES)('in a window of $width × $height', (size) => {
  describe.each(SCHEMES)('%s', (colorScheme) => {
    beforeAll(async () => {
      await umbra.page.setViewportSize(size);
      await umbra.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await umbra.page.waitForTimeout(300);
    });

    it.each(PANELS)('the panel %s breaks no rule', async (name) => {
      await bench.open(name);
      await umbra.page.waitForTimeout(150);
      expect(await complaints(`[data-panel=${name}]`)).toEqual([]);
    });

    it('the frame around the panels breaks no rule', async () => {
      expect(await complaints('.workbench')).toEqual([]);
      await umbra.screenshot(`30-${colorScheme}-${size.width}`);
    });

    it.each(DIALOGS)('the dialog “%s” breaks no rule', async (_title, show) => {
      await show();
      await umbra.page.getByRole('dialog').first().waitFor();
      await umbra.page.waitForTimeout(150);
      expect(await complaints('[role=dialog], dialog')).toEqual([]);
      await umbra.page.keyboard.press('Escape');
      await umbra.page.getByRole('dialog').first().waitFor({ state: 'detached' });
    });
  });
});

describe.each(DIALOGS)('the dialog “%s” by keyboard', (_title, show) => {
  const focused = (): Promise<string> =>
    umbra.page.evaluate(() => {
      const { activeElement } = document;
      return `${activeElement?.tagName} ${activeElement?.getAttribute('aria-label') ?? activeElement?.className ?? ''}`;
    });
  const isInside = (): Promise<boolean> =>
    umbra.page.evaluate(() => document.activeElement?.closest('dialog, [role=dialog]') !== null);

  it('takes the focus, keeps it however often Tab is pressed, and gives it back after Escape', async () => {
    const generation = await bench.open('generation');
    await generation.getByRole('button', { name: 'Set', exact: true }).focus();
    const before = await focused();
    await show();
    const dialog = umbra.page.getByRole('dialog').first();
    await dialog.waitFor();
    await expect.poll(() => isInside()).toBe(true);
    for (const key of ['Tab', 'Shift+Tab']) {
      for (let n = 0; n < 12; n++) {
        await umbra.page.keyboard.press(key);
        // Between its last and its first element Chromium stops at the document itself, once, and nowhere behind the dialog.
        if (!(await isInside())) expect(await focused(), key).toMatch(/^(BODY|HTML)/);
      }
    }
    await umbra.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await expect.poll(() => focused()).toBe(before);
  });
});

describe('less motion', () => {
  it('stops every animation and transition where somebody asks for it', async () => {
    await umbra.page.emulateMedia({ reducedMotion: 'reduce' });
    for (const name of PANELS) {
      await bench.open(name);
      const moving = await umbra.page.evaluate(() =>
        [...document.querySelectorAll('*')]
          .filter((element) => {
            const { animationName, transitionDuration } = getComputedStyle(element);
            return (
              animationName !== 'none' || transitionDuration.split(', ').some((time) => Number.parseFloat(time) > 0)
            );
          })
          .map((element) => `${element.tagName} ${element.className}`),
      );
      expect(moving, name).toEqual([]);
    }
  });
});

describe.each(SCHEMES)('what is not always there, %s', (colorScheme) => {
  beforeAll(async () => {
    await umbra.page.setViewportSize({ width: 1280, height: 800 });
    await umbra.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await umbra.page.waitForTimeout(300);
  });

  it.each(['exec', 'data', 'mmio', 'page-fault', 'spte', 'memslot'])(
    'the editor of a breakpoint “%s”',
    async (kind) => {
      const panel = await bench.open('breakpoints');
      if ((await panel.locator('[name=kind]').count()) === 0) {
        await panel.getByRole('button', { name: 'Add' }).first().click();
      }
      await panel.locator('[name=kind]').selectOption(kind);
      expect(await complaints('[data-panel=breakpoints]')).toEqual([]);
    },
  );

  it('the page of a laboratory', async () => {
    const start = await bench.open('start');
    await start.locator('[data-lab=stale-spte]').click();
    expect(await complaints('[data-panel=start]')).toEqual([]);
    await start.getByRole('button', { name: 'Start page' }).click();
  });

  it('the race player in the middle of a script', async () => {
    const start = await bench.open('start');
    await start.locator('[data-race=corrupt-spte]').click();
    await start.getByRole('button', { name: 'Play' }).click();
    for (let n = 0; n < 4; n++) await start.locator('[data-action=race-next]').click();
    await start.locator('[data-step=installed]').waitFor();
    await start.getByText('Script', { exact: false }).first().click();
    expect(await complaints('[data-panel=start]')).toEqual([]);
    await start.getByRole('button', { name: 'Start page' }).click();
  });

  it('a memslot update in flight', async () => {
    const panel = await bench.open('memslots');
    await panel.getByRole('button', { name: 'New slot' }).click();
    await panel.locator('[data-action=hold]').click();
    await panel.locator('[data-action=hold-step]').click();
    await bench.eventually(
      async () => (await panel.locator('[data-step=installed]').getAttribute('data-place')) ?? '',
      /done/,
      'a step',
    );
    expect(await complaints('.workbench')).toEqual([]);
    await panel.locator('[data-action=hold-finish]').click();
    await panel.getByText('The update has returned').waitFor();
    await umbra.page.keyboard.press('Control+Z');
  });

  it('a notice, and the crash of the engine', async () => {
    await umbra.crashEngine();
    await umbra.page.getByRole('alert', { name: 'Engine crashed' }).waitFor();
    await umbra.page.waitForTimeout(150);
    expect(await complaints('.workbench')).toEqual([]);
    await umbra.page.getByRole('button', { name: 'Start again' }).click();
    await bench.waitForState('paused');
  });
});

describe('the spte inspector’s other faces', () => {
  it.each(['Shadow pages', 'Decode'])('“%s” breaks no rule', async (face) => {
    const sptes = await bench.open('sptes');
    await sptes.getByRole('button', { name: face }).click();
    if (face === 'Decode') {
      await sptes
        .locator('[name=raw-spte]')
        .fill(
          'mark_mmio_spte: sptep:ffff8800371a2f00 gfn fee00 access 6 gen 7ff69\nnothing of KVM\n------ spte 0x8913827 level 2.',
        );
      await sptes.locator('[data-reading=log-counts]').waitFor();
    }
    expect(await complaints('[data-panel=sptes]')).toEqual([]);
    await umbra.screenshot(`31-sptes-${face.toLowerCase().replaceAll(' ', '-')}`);
  });
});
