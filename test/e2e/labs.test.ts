/** Each laboratory of the start page, played through its page: what the page promises is on screen. */
import { readFileSync } from 'node:fs';
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { workbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

const POLLED = '0xe0000000';

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  await umbra.page.setViewportSize({ width: 1600, height: 1000 });
  await umbra.page.emulateMedia({ colorScheme: 'dark' });
  bench = workbench(umbra.page);
  await bench.waitForState('paused');
});
afterAll(() => umbra.close());

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);
const start = (): Locator => bench.panel('start');
const reason = (): Promise<string> => umbra.page.locator('.run-bar .reason').innerText();
const textOf = async (panel: Parameters<Workbench['open']>[0]): Promise<string> =>
  (await bench.open(panel)).innerText();

/** Opens the page, and its machine. */
async function setUp(lab: string): Promise<void> {
  await bench.open('start');
  const back = start().getByRole('button', { name: 'Start page' });
  if ((await back.count()) > 0) await back.click();
  await start().locator(`[data-lab=${lab}]`).click();
  await start()
    .getByRole('button', { name: /^Set the machine up/ })
    .click();
  await start().locator('[data-step=next]').waitFor();
  await bench.eventually(() => bench.reading('insns'), /^0$/, 'a machine made anew');
  await expect.poll(() => start().locator('[data-step=seen]').count()).toBe(0);
}

async function seen(steps: number): Promise<void> {
  await bench.open('start');
  await bench.eventually(
    async () => String(await start().locator('[data-step=seen]').count()),
    new RegExp(`^${steps}$`),
    `${steps} steps are marked`,
  );
}

/** A slot over the polled page, put there or taken away. */
async function changeSlot(isThere: boolean): Promise<void> {
  const memslots = await bench.open('memslots');
  if (isThere) {
    await memslots.getByRole('button', { name: 'New slot' }).click();
    await bench.fill('memslots', 'gpa', POLLED);
  } else await memslots.getByRole('button', { name: 'Delete slot 2…' }).click();
  await memslots.locator('[data-verdict=future-report]').waitFor();
  await memslots.locator('button[type=submit]').click();
  await memslots.locator('[data-verdict=past-report]').waitFor();
}

async function openGuest(guest: string, era: string): Promise<void> {
  await press('Control+O');
  const dialog = umbra.page.getByRole('dialog', { name: 'Open an image' });
  await dialog.locator('[name=guest]').selectOption(guest);
  await dialog.locator('[name=era]').selectOption(era);
  await dialog.getByRole('button', { name: 'Load' }).click();
  await dialog.waitFor({ state: 'detached' });
  await bench.waitForState('paused');
}

async function pickSpte(): Promise<void> {
  const sptes = await bench.open('sptes');
  await sptes.locator('[name=spte-query]').fill('e0000');
  await press('Enter');
  await sptes.locator('.table-row').first().click();
  await sptes.locator('[data-freshness]').waitFor();
}

const isOfNow = async (): Promise<boolean> =>
  (await bench.reading('spte-generation')) === (await bench.reading('current-generation'));

describe('stale-spte', () => {
  it('shows the spte of the generation of now, and the cost of a change beforehand', async () => {
    await setUp('stale-spte');
    await bench.runAWhile();
    await seen(1);
    await pickSpte();
    await expect.poll(isOfNow).toBe(true);
    const memslots = await bench.open('memslots');
    await memslots.getByRole('button', { name: 'New slot' }).click();
    await bench.fill('memslots', 'gpa', POLLED);
    const preview = (): Promise<string> => memslots.locator('[data-verdict=future-report]').innerText();
    await bench.eventually(preview, /gone stale\s*2[\s\S]*zapped\s*0[\s\S]*v3\.10 would walk\s*[1-9]/, 'the preview');
    await memslots.locator('button[type=submit]').click();
    await memslots.locator('[data-verdict=past-report]').waitFor();
    await bench.panel('sptes').locator('[data-freshness=stale]').waitFor();
    await seen(2);
  });

  it('stops in front of the fault on it, which comes to INVALID, and then to RAM', async () => {
    await press('F5');
    await bench.eventually(reason, /MMIO read of 0xe0000000, INVALID \(spte generation 0x2, current 0x3\)/, 'both');
    await seen(3);
    await press('F11');
    await seen(4);
    await start().getByText('All of it has happened.').waitFor();
    await umbra.screenshot('lab-stale-spte');
    await bench.eventually(() => textOf('mmio'), /0xe0000000\s+R\s+INVALID\s+0x2\s*≠\s*0x3/, 'the log says it');
  });

  it('finds no generation in v3.10, where the change itself walks and zaps', async () => {
    await openGuest('poller', 'v3.10');
    await bench.runAWhile();
    await bench.eventually(() => textOf('generation'), /v3\.10 keeps no generation/, 'none');
    await changeSlot(true);
    const report = await bench.panel('memslots').locator('[data-verdict=past-report]').innerText();
    expect(report).toMatch(/shadow pages zapped\s*[1-9]/);
  });
});

describe('wrap-around', () => {
  it('counts down to the change that zaps fresh and stale alike', async () => {
    await setUp('wrap-around');
    await bench.runAWhile();
    await seen(1);
    const generation = await bench.open('generation');
    await generation.locator('[name=before-wrap]').fill('2');
    await generation.getByRole('button', { name: 'Set' }).click();
    await bench.eventually(() => bench.reading('to-wrap'), /^2$/, 'two changes are left');
    await bench.eventually(() => umbra.page.locator('.run-bar').innerText(), /\b2 to wrap/, 'in the run bar as well');
    await seen(2);
    await changeSlot(true);
    await bench.eventually(() => textOf('generation'), /0 fresh/, 'the sptes of before are stale');
    await changeSlot(false);
    const events = async (): Promise<string> => (await bench.open('generation')).locator('ol').innerText();
    await bench.eventually(events, /zap/i, 'the history has the zap');
    await bench.eventually(() => textOf('generation'), /0 fresh[\s\S]*0 stale/, 'all are gone');
    await seen(3);
    await bench.open('generation');
    await umbra.screenshot('lab-wrap-around');
  });

  it('is near after boot in v3.11', async () => {
    await openGuest('poller', 'v3.11');
    await bench.open('generation');
    await bench.eventually(() => bench.reading('to-wrap'), /^1[0-4]\d$/, 'at most 150 changes');
  });
});

describe('dirty-log', () => {
  /** Access bits of the slot's leaves; a slot that is chosen shows what links to them as well. */
  const access = async (): Promise<string> => {
    const sptes = await bench.open('sptes');
    const rows = await sptes.locator('.table-row').allInnerTexts();
    return rows.filter((row) => /page/.test(row)).join('\n');
  };

  it('takes the write bits of a slot away by a change of flags, and counts what is written', async () => {
    await setUp('dirty-log');
    await bench.runAWhile();
    await seen(1);
    const sptes = await bench.open('sptes');
    await sptes.locator('[name=spte-kind]').selectOption('leaf');
    await sptes.locator('[name=spte-query]').fill('slot:1');
    await press('Enter');
    await bench.eventually(access, /^(?![\s\S]*r-x)[\s\S]*rwx/, 'leaves may be written');
    const memslots = await bench.open('memslots');
    await memslots.getByRole('button', { name: 'Edit slot 1' }).click();
    await memslots.locator('[name=log-dirty]').check();
    await bench.eventually(
      () => memslots.locator('[data-verdict=future-report]').innerText(),
      /FLAGS_ONLY[\s\S]*\(\+1\)/,
      'a change of flags adds to the generation',
    );
    await memslots.locator('button[type=submit]').click();
    await memslots.locator('[data-verdict=past-report]').waitFor();
    await seen(2);
    await bench.eventually(access, /^(?![\s\S]*rwx)[\s\S]*r-x/, 'none may be written');
    await umbra.screenshot('lab-dirty-log-leaves');
    await bench.runAWhile();
    await seen(3);
    await bench.eventually(access, /rwx/, 'what was written may be written again');
    await bench.open('memslots');
    await bench.panel('memslots').getByRole('button', { name: 'Read the dirty log of slot 1' }).click();
    await bench.eventually(() => bench.reading('dirty-log'), /slot 1: [1-9]/, 'the pages');
    await bench.eventually(access, /^(?![\s\S]*rwx)[\s\S]*r-x/, 'protected anew');
    await umbra.screenshot('lab-dirty-log');
  });
});

describe('shadow-paging', () => {
  it('shadows each table of 1024 entries by pages of 512, and the directory by four', async () => {
    await setUp('shadow-paging');
    await press('F5');
    await bench.eventually(reason, /page fault, read of gva 0x[0-9a-f]+/, 'the first fault');
    const gva = /gva (0x[0-9a-f]+)/.exec(await reason())?.[1] ?? '';
    await seen(1);
    const sptes = await bench.open('sptes');
    await sptes.getByRole('button', { name: 'Shadow pages' }).click();
    // All of the tree is to be seen.
    await press('Control+M');
    const tree = (): Promise<string> => sptes.innerText();
    await bench.eventually(
      tree,
      /(L2 gfn 0x[0-9a-f]+)\s+q0[\s\S]*\1\s+q1[\s\S]*\1\s+q2[\s\S]*\1\s+q3/,
      'four of the directory',
    );
    await umbra.screenshot('lab-shadow-pages');
    await press('Control+M');
    const walk = await bench.open('walk');
    const look = async (address: string): Promise<void> => {
      await walk.locator('[name=walk-address]').fill(address);
      await press('Enter');
    };
    await bench.open('start');
    await start().locator('[data-step]').first().getByRole('button', { name: 'Show' }).click();
    await expect.poll(() => walk.locator('[name=walk-address]').inputValue()).toContain(gva.slice(2));
    await bench.eventually(() => walk.innerText(), /32-bit paging[\s\S]*PDE[\s\S]*PTE/, 'two levels of the guest');
    await umbra.screenshot('lab-shadow-walk');
    await look('0xb8000');
    await bench.eventually(() => walk.innerText(), /L3[\s\S]*L2[\s\S]*L1/, 'three of the processor');
    await bench.eventually(() => bench.reading('walk-end'), /#PF with error code 0x9/, 'present, and RSVD');
    const statistics = await bench.open('statistics');
    for (const counter of ['pf_guest', 'mmu_pte_write', 'mmu_unsync']) {
      await bench.eventually(() => statistics.locator(`[data-counter=${counter}]`).innerText(), /[1-9]/, counter);
    }
    await press('F5');
    await seen(2);
    await umbra.screenshot('lab-shadow-statistics');
  });
});

describe('the races', () => {
  const ERAS = ['v3.10', 'patch', 'v3.11', 'v3.17', 'v6.8'];
  const RACES = ['stale-cache', 'corrupt-spte', 'bug-exit', 'wrap-after-publishing', 'invalid-slot', 'resynced-spte'];
  const marked = (race: string): readonly string[] => {
    const page = readFileSync(new URL(`../../docs/labs/race-${race}.md`, import.meta.url), 'utf8');
    const look = page.split('## What to look for')[1];
    return [...new Set([...look.matchAll(/`([^`]+)`/g)].map(([, words]) => words))];
  };

  it.each(RACES)('%s: what its page says to look for is in its lines', async (race) => {
    await bench.open('start');
    const back = start().getByRole('button', { name: 'Start page' });
    if ((await back.count()) > 0) await back.click();
    await start().locator(`[data-race=${race}]`).click();
    const told: string[] = [];
    for (const era of ERAS) {
      await start().locator('select[name=race-era]').selectOption(era);
      await start().getByRole('button', { name: 'Play', exact: true }).click();
      await bench.eventually(
        () => bench.reading('race-steps'),
        new RegExp(`${era.replace('.', '\\.')},`),
        'it is played',
      );
      await start().getByRole('button', { name: 'To the end' }).click();
      await start().locator('.outcome').waitFor();
      told.push(await start().locator('ol[aria-label="Lines of the race"]').innerText());
    }
    const words = marked(race);
    expect(words.length).toBeGreaterThan(0);
    for (const phrase of words) expect(told.join('\n'), phrase).toContain(phrase);
    await umbra.screenshot(`race-${race}`);
  });

  it('have made no noise on the console', () => {
    expect(umbra.pageErrors).toEqual([]);
  });
});
