/** What is saved comes back in another process; what is damaged is refused; what was lost in a crash is offered. */
import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { workbench } from './workbench.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-sessions-'));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));

/** The next dialogs answer with these files. */
async function answerDialogs({ app }: LaunchedUmbra, file: string): Promise<void> {
  await app.evaluate(({ dialog }, chosen) => {
    dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath: chosen });
    dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [chosen] });
  }, file);
}

async function started(userData?: string) {
  const umbra = await launchUmbra(userData === undefined ? {} : { userData });
  const bench = workbench(umbra.page);
  await bench.waitForState('paused');
  return { umbra, bench };
}

const problemOf = (umbra: LaunchedUmbra) => umbra.page.locator('.status-bar .problem');

it('goes on with a machine state and a workspace in another process', async () => {
  const state = path.join(folder, 'here.umbra-machine');
  const workspace = path.join(folder, 'poller.umbra-workspace');
  const { umbra, bench } = await started();
  await bench.open('start');
  await umbra.page.locator('textarea[name=notes]').fill('look at gfn 0xe0000');
  for (let n = 0; n < 5; n++) await umbra.page.keyboard.press('F11');
  await bench.eventually(() => bench.reading('insns'), /^5$/, 'five steps');
  await answerDialogs(umbra, state);
  await umbra.page.keyboard.press('Control+Shift+S');
  const bar = umbra.page.locator('.status-bar');
  await bench.eventually(() => bar.innerText(), /Machine state saved/, 'the state is saved');
  await answerDialogs(umbra, workspace);
  await umbra.page.keyboard.press('Control+S');
  await bench.eventually(() => bar.innerText(), /Workspace saved/, 'the workspace is saved');
  await bench.eventually(() => umbra.page.title(), /^poller\.umbra-workspace — Umbra$/, 'its name');
  await umbra.page.locator('textarea[name=notes]').fill('another thought');
  await bench.eventually(() => umbra.page.title(), /^• poller/, 'a change that no file has');
  await umbra.screenshot('20-start-page');
  await umbra.close();

  const { umbra: second, bench: there } = await started();
  await answerDialogs(second, state);
  await second.page.keyboard.press('Control+Shift+O');
  await there.eventually(() => there.reading('insns'), /^5$/, 'it stands where it was saved');
  await second.page.keyboard.press('F11');
  await there.eventually(() => there.reading('insns'), /^6$/, 'it goes on');
  await answerDialogs(second, workspace);
  await second.page.keyboard.press('Control+Shift+O');
  await there.eventually(() => there.reading('insns'), /^0$/, 'a workspace starts its image');
  await there.open('start');
  await expect.poll(() => second.page.locator('textarea[name=notes]').inputValue()).toBe('look at gfn 0xe0000');
  const recent = second.page.getByRole('region', { name: 'Recent files' });
  await there.eventually(() => recent.innerText(), /poller\.umbra-workspace[\s\S]*here\.umbra-machine/, 'recent files');
  await second.close();
});

it('refuses a damaged file with its reason, and nothing is lost', async () => {
  const state = path.join(folder, 'here.umbra-machine');
  const damaged = path.join(folder, 'damaged.umbra-machine');
  const bytes = await readFile(state);
  bytes[bytes.length >> 1] ^= 1;
  await writeFile(damaged, bytes);
  const broken = path.join(folder, 'broken.umbra-workspace');
  await writeFile(
    broken,
    (await readFile(path.join(folder, 'poller.umbra-workspace'), 'utf8')).replace('"ept"', '"tpe"'),
  );
  const { umbra, bench } = await started();
  await umbra.page.keyboard.press('F11');
  await bench.eventually(() => bench.reading('insns'), /^1$/, 'one step');
  for (const [file, why] of [
    [damaged, /damaged|unpacked/],
    [broken, /damaged at options\.mmu/],
  ] as const) {
    await answerDialogs(umbra, file);
    await umbra.page.keyboard.press('Control+Shift+O');
    await bench.eventually(() => problemOf(umbra).innerText(), why, 'the reason');
    await expect.poll(() => bench.reading('insns')).toBe('1');
  }
  await umbra.close();
});

it('offers the last workspace after the program was killed, or closed before it was saved', async () => {
  const userData = path.join(folder, 'data');
  const { umbra, bench } = await started(userData);
  await bench.open('start');
  await umbra.page.locator('textarea[name=notes]').fill('before the crash');
  const kept = path.join(userData, 'session.umbra-workspace');
  await bench.eventually(() => readFile(kept, 'utf8').catch(() => ''), /before the crash/, 'it is kept');
  const killed = new Promise((resolve) => umbra.app.process().once('exit', resolve));
  umbra.app.process().kill('SIGKILL');
  await killed;

  const { umbra: second, bench: there } = await started(userData);
  const offer = second.page.getByRole('status', { name: 'Last session' });
  await offer.waitFor();
  await second.screenshot('21-crash-offer');
  await offer.getByRole('button', { name: 'Open it' }).click();
  await there.open('start');
  await there.eventually(
    () => second.page.locator('textarea[name=notes]').inputValue(),
    /before the crash/,
    'it is back',
  );
  await second.close();

  // No file has it even now: it is offered once more, and not again when it has been saved.
  const { umbra: third, bench: later } = await started(userData);
  const again = third.page.getByRole('status', { name: 'Last session' });
  await later.eventually(() => again.innerText(), /closed with changes that no file has/, 'why it is offered');
  await again.getByRole('button', { name: 'Open it' }).click();
  await answerDialogs(third, path.join(folder, 'kept.umbra-workspace'));
  await later.open('start');
  await later.eventually(
    () => third.page.locator('textarea[name=notes]').inputValue(),
    /before the crash/,
    'it is back again',
  );
  await third.page.keyboard.press('Control+S');
  await later.eventually(() => third.page.locator('.status-bar').innerText(), /Workspace saved/, 'it has a file');
  await third.close();

  const { umbra: last } = await started(userData);
  // It keeps its own when it has looked for what others have left.
  await expect.poll(() => readFile(kept, 'utf8').catch(() => '')).not.toBe('');
  expect(await last.page.getByRole('status', { name: 'Last session' }).count()).toBe(0);
  await last.close();
});

it('marks the steps of a laboratory when they really happen, and plays a race', async () => {
  const { umbra, bench } = await started();
  const start = await bench.open('start');
  await start.locator('[data-lab=stale-spte]').click();
  await start.getByRole('button', { name: 'Set the machine up' }).click();
  await start.locator('[data-step=next]').waitFor();
  await expect.poll(() => start.locator('[data-step=seen]').count()).toBe(0);
  await umbra.page.keyboard.press('F5');
  await bench.eventually(bench.serialText, /at poll 1/, 'it polls');
  await umbra.page.keyboard.press('F5');
  await bench.waitForState('paused');
  await bench.eventually(async () => String(await start.locator('[data-step=seen]').count()), /^1$/, 'the first step');
  await umbra.screenshot('22-laboratory');
  await start.getByRole('button', { name: 'Start page' }).click();
  await start.locator('[data-race=stale-cache]').click();
  await start.getByRole('button', { name: 'Play' }).click();
  await start.getByRole('button', { name: 'Next step' }).click();
  await start.getByRole('button', { name: 'To the end' }).click();
  await bench.eventually(() => start.locator('.outcome').innerText(), /56f17dd3fbc4.*strikes/, 'the bug strikes');
  await umbra.screenshot('23-race');
  expect(umbra.pageErrors).toEqual([]);
  await umbra.close();
});
