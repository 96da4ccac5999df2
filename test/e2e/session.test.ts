/**
 * The session that the program exists for, in the real window: stop at an MMIO fault, read the generation of its spte, put
 * memory under the gpa, see the spte turn stale, go on and see the access reach RAM.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { workbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

/** The page that the demo guest polls. */
const POLLED = '0xe0000000';

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  await umbra.page.setViewportSize({ width: 1600, height: 1000 });
  bench = workbench(umbra.page);
});
afterAll(() => umbra.close());

describe('a session with the demo guest', () => {
  it('starts paused at its first instruction', async () => {
    await bench.waitForState('paused');
    await expect.poll(() => bench.reading('insns')).toBe('0');
    await bench.panel('disassembly').locator('[aria-current=true]').waitFor();
    await bench.panel('memslots').locator('[data-slot="1"]').waitFor();
    await umbra.screenshot('01-start');
  });

  it('stops in front of an MMIO fault', async () => {
    const breakpoints = await bench.open('breakpoints');
    await breakpoints.getByRole('button', { name: 'Add' }).first().click();
    await bench.fill('breakpoints', 'start', POLLED);
    await breakpoints.locator('[name=freshness]').selectOption('fresh');
    await breakpoints.locator('button[type=submit]').click();
    await breakpoints.locator('[data-breakpoint="1"]').waitFor();
    await umbra.page.keyboard.press('F5');
    await bench.eventually(
      () => umbra.page.locator('.run-bar .reason').innerText(),
      /breakpoint 1: MMIO (read|write) of 0xe0000000, (EMULATE|CACHED)/,
      'the run bar says what it stopped in front of',
    );
    await bench.waitForState('paused');
    await expect.poll(() => breakpoints.locator('[data-reading=hits]').innerText()).toMatch(/^1/);
    await expect.poll(() => bench.reading('touches')).toMatch(/MMIO/);
    await umbra.screenshot('02-mmio-breakpoint');
  });

  it('shows the generation of the spte beside the current one', async () => {
    const sptes = await bench.open('sptes');
    await sptes.locator('[data-freshness=fresh]').waitFor();
    const generation = await bench.reading('spte-generation');
    expect(generation).toMatch(/^0x[0-9a-f]+$/);
    await expect.poll(() => bench.reading('current-generation')).toBe(generation);
    await expect.poll(() => sptes.locator('.bit').count()).toBe(64);
    await umbra.screenshot('03-fresh-spte');
  });

  it('says why a slot would be refused, and refuses it', async () => {
    const memslots = await bench.open('memslots');
    await memslots.getByRole('button', { name: 'New slot' }).click();
    await bench.fill('memslots', 'gpa', '0x200000');
    const preview = memslots.locator('[data-verdict=future-refusal]');
    await bench.eventually(() => preview.innerText(), /EEXIST[\s\S]*slot 1/, 'errno and colliding slot before Apply');
    await memslots.locator('button[type=submit]').click();
    const refusal = memslots.locator('[data-verdict=past-refusal]');
    await bench.eventually(() => refusal.innerText(), /Refused[\s\S]*EEXIST[\s\S]*slot 1/, 'and after it');
    await expect.poll(() => memslots.locator('.table-row.colliding').getAttribute('data-slot')).toBe('1');
    await umbra.screenshot('04-refused-slot');
  });

  it('says beforehand what a new slot over the gpa will cost', async () => {
    await bench.fill('memslots', 'gpa', POLLED);
    const preview = bench.panel('memslots').locator('[data-verdict=future-report]');
    await bench.eventually(() => preview.innerText(), /CREATE[\s\S]*gone stale\s*1/, 'the preview');
    await expect
      .poll(() => bench.panel('sptes').locator('[data-freshness]').getAttribute('data-freshness'))
      .toBe('fresh');
    await umbra.screenshot('05-preview');
  });

  it('turns the spte stale by adding one to a number', async () => {
    const before = Number(await bench.reading('current-generation'));
    await bench.panel('memslots').locator('button[type=submit]').click();
    await bench.panel('memslots').locator('[data-verdict=past-report]').waitFor();
    await bench.panel('sptes').locator('[data-freshness=stale]').waitFor();
    await expect.poll(async () => Number(await bench.reading('spte-generation'))).toBe(before);
    await expect.poll(async () => Number(await bench.reading('current-generation'))).toBe(before + 1);
    await bench.panel('memslots').locator('[data-slot="2"]').waitFor();
    await umbra.screenshot('06-stale-spte');
    await umbra.page.emulateMedia({ colorScheme: 'dark' });
    await umbra.screenshot('06-stale-spte-dark');
  });

  it('finds the stale spte at the next access, and reaches RAM', async () => {
    const breakpoints = await bench.open('breakpoints');
    await breakpoints.getByRole('button', { name: 'Remove' }).click();
    await umbra.page.keyboard.press('F5');
    await bench.eventually(bench.serialText, /turned from MMIO into RAM/, 'the guest sees memory');
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
    const faults = await bench.open('mmio');
    await faults.locator('[name=outcome]').selectOption('INVALID');
    await bench.eventually(
      () => faults.innerText(),
      /0xe0000000\s+[RW]\s+INVALID/,
      'the fault that met the stale spte',
    );
    await umbra.screenshot('07-reached-ram');
  });

  it('takes the memory away again, in two steps of the generation', async () => {
    const memslots = bench.panel('memslots');
    await memslots.getByRole('button', { name: 'Delete slot 2…' }).click();
    const preview = memslots.locator('[data-verdict=future-report]');
    await bench.eventually(() => preview.innerText(), /DELETE[\s\S]*\+2/, 'a deletion bumps twice');
    await memslots.locator('button[type=submit]').click();
    await memslots.locator('[data-verdict=past-report]').waitFor();
    await expect.poll(() => memslots.locator('[data-slot="2"]').count()).toBe(0);
    await umbra.page.keyboard.press('F5');
    await bench.eventually(bench.serialText, /turned from RAM into MMIO/, 'the guest sees MMIO again');
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
    await bench.open('generation');
    await bench.eventually(
      () => bench.panel('generation').locator('ol').innerText(),
      /delete[\s\S]*create/i,
      'the history has both changes, newest first',
    );
    await umbra.screenshot('09-mmio-again');
  });

  it('has made no noise on its console', () => {
    expect(umbra.pageErrors).toEqual([]);
  });
});
