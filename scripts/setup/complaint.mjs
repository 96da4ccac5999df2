/** Something the user has to know or do; printed as it is, without a stack. */
export class Complaint extends Error {}

/**
 * Runs an entry script: a complaint becomes one sentence and exit status 1, a bug of ours keeps its stack.
 * @param {() => Promise<void>} work
 */
export async function runEntry(work) {
  try {
    await work();
  } catch (error) {
    console.error(error instanceof Complaint ? `umbra: ${error.message}` : error);
    process.exitCode = 1;
  }
}
