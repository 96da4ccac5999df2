import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';

const alias = { '@core': fileURLToPath(new URL('core', import.meta.url)) };

/** The tests that need no build and no window. The ones that drive the real Electron are in `vitest.e2e.config.ts`. */
export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'node',
          environment: 'node',
          include: ['test/{unit,conformance,property}/**/*.test.ts'],
          exclude: ['test/unit/renderer/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        plugins: [vue()],
        resolve: { alias },
        test: {
          name: 'renderer',
          environment: 'happy-dom',
          include: ['test/unit/renderer/**/*.test.ts'],
          // A component is compiled when it is first imported, on a machine that does other things, too.
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
    ],
  },
});
