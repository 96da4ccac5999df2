import { build } from 'vite';
import { inProject, projectRoot } from '../project-root.mjs';
import { copyGuestImages } from './guest-images.mjs';
import { nodeBundle } from './node-bundle.mjs';
import { replaceFolder } from './replace-folder.mjs';
import { sharedDecoder } from './shared-decoder.mjs';

await replaceFolder(inProject('out', 'cli'), async (folder) => {
  await build({
    configFile: false,
    root: projectRoot,
    logLevel: 'warn',
    resolve: { alias: { '@core': inProject('core') } },
    plugins: [sharedDecoder()],
    build: {
      ...nodeBundle,
      ssr: true,
      outDir: folder,
      rolldownOptions: {
        ...nodeBundle.rolldownOptions,
        input: {
          index: inProject('electron/cli/index.ts'),
          'engine-worker': inProject('electron/host/engine-worker.ts'),
          'vcpu-warden': inProject('electron/host/vcpu-warden.ts'),
          'vcpu-worker': inProject('electron/host/vcpu-worker.ts'),
        },
      },
    },
  });
});
await copyGuestImages();
