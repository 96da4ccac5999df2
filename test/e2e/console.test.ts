/** The console panel, by keyboard alone. */
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

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);
const output = (): Promise<string> => bench.panel('console').getByRole('log').innerText();
async function type(line: string): Promise<void> {
  await umbra.page.keyboard.type(line);
  await press('Enter');
}
const line = () => bench.panel('console').getByRole('combobox');

describe('the console', () => {
  it('opens by its key and takes what is typed', async () => {
    await press('Alt+C');
    await expect.poll(() => line().evaluate((field) => field === document.activeElement)).toBe(true);
    await type('break mmio:0xe0000000+0x1000:read:fresh');
    await bench.eventually(output, /^1: MMIO read of gpa 0xe0000000/m, 'the breakpoint is set');
    await type('continue');
    await bench.eventually(output, /breakpoint 1: MMIO read of 0xe0000000/, 'the stop is told when it comes');
    await type('walk 0xe0000000');
    await bench.eventually(output, /EPT: gpa 0xe0000000[\s\S]*MMIO spte, gfn 0xe0000/, 'both trees');
    await umbra.screenshot('console-walk');
  });

  it('steps again on an empty line', async () => {
    await type('delete all');
    await type('step');
    await bench.eventually(output, /after a step/, 'a step');
    const before = (await output()).match(/after a step/g)?.length ?? 0;
    await press('Enter');
    await bench.eventually(
      async () => String((await output()).match(/after a step/g)?.length ?? 0),
      new RegExp(`^${before + 1}$`),
      'and one more',
    );
  });

  it('completes, walks through what was typed, searches it', async () => {
    await umbra.page.keyboard.type('slots pre');
    await press('Tab');
    await expect.poll(() => line().inputValue()).toBe('slots preview ');
    await umbra.page.keyboard.type('add slot=5 gpa=0x200000 size=4K hva=ram');
    await press('Enter');
    await bench.eventually(output, /EEXIST: overlap: /, 'the refusal names errno and check');
    await umbra.page.keyboard.type('s');
    await press('Tab');
    await bench.panel('console').getByRole('listbox').waitFor();
    await umbra.screenshot('console-completions');
    await press('Escape');
    await press('Escape');
    await press('ArrowUp');
    await expect.poll(() => line().inputValue()).toContain('slots preview add');
    await press('Escape');
    await press('Control+r');
    await umbra.page.keyboard.type('walk');
    await press('Enter');
    await expect.poll(() => line().inputValue()).toBe('walk 0xe0000000');
    await press('Escape');
  });

  it('points at the place of a mistake', async () => {
    await type('print rax +* 2');
    await bench.eventually(output, / {13}\^\nEINVAL: /, 'a caret under the column');
    await umbra.screenshot('console-refusal');
  });

  it('clears, and its addresses lead to the other panels', async () => {
    await press('Control+l');
    await expect.poll(output).not.toContain('EINVAL');
    await type('slots');
    await bench.eventually(output, /slot 1: gpa \[0x100000, /, 'the slots');
    await umbra.screenshot('console-slots');
    const link = bench.panel('console').getByRole('link', { name: '0x100000' }).first();
    await link.focus();
    await press('Enter');
    await press('Alt+3');
    await bench.panel('memory').waitFor();
    await bench.eventually(
      () => bench.panel('memory').innerText(),
      /0x00100000/,
      'the memory panel follows the address',
    );
    expect(umbra.pageErrors).toEqual([]);
  });
});
