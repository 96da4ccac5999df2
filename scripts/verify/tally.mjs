/** @typedef {{ passed: number, failed: number }} Tally */

/**
 * The part of vitest's JSON report that is counted.
 * @typedef {object} VitestReport
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {readonly { status: string, assertionResults: readonly { status: string }[] }[]} testResults  by file
 */

/**
 * A file that could not even be loaded counts as one failure, and so does a run that failed without saying where (an error
 * outside of every test, no test found, no report written).
 * @param {VitestReport | undefined} report
 * @param {number} exitStatus
 * @returns {Tally}
 */
export function tallyOf(report, exitStatus) {
  if (!report) return { passed: 0, failed: 1 };
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return { passed: report.numPassedTests, failed: failed === 0 && exitStatus !== 0 ? 1 : failed };
}

/**
 * @param {readonly Tally[]} tallies
 * @returns {Tally}
 */
export function sumOf(tallies) {
  return tallies.reduce((sum, { passed, failed }) => ({ passed: sum.passed + passed, failed: sum.failed + failed }), {
    passed: 0,
    failed: 0,
  });
}
