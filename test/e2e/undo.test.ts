/** One order for the edits of registers, memory, memslots and breakpoints, with the guest running on in between. */
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

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);

async function console(line: string): Promise<void> {
  await press('Alt+C');
  const field = bench.panel('console').getByRole('combobox');
  await field.fill(line);
  await field.press('Enter');
}

/** What the engine has, whatever the panels show. The demo guest touches neither cr2 nor this memory. */
const machine = (): Promise<string> =>
  umbra.app.evaluate(async () => {
    const engine = Reflect.get(globalThis, 'umbraEngine');
    const { registers } = (await engine.request('registers.read', { vcpu: 0 })).value;
    const memory = await engine.request('memory.read', { space: 'gpa', vcpu: 0, address: 0x30_0000n, length: 1 });
    const { slots } = (await engine.request('memslots.read', {})).value;
    const list = (await engine.request('breakpoints.list', {})).value;
    return [
      `cr2 ${registers.find((one: { name: string }) => one.name === 'cr2').value}`,
      `byte ${memory.value.spans[0].bytes[0]}`,
      `${slots.length} slots`,
      `${list.length} breakpoints`,
    ].join(', ');
  });

const FRESH = 'cr2 0, byte 0, 2 slots, 0 breakpoints';
/** Each edit, and what the machine is then. */
const EDITS: readonly (readonly [what: string, edit: () => Promise<unknown>, then: string])[] = [
  ['a register', () => console('set cr2=77'), 'cr2 77, byte 0, 2 slots, 0 breakpoints'],
  ['memory', () => console('poke gpa:0x300000 0x12'), 'cr2 77, byte 18, 2 slots, 0 breakpoints'],
  [
    'a memslot',
    () => console('slots add slot=9 gpa=0x40000000 size=4K hva=ram'),
    'cr2 77, byte 18, 3 slots, 0 breakpoints',
  ],
  ['a breakpoint', () => breakHere(), 'cr2 77, byte 18, 3 slots, 1 breakpoints'],
  ['the register again', () => console('set cr2=78'), 'cr2 78, byte 18, 3 slots, 1 breakpoints'],
];

/** On an instruction that the guest does not come to any more. */
async function breakHere(): Promise<void> {
  await press('Control+P');
  await umbra.page.keyboard.type('start');
  await umbra.page.getByRole('dialog').getByRole('option').first().waitFor();
  await press('Enter');
  await press('F9');
}

describe('edits of every kind', () => {
  it.each(EDITS)('are made one after the other while the guest goes on: %s', async (_what, edit, then) => {
    await edit();
    await expect.poll(machine).toBe(then);
    await bench.runAWhile();
    expect(await machine()).toBe(then);
  });

  it('are taken back in the opposite order, one a press, and made again in theirs', async () => {
    // In the line of the console the keys are those of its text.
    await press('Alt+1');
    const states = [FRESH, ...EDITS.map(([, , then]) => then)];
    for (const state of states.toReversed().slice(1)) {
      await press('Control+Z');
      await expect.poll(machine).toBe(state);
    }
    for (const state of states.slice(1)) {
      await press('Control+Shift+Z');
      await expect.poll(machine).toBe(state);
    }
  });

  it('say that the guest has run since', async () => {
    await bench.runAWhile();
    await press('Control+Z');
    await bench.eventually(
      () => umbra.page.locator('footer').innerText(),
      /Undone: set cr2=78 — the guest has run .+\sinstructions since that edit/,
      'the notice',
    );
  });

  it('that are refused stay, and say why', async () => {
    await expect.poll(machine).toBe(EDITS[3][2]);
    // The slot that the undo would delete is another one by now, and whoever made it so did it past the window's history.
    await umbra.app.evaluate(() => {
      const region = { slot: 9, guestPhysAddr: 0x4000_0000n, memorySize: 0n, userspaceAddr: 0n, flags: 0 };
      return Reflect.get(globalThis, 'umbraEngine').request('memslots.set', { region });
    });
    await press('Control+Z');
    await expect.poll(machine).toBe('cr2 77, byte 18, 2 slots, 0 breakpoints');
    await press('Control+Z');
    await bench.eventually(() => umbra.page.locator('body').innerText(), /EINVAL/, 'the refusal');
    expect(await machine()).toBe('cr2 77, byte 18, 2 slots, 0 breakpoints');
  });
});
