/** Every panel and every dialog by axe-core's rules for WCAG 2.1 A and AA, dark and light, in a small and a large window. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { workbench } from './workbench.ts';
import type { PanelName, Workbench } from './workbench.ts';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];
/** Rules for documents with headings and landmarks to jump by, which a workbench of panels is not. */
const NOT_FOR_A_WORKBENCH = ['region', 'page-has-heading-one', 'heading-order'];

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
];
const SCHEMES = ['dark', 'light'] as const;
const SIZES = [
  { width: 1280, height: 800 },
  { width: 1920, height: 1080 },
] as const;

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = workbench(umbra.page);
  await bench.waitForState('paused');
  await umbra.page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
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

/** @returns one line for each element that breaks a rule */
async function complaints(selector: string): Promise<readonly string[]> {
  const { violations } = await umbra.page.evaluate(
    ({ element, rules, without }) =>
      Reflect.get(globalThis, 'axe').run(element, {
        runOnly: rules,
        rules: Object.fromEntries(without.map((rule: string) => [rule, { enabled: false }])),
      }) as Promise<AxeResults>,
    { element: selector, rules: RULES, without: NOT_FOR_A_WORKBENCH },
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(
      ({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary?.split('\n').at(1)?.trim()}`,
    ),
  );
}

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

    it.each([
      ['the palette', 'Control+Shift+P'],
      ['go to', 'Control+P'],
      ['open an image', 'Control+O'],
    ])('the dialog “%s” breaks no rule', async (_title, key) => {
      await umbra.page.keyboard.press(key);
      await umbra.page.getByRole('dialog').first().waitFor();
      await umbra.page.waitForTimeout(150);
      expect(await complaints('[role=dialog], dialog')).toEqual([]);
      await umbra.page.keyboard.press('Escape');
      await umbra.page.getByRole('dialog').first().waitFor({ state: 'detached' });
    });
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
