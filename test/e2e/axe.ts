/** axe-core in the window: its rules for WCAG 2.1 A and AA, asked about a part of the page. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];
/** Rules for documents with headings and landmarks to jump by, which a workbench of panels is not. */
const NOT_FOR_A_WORKBENCH = ['region', 'page-has-heading-one', 'heading-order'];

/** @returns one line for each element that breaks a rule */
export async function axeComplaints(page: Page, selector: string): Promise<readonly string[]> {
  // A page that was loaded again has lost it.
  if (!(await page.evaluate(() => Reflect.has(globalThis, 'axe')))) {
    await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  }
  const { violations } = await page.evaluate(
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
