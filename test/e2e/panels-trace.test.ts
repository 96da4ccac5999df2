/** The trace in the real window: what is chosen is traced, goes out as a file, and comes back as a source of its own. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;
let folder: string;

/** The next dialogs answer with this file. */
async function answerDialogs(file: string): Promise<void> {
  await umbra.app.evaluate(({ dialog }, chosen) => {
    dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath: chosen });
    dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [chosen] });
  }, file);
}

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page);
  folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-trace-'));
});
afterAll(async () => {
  await umbra.close();
  await rm(folder, { recursive: true, force: true });
});

const rows = () => bench.panel('trace').locator('.scroller .table-row');

describe('the trace', () => {
  it('goes out as far as the filter shows it, as ftrace text', async () => {
    const trace = await bench.open('trace');
    await trace.locator('[data-reading=trace-events]').click();
    for (const name of ['kvm_mmio', 'mark_mmio_spte', 'check_mmio_spte', 'kvm_exit']) {
      await umbra.page.locator(`input[name=${name}]`).check();
    }
    await umbra.page.keyboard.press('Escape');
    await umbra.page.keyboard.press('F5');
    await bench.eventually(() => trace.locator('.scroller').innerText(), /mmio (read|write) len/, 'MMIO');
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
    await trace.locator('[name=trace-filter]').fill('check_mmio_spte');
    const file = path.join(folder, 'part.txt');
    await answerDialogs(file);
    await trace.getByRole('button', { name: 'Export the lines shown' }).click();
    await bench.eventually(() => readFile(file, 'utf8').catch(() => ''), /check_mmio_spte/, 'the file');
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => !line.startsWith('#') && line !== '');
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.every((line) => line.includes(': check_mmio_spte: '))).toBe(true);
    await trace.locator('[name=trace-filter]').fill('');
  });

  it('leads from its numbers to the panels that show them', async () => {
    const trace = bench.panel('trace');
    await trace.locator('[name=trace-filter]').fill('kvm_mmio');
    await rows().last().locator('.number-link', { hasText: '0x' }).first().hover();
    await umbra.page.getByRole('tooltip').waitFor();
    await expect.poll(() => umbra.page.getByRole('tooltip').innerText()).toMatch(/gpa/);
    await rows().last().locator('.number-link', { hasText: '0x' }).first().click({ button: 'right' });
    await umbra.page.getByRole('menuitem', { name: 'Walk it through both trees' }).waitFor();
    await umbra.page.keyboard.press('Escape');
    await trace.locator('[name=trace-filter]').fill('');
  });

  it('takes a row apart as the machine has it', async () => {
    const trace = bench.panel('trace');
    await trace.locator('[name=trace-filter]').fill('check_mmio_spte');
    await rows()
      .first()
      .click({ position: { x: 4, y: 8 } });
    const detail = trace.locator('[data-reading=trace-detail]');
    await bench.eventually(() => detail.innerText(), /MMIO spte · gfn/, 'the spte of the line');
    await trace.locator('[name=trace-filter]').fill('');
  });

  it('goes to a moment that was selected anywhere', async () => {
    const trace = bench.panel('trace');
    const first = await rows().first().locator('.number-link').first().innerText();
    await rows().first().locator('.number-link').first().click();
    await bench.eventually(
      () => trace.locator('.table-row[aria-selected=true]').innerText(),
      new RegExp(`^${first}`),
      'the row of that moment',
    );
  });
});

describe('a trace of another machine', () => {
  const HOST = [
    '# tracer: nop',
    '#',
    '       CPU 0/KVM-4711    [005] d..1.  8123.000001: kvm_exit: reason EPT_MISCONFIG rip 0xffffffff81000000 info 0 0',
    '       CPU 0/KVM-4711    [005] ...1.  8123.000004: check_mmio_spte: spte ffffff00fee00b4f kvm_gen 7ff6a spte-gen 7ff69 valid 0',
    '       CPU 0/KVM-4711    [005] ...1.  8123.000009: mark_mmio_spte: sptep:00000000deadbeef gfn fee00 access 6 gen 7ff6a',
    '',
  ].join('\n');

  it('is refused with the line that shows that it is none', async () => {
    const letter = path.join(folder, 'letter.txt');
    await writeFile(letter, '# tracer: nop\ndear reader,\n');
    await answerDialogs(letter);
    await bench.command('import a trace');
    await bench.eventually(
      () => bench.reading('trace-refusal'),
      /letter\.txt cannot be read as a trace: line 2 is no line of an ftrace text: “dear reader,”/,
      'the refusal',
    );
  });

  it('is a source of its own beside the live trace, read for the era that one chooses', async () => {
    const host = path.join(folder, 'host.txt');
    await writeFile(host, HOST);
    await answerDialogs(host);
    await bench.command('import a trace');
    const trace = bench.panel('trace');
    await trace.locator('[data-source=file][aria-pressed=true]').waitFor();
    await expect.poll(() => bench.reading('trace-file-total')).toBe('3 events');
    await expect.poll(() => trace.locator('[data-source=file]').innerText()).toBe('host.txt');
    await trace.locator('[name=trace-era]').selectOption('v3.11');
    await trace.locator('[name=trace-mmu]').selectOption('shadow');
    await trace.locator('[name=trace-filter]').fill('check');
    await expect.poll(() => bench.reading('trace-file-total')).toBe('1 of 3 events');
    await rows()
      .first()
      .click({ position: { x: 4, y: 8 } });
    const detail = trace.locator('[data-reading=trace-detail]');
    await bench.eventually(() => detail.innerText(), /gfn 0xfee00 · generation 0x7ff69/, 'decoded for that era');
    await umbra.screenshot('24-trace-imported');
    await trace.locator('[name=trace-filter]').fill('');
    await trace.locator('[data-source=live]').click();
    await bench.eventually(() => bench.reading('trace-total'), /events$/, 'the live trace');
    await bench.command('close the imported trace');
    await trace.locator('[data-source=file]').waitFor({ state: 'detached' });
  });

  it('has made no noise on the console', () => expect(umbra.pageErrors).toEqual([]));
});
