/** Bundles core-speed.ts as the command line is bundled (constants inlined) and runs it: `node test/bench/run-core-speed.mjs`. */
import { build } from 'vite';
import { nodeBundle } from '../../scripts/build/node-bundle.mjs';
import { inProject, projectRoot } from '../../scripts/project-root.mjs';

const folder = inProject('out', 'core-speed');
await build({
  configFile: false,
  root: projectRoot,
  logLevel: 'warn',
  build: {
    ...nodeBundle,
    ssr: true,
    outDir: folder,
    emptyOutDir: true,
    rolldownOptions: { ...nodeBundle.rolldownOptions, input: { 'core-speed': inProject('test/bench/core-speed.ts') } },
  },
});
await import(`${folder}/core-speed.js`);
