import { createServer } from 'vite';
import { inProject, projectRoot } from '../project-root.mjs';

/**
 * Puts each fault of test/property/injected-faults.ts into core/kvm by itself and lets the random scripts of
 * test/property/audit-hunt.ts look for it (docs/auditor.md). No file is changed: the fault is written into the module as it
 * is loaded.
 *
 *   npm run faults -- [--runs N] [--steps N] [--seed N] [--script] [--clean] [NAME…]
 *
 * `--script` shrinks what is found and prints it, `--clean` plays the same scripts without the faults.
 */
const arguments_ = process.argv.slice(2);
const option = (/** @type {string} */ name, /** @type {number} */ otherwise) => {
  const at = arguments_.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(arguments_.splice(at, 2)[1]);
};
const runs = option('runs', 60);
const steps = option('steps', 40);
const seed = option('seed', 20130607);
const showsScript = arguments_.includes('--script');
const isClean = arguments_.includes('--clean');
const names = arguments_.filter((word) => !word.startsWith('--'));

/** @type {{ file: string, find: string, replace: string } | undefined} */
let fault;
let isInjected = false;

const server = await createServer({
  root: projectRoot,
  configFile: false,
  logLevel: 'warn',
  appType: 'custom',
  server: { middlewareMode: true, watch: null, hmr: false, ws: false },
  optimizeDeps: { noDiscovery: true },
  plugins: [
    {
      name: 'injected-fault',
      enforce: 'pre',
      transform(code, id) {
        if (fault === undefined || id.split('?')[0] !== inProject(fault.file)) return undefined;
        const parts = code.split(fault.find);
        if (parts.length !== 2) throw new Error(`${fault.file} has the text to replace ${parts.length - 1} times`);
        isInjected = true;
        return parts.join(fault.replace);
      },
    },
  ],
});

try {
  const { INJECTED_FAULTS } = await server.ssrLoadModule('/test/property/injected-faults.ts');
  const chosen = INJECTED_FAULTS.filter(
    (/** @type {{ name: string }} */ { name }) => names.length === 0 || names.includes(name),
  );
  let missed = 0;
  console.log('| fault | mode and era | scripts | found by | scripts played |\n| --- | --- | --- | --- | --- |');
  for (const each of chosen) {
    fault = isClean ? undefined : each;
    isInjected = false;
    server.environments.ssr.moduleGraph.invalidateAll();
    const { hunt, ruleOf, quarryText } = await server.ssrLoadModule('/test/property/audit-hunt.ts');
    if (!isInjected && !isClean) throw new Error(`${each.name} got into no module`);
    const { mmu, era, hostPages, dwelling } = each;
    const quarry = hunt({ mmu, era, hostPages, dwelling, runs, steps, seed, shrinks: showsScript });
    const where = [mmu, era, ...(hostPages === undefined ? [] : [hostPages])].join(' ');
    const about = dwelling === undefined ? 'every kind' : `dwelling on ${dwelling}`;
    if (quarry === undefined) missed++;
    const end = quarry === undefined ? `**nothing** | ${runs}` : `${ruleOf(quarry.reason)} | ${quarry.scripts}`;
    console.log(`| ${each.what} (\`${each.name}\`) | ${where} | ${about} | ${end} |`);
    if (showsScript && quarry !== undefined) console.log(`${quarryText(quarry)}\n`);
  }
  console.log(
    `\n${chosen.length - missed} of ${chosen.length} found in ${runs} scripts of ${steps} steps, seed ${seed}`,
  );
  process.exitCode = missed === 0 ? 0 : 1;
} finally {
  await server.close();
}
