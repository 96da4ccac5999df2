/** What else one does in the window: look at memory, decode a value, step, break, edit, find one's way with the keys. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page);
});
afterAll(() => umbra.close());

const currentAddress = (): Promise<string | null> =>
  bench.panel('disassembly').locator('[aria-current=true]').getAttribute('data-address');

describe('the keys', () => {
  it('F11 executes one instruction, and the registers mark what it changed', async () => {
    const before = await currentAddress();
    await umbra.page.keyboard.press('F11');
    await bench.eventually(() => bench.reading('insns'), /^1$/, 'one instruction');
    await bench.eventually(async () => (await currentAddress()) ?? '', new RegExp(`^(?!${before}$)`), 'rip moved');
    await bench.panel('registers').locator('[data-register=rip] .changed').waitFor();
  });

  it('F9 sets a breakpoint on the selected line, and F5 runs to it', async () => {
    const line = bench.panel('disassembly').locator('.insn').nth(8);
    const address = await line.getAttribute('data-address');
    await line.click();
    await umbra.page.keyboard.press('F9');
    await line.locator('.mark').waitFor();
    await umbra.page.keyboard.press('F5');
    await bench.eventually(async () => (await currentAddress()) ?? '', new RegExp(`^${address}$`), 'it stops there');
    const breakpoints = await bench.open('breakpoints');
    await expect.poll(() => breakpoints.locator('[data-reading=hits]').innerText()).toMatch(/^1/);
    await breakpoints.getByRole('button', { name: 'Remove' }).click();
  });

  it('Ctrl-P goes to a symbol', async () => {
    await umbra.page.keyboard.press('Control+P');
    await umbra.page.getByRole('combobox', { name: 'Go to anything' }).fill('p32_guest_main');
    await umbra.page.getByRole('option', { name: 'p32_guest_main' }).first().waitFor();
    await umbra.page.keyboard.press('Enter');
    await bench.panel('disassembly').getByText('p32_guest_main:', { exact: true }).waitFor();
    await expect.poll(() => bench.panel('disassembly').innerText()).toMatch(/stays here/);
  });

  it('Ctrl-Shift-P does everything by its name', async () => {
    await umbra.page.keyboard.press('Control+Shift+P');
    await umbra.screenshot('10-palette');
    await umbra.page.keyboard.press('Escape');
    await bench.command('show panel statistics');
    await bench.panel('statistics').locator('[data-counter=exits]').waitFor();
  });
});

describe('memory', () => {
  it('shows the image, and what cannot be read as what cannot be read', async () => {
    const memory = await bench.open('memory');
    await memory.locator('[name=address]').fill('gpa:100000');
    await umbra.page.keyboard.press('Enter');
    await memory.locator('.cell.byte').first().waitFor();
    await memory.locator('[name=address]').fill('gpa:feb00000');
    await umbra.page.keyboard.press('Enter');
    await memory.locator('.cell.mmio').first().waitFor();
    await memory.locator('[name=address]').fill('gpa:e0000000');
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(() => memory.locator('.cell').first().innerText(), /^(--|··)$/, 'no byte is invented');
    await umbra.screenshot('11-memory');
  });

  it('is changed by typing', async () => {
    const memory = bench.panel('memory');
    await memory.locator('[name=address]').fill('gpa:200000');
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(() => memory.locator('.address').first().innerText(), /200000$/, 'the bytes of there');
    const cell = memory.locator('.cell.byte').first();
    await cell.click();
    await umbra.page.keyboard.type('5a');
    await bench.eventually(() => cell.innerText(), /^5a$/, 'the byte is written');
  });
});

describe('registers', () => {
  it('are changed in place, and refuse what they cannot hold', async () => {
    const register = bench.panel('registers').locator('[data-register=r8]');
    await bench.open('registers');
    await register.locator('.value').dblclick();
    await register.locator('input').fill('12345678123456789');
    await umbra.page.keyboard.press('Enter');
    await expect.poll(() => register.getByRole('alert').innerText()).toMatch(/at most 64 bits/);
    await register.locator('input').fill('1234');
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(() => register.locator('.value').innerText(), /^0{12}1234$/, 'the new value');
  });
});

describe('the spte inspector', () => {
  it('takes a raw value apart for an era and an MMU', async () => {
    const sptes = await bench.open('sptes');
    await sptes.getByRole('button', { name: 'Decode' }).click();
    await sptes.locator('[name=raw-spte]').fill('ffffff00fee00b4f');
    await sptes.locator('[name=decode-era]').selectOption('v3.11');
    await sptes.locator('[name=decode-mmu]').selectOption('shadow');
    await bench.eventually(
      () => sptes.locator('.summary').innerText(),
      /gfn 0xfee00 · generation 0x7ff69/,
      'the summary',
    );
    await umbra.screenshot('12-decode');
    await sptes.getByRole('button', { name: 'Shadow pages' }).click();
    await sptes.getByText(/L4 gfn/).waitFor();
  });
});

describe('the generation', () => {
  it('is set in front of its wrap-around, and the next changes wrap it', async () => {
    const generation = await bench.open('generation');
    await generation.locator('[name=before-wrap]').fill('2');
    await generation.getByRole('button', { name: 'Set' }).click();
    await bench.eventually(() => bench.reading('to-wrap'), /^2$/, 'two changes are left');
    await umbra.screenshot('13-near-wrap');
  });
});

describe('the trace', () => {
  it('writes what the chosen tracepoints see, and the screen and the walk show the same machine', async () => {
    const trace = await bench.open('trace');
    await trace.locator('[data-reading=trace-events]').click();
    await umbra.page.locator('input[name=kvm_mmio]').check();
    await umbra.page.locator('input[name=check_mmio_spte]').check();
    await umbra.screenshot('18-tracepoints');
    await umbra.page.keyboard.press('Escape');
    await umbra.page.keyboard.press('F5');
    await bench.eventually(
      () => trace.locator('.scroller').innerText(),
      /mmio (read|write|unsatisfied-read) len/,
      'MMIO',
    );
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
    await bench.open('screen');
    await bench.eventually(
      () => bench.panel('screen').innerText(),
      /poller: gpa 0xe0000000 is MMIO/,
      'what the guest wrote',
    );
    const walk = await bench.open('walk');
    await walk.locator('[name=walk-address]').fill('zebra');
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(() => walk.getByRole('alert').innerText(), /^Not an address/, 'what is wrong, in sight');
    expect(await walk.locator('[name=walk-address]').getAttribute('aria-invalid')).toBe('true');
    await walk.locator('[name=walk-address]').fill('gpa:e0000000');
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(
      () => bench.reading('walk-kvm'),
      /^Next access: (CACHED|EMULATE|INVALID)/,
      'what the next fault does',
    );
    await walk.locator('.entry .line').last().click();
    await umbra.screenshot('19-walk');
    await walk.locator('[name=walk-address]').fill('gpa:100000');
    await umbra.page.keyboard.press('Enter');
    await walk.locator('.verdict.reached').waitFor();
  });

  it('is where it was when one comes back to it', async () => {
    const trace = await bench.open('trace');
    const rowsInSight = (): Promise<string> =>
      trace.locator('.scroller').evaluate((scroller) => {
        const { top, bottom } = scroller.getBoundingClientRect();
        const rows = [...scroller.querySelectorAll('.table-row')].map((row) => row.getBoundingClientRect());
        const seen = rows.filter((row) => row.top >= top && row.bottom <= bottom).length;
        return `${seen > 3 ? 'rows' : 'nothing'} at ${scroller.scrollTop > 0 ? 'the newest' : 'the top'}`;
      });
    await umbra.page.keyboard.press('F5');
    await bench.eventually(rowsInSight, /^rows at the newest$/, 'more lines than fit');
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
    await bench.open('memslots');
    await bench.open('trace');
    await bench.eventually(rowsInSight, /^rows at the newest$/, 'the same lines');
  });
});

describe('another guest', () => {
  it('is opened with options of its own, and its panels are live while it runs', async () => {
    await umbra.page.keyboard.press('Control+O');
    const dialog = umbra.page.getByRole('dialog', { name: 'Open an image' });
    await dialog.locator('[name=guest]').selectOption('storm');
    await dialog.locator('[name=mmu]').selectOption('npt');
    await dialog.locator('[name=append]').fill('pages=2000 passes=100000');
    await umbra.screenshot('14-open');
    await dialog.getByRole('button', { name: 'Load' }).click();
    await dialog.waitFor({ state: 'detached' });
    await bench.eventually(() => bench.reading('insns'), /^0$/, 'a new machine');
    await bench.open('mmio');
    await bench.open('statistics');
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('running');
    await bench.panel('mmio').locator('.moment.live').waitFor();
    await bench.eventually(() => bench.reading('mmio-total'), /\d.\d{3} faults/, 'thousands of faults');
    await umbra.screenshot('15-storm');
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
  });

  it('can be one of an era without a generation, and the window says so', async () => {
    await umbra.page.keyboard.press('Control+O');
    const dialog = umbra.page.getByRole('dialog', { name: 'Open an image' });
    await dialog.locator('[name=era]').selectOption('v3.10');
    await dialog.locator('[name=mmu]').selectOption('shadow');
    await dialog.getByRole('button', { name: 'Load' }).click();
    await dialog.waitFor({ state: 'detached' });
    await bench.eventually(() => bench.reading('generation'), /^none$/, 'the run bar');
    await expect.poll(() => bench.panel('generation').innerText()).toMatch(/v3\.10 keeps no generation/);
    await umbra.page.keyboard.press('F5');
    const log = bench.panel('mmio').locator('.scroller');
    await bench.eventually(() => log.innerText(), /EMULATE|CACHED/, 'MMIO works all the same');
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
    await umbra.screenshot('17-era-without-generation');
  });

  it('that is broken is refused with a sentence, and the present one stays', async () => {
    await umbra.page.keyboard.press('Control+O');
    const dialog = umbra.page.getByRole('dialog', { name: 'Open an image' });
    const broken = { name: 'broken.elf', mimeType: 'application/octet-stream', buffer: Buffer.from('\u007fELF, not') };
    await dialog.locator('[name=image]').setInputFiles(broken);
    await dialog.getByRole('button', { name: 'Load' }).click();
    await dialog.getByRole('alert').waitFor();
    await expect.poll(async () => (await dialog.getByRole('alert').innerText()).length).toBeGreaterThan(10);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await expect.poll(() => umbra.page.locator('.status-bar .image').innerText()).toBe('storm');
  });
});

describe('the layout', () => {
  it('is kept over a reload, which leaves the machine where it is, and put back by a command', async () => {
    const insns = await bench.reading('insns');
    await umbra.page.locator('[data-tab=serial]').hover();
    await umbra.page.locator('[data-close=serial]').click();
    await umbra.page.reload();
    await bench.waitForState('paused');
    await expect.poll(() => bench.reading('insns')).toBe(insns);
    await expect.poll(() => umbra.page.locator('[data-tab=serial]').count()).toBe(0);
    await bench.command('reset the layout');
    await umbra.page.locator('[data-tab=serial]').waitFor();
  });

  it('fits small and large windows', async () => {
    for (const [width, height] of [
      [1280, 800],
      [1920, 1080],
    ]) {
      await umbra.page.setViewportSize({ width, height });
      await umbra.page.waitForTimeout(300);
      const bar = await umbra.page.locator('.run-bar').evaluate((element) => element.scrollWidth - element.clientWidth);
      expect(bar, `nothing of the run bar is cut off at ${width}`).toBeLessThanOrEqual(0);
      await umbra.screenshot(`16-window-${width}`);
    }
  });

  it('has made no noise on its console', () => {
    expect(umbra.pageErrors).toEqual([]);
  });
});
