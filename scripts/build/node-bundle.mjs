import { inlineConstants } from './inline-constants.mjs';

/**
 * What the bundles that run in Node have in common. An entry finds its worker beside itself by name, so all files of
 * a bundle lie in one folder, shared chunks too.
 */
export const nodeBundle = {
  target: 'node20.18',
  minify: false,
  sourcemap: true,
  rolldownOptions: {
    optimization: inlineConstants,
    output: {
      format: /** @type {const} */ ('es'),
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      topLevelVar: false,
    },
  },
};
