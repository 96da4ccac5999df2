/**
 * What a folder may import. Everything that is not named here is refused, a new folder too: it gets its line first.
 * @typedef {object} LayerRule
 * @property {string} folder                 the longest one that contains a file applies
 * @property {readonly string[]} mayImport   folders, or single files where only a public face is open; '*' for all
 * @property {readonly string[]} packages    npm packages; '*' for all; `@scope/` stands for every package of a scope
 * @property {boolean} node                  whether Node's own modules are allowed
 */

const pure = { packages: [], node: false };

/** @type {readonly LayerRule[]} */
export const IMPORT_TABLE = [
  // The ground.
  { folder: 'core/base', mayImport: [], ...pure },
  { folder: 'core/arena', mayImport: ['core/base'], ...pure },
  // The hardware; it decodes with iced-x86.
  { folder: 'core/x86', mayImport: ['core/base', 'core/arena'], packages: ['iced-x86'], node: false },
  // The kernel knows the processor by its public face only.
  { folder: 'core/kvm', mayImport: ['core/base', 'core/arena', 'core/x86/index.ts'], ...pure },
  // The VMM.
  { folder: 'core/devices', mayImport: ['core/base', 'core/arena'], ...pure },
  {
    folder: 'core/machine',
    mayImport: ['core/base', 'core/arena', 'core/x86', 'core/kvm', 'core/devices'],
    ...pure,
  },
  // The debugger prints with the decoder that the processor runs by, and answers in the words of the contract.
  {
    folder: 'core/debug',
    mayImport: [
      'core/base',
      'core/arena',
      'core/x86',
      'core/kvm',
      'core/devices',
      'core/machine',
      'core/protocol',
      'core/format',
    ],
    packages: ['iced-x86', 'valibot'],
    node: false,
  },
  // The contract.
  { folder: 'core/protocol', mayImport: ['core/base'], packages: ['valibot'], node: false },
  { folder: 'core/format', mayImport: ['core/base', 'core/protocol'], ...pure },
  // The hosts.
  { folder: 'electron/host', mayImport: ['core'], packages: ['valibot'], node: true },
  {
    folder: 'electron/main',
    mayImport: ['electron/host', 'core/protocol'],
    packages: ['electron', 'valibot'],
    node: true,
  },
  { folder: 'electron/preload', mayImport: ['electron/host', 'core/protocol'], packages: ['electron'], node: false },
  {
    folder: 'electron/cli',
    mayImport: ['electron/host', 'core'],
    packages: ['commander', 'valibot'],
    node: true,
  },
  // The face.
  {
    folder: 'renderer',
    mayImport: ['core/protocol', 'core/format'],
    packages: [
      'vue',
      'pinia',
      'dockview-vue',
      'uplot',
      '@tanstack/vue-virtual',
      '@leeoniya/ufuzzy',
      'valibot',
      '@lucide/vue',
      '@xterm/',
      '@fontsource/',
    ],
    node: false,
  },
  // Around the product.
  { folder: 'scripts', mayImport: [], packages: ['*'], node: true },
  { folder: 'test', mayImport: ['*'], packages: ['*'], node: true },
];
