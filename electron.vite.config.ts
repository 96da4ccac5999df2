import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'electron-vite';
import { copyGuestImages } from './scripts/build/guest-images.mjs';
import { inlineConstants } from './scripts/build/inline-constants.mjs';
import { preloadFonts } from './scripts/build/preload-fonts.mjs';
import { nodeBundle } from './scripts/build/node-bundle.mjs';
import { sharedDecoder } from './scripts/build/shared-decoder.mjs';

const inProject = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Everything but panels that a first window has behind others (layout/panel-registry.ts) and the libraries of curves and terminals. */
const isNeededAtOnce = (id: string): boolean =>
  !/[\\/](?:uplot|@xterm)[\\/]/.test(id) &&
  !/[\\/]panels[\\/](?!Disassembly|Generation|Memslots|Registers|Sptes)\w+Panel\.vue/.test(id);

const resolve = { alias: { '@core': inProject('core') } };

// The targets are those of the oldest runtime that starts us (Electron 33: Chrome 130, Node 20.18), not of the newest.
export default defineConfig(({ command }) => ({
  main: {
    resolve,
    plugins: [sharedDecoder(), { name: 'guest-images', closeBundle: copyGuestImages }],
    build: {
      ...nodeBundle,
      // Two files saved at once are two builds: the second must not take the first one's away while Electron reads them.
      emptyOutDir: command === 'build',
      externalizeDeps: { exclude: ['iced-x86'] },
      rolldownOptions: {
        ...nodeBundle.rolldownOptions,
        input: {
          index: inProject('electron/main/index.ts'),
          'engine-worker': inProject('electron/host/engine-worker.ts'),
          'cost-worker': inProject('electron/host/cost-worker.ts'),
          'vcpu-warden': inProject('electron/host/vcpu-warden.ts'),
          'vcpu-worker': inProject('electron/host/vcpu-worker.ts'),
        },
      },
    },
  },
  preload: {
    resolve,
    build: {
      target: nodeBundle.target,
      // A sandboxed preload is one CommonJS file with everything in it.
      externalizeDeps: false,
      rolldownOptions: {
        input: { index: inProject('electron/preload/index.ts') },
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
  renderer: {
    root: inProject('renderer'),
    resolve,
    plugins: [vue(), preloadFonts()],
    build: {
      target: 'chrome130',
      minify: 'oxc',
      // The page comes from the disk, in one piece.
      chunkSizeWarningLimit: 4096,
      sourcemap: true,
      rolldownOptions: {
        optimization: inlineConstants,
        input: { index: inProject('renderer/index.html') },
        // One file for all that the first window needs: each costs a message to the main process, which is busy then.
        output: { codeSplitting: { groups: [{ name: 'workbench', test: isNeededAtOnce }] } },
      },
    },
  },
}));
