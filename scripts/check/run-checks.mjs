import os from 'node:os';

/**
 * Runs the steps, a few at a time, and prints each as it ends.
 * @param {readonly import('./steps.mjs').Step[]} steps
 * @param {(line: string) => void} print
 * @returns {Promise<{ passed: number, failed: number }>}
 */
export async function runChecks(steps, print) {
  const waiting = [...steps];
  const tally = { passed: 0, failed: 0 };
  const worker = async () => {
    for (let step = waiting.shift(); step; step = waiting.shift()) {
      const began = performance.now();
      const { passed, output } = await step.run();
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      print(`${passed ? ' ok ' : 'FAIL'}  ${step.name} (${seconds} s)`);
      if (!passed) print(output.trimEnd());
      tally[passed ? 'passed' : 'failed']++;
    }
  };
  await Promise.all(Array.from({ length: Math.min(os.availableParallelism(), 4) }, worker));
  return tally;
}
