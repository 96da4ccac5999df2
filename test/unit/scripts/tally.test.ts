import { describe, expect, it } from 'vitest';
import { sumOf, tallyOf } from '../../../scripts/verify/tally.mjs';

const file = (...statuses: string[]) => ({
  status: statuses.includes('failed') ? 'failed' : 'passed',
  assertionResults: statuses.map((status) => ({ status })),
});

describe('the tally of a test run', () => {
  it('counts what passed and failed', () => {
    const report = { numPassedTests: 2, numFailedTests: 1, testResults: [file('passed', 'failed'), file('passed')] };
    expect(tallyOf(report, 1)).toEqual({ passed: 2, failed: 1 });
  });

  it('counts a file that could not be loaded as a failure', () => {
    const broken = { status: 'failed', assertionResults: [] };
    const report = { numPassedTests: 1, numFailedTests: 0, testResults: [file('passed'), broken] };
    expect(tallyOf(report, 1)).toEqual({ passed: 1, failed: 1 });
  });

  it('never calls a run with a bad exit status a success', () => {
    const report = { numPassedTests: 1, numFailedTests: 0, testResults: [file('passed')] };
    expect(tallyOf(report, 1)).toEqual({ passed: 1, failed: 1 });
    expect(tallyOf(undefined, 0)).toEqual({ passed: 0, failed: 1 });
  });

  it('adds up several runs', () => {
    expect(
      sumOf([
        { passed: 3, failed: 0 },
        { passed: 4, failed: 2 },
      ]),
    ).toEqual({ passed: 7, failed: 2 });
  });
});
