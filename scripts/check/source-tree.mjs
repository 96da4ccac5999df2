import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const SOURCE = /\.(?:ts|mts|cts|js|mjs|cjs|vue)$/;
const FOLDERS = ['core', 'electron', 'renderer', 'scripts', 'test'];

/**
 * A tree of sources: path from the root, with forward slashes, to text.
 * @typedef {ReadonlyMap<string, string>} SourceTree
 */

/**
 * @param {string} root
 * @returns {SourceTree}
 */
export function readSourceTree(root) {
  const tree = new Map();
  for (const folder of FOLDERS) {
    for (const entry of readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !SOURCE.test(entry.name)) continue;
      const file = path.join(entry.parentPath, entry.name);
      tree.set(path.relative(root, file).replaceAll(path.sep, '/'), readFileSync(file, 'utf8'));
    }
  }
  return tree;
}
