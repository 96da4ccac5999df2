import { runToEnd } from '../setup/child-process.mjs';
import { inProject, projectRoot } from '../project-root.mjs';
import { IMPORT_TABLE } from './import-table.mjs';
import { layerViolations } from './layers.mjs';
import { nameViolations } from './names.mjs';
import { readSourceTree } from './source-tree.mjs';

/**
 * @typedef {{ passed: boolean, output: string }} StepResult
 * @typedef {{ name: string, run: () => Promise<StepResult> }} Step
 */

/**
 * A program of node_modules, run by this Node.
 * @param {string} name
 * @param {string} script
 * @param {readonly string[]} args
 * @returns {Step}
 */
const tool = (name, script, args) => ({
  name,
  async run() {
    const { status, stdout, stderr } = await runToEnd(process.execPath, [inProject('node_modules', script), ...args], {
      cwd: projectRoot,
    });
    return { passed: status === 0, output: stdout + stderr };
  },
});

/**
 * @param {string} name
 * @param {() => string[]} violations
 * @returns {Step}
 */
const rule = (name, violations) => ({
  name,
  async run() {
    const lines = violations();
    return { passed: lines.length === 0, output: lines.join('\n') };
  },
});

/** What the compiler and the formatter remember of the last time; only ever a matter of speed. */
const cached = (/** @type {string} */ name) => inProject('node_modules', '.cache', 'umbra', name);

const types = (/** @type {string} */ project) => [
  ...['-p', project, '--noEmit', '--pretty', 'false'],
  ...['--incremental', '--tsBuildInfoFile', cached(`${project}.tsbuildinfo`)],
];

/** @type {readonly Step[]} */
export const CHECK_STEPS = [
  tool('types of what runs in Node', 'typescript/bin/tsc', types('tsconfig.json')),
  tool('types of the renderer', 'vue-tsc/bin/vue-tsc.js', types('tsconfig.web.json')),
  tool('types of core/ without a platform', 'typescript/bin/tsc', types('tsconfig.core.json')),
  tool('types of the end-to-end tests', 'typescript/bin/tsc', types('tsconfig.e2e.json')),
  tool('lint', 'oxlint/bin/oxlint', ['--deny-warnings', '.']),
  tool('format', 'prettier/bin/prettier.cjs', [
    ...['--check', '--log-level', 'warn', '--cache', '--cache-location', cached('prettier.json'), '.'],
  ]),
  rule('import table', () => layerViolations(readSourceTree(projectRoot), IMPORT_TABLE)),
  rule('names', () => nameViolations(readSourceTree(projectRoot))),
];
