import { defineConfig } from 'vitest/config';

/** Tests against the built application in a real Electron: `npm test` runs them after the build. */
export default defineConfig({
  test: {
    name: 'e2e',
    environment: 'node',
    include: ['test/e2e/**/*.test.ts'],
    globalSetup: ['test/e2e/harness-setup.ts'],
    // One Electron at a time: two windows on two cores only make each other slow.
    fileParallelism: false,
    testTimeout: 60_000,
    // Of `expect.poll`: one second is little on a busy machine, and who waits for what comes anyway loses nothing.
    expect: { poll: { timeout: 20_000, interval: 50 } },
    hookTimeout: 120_000,
  },
});
