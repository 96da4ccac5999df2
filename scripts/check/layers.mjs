import { isBuiltin } from 'node:module';
import path from 'node:path';
import { importsOf } from './imports.mjs';

/** @typedef {import('./import-table.mjs').LayerRule} LayerRule */

/**
 * Holds every import of a tree against the table.
 * @param {import('./source-tree.mjs').SourceTree} tree
 * @param {readonly LayerRule[]} table
 * @returns {string[]} one line for each import that is not allowed
 */
export function layerViolations(tree, table) {
  const violations = [];
  for (const [file, text] of tree) {
    const rule = ruleFor(file, table);
    if (!rule) {
      violations.push(`${file}: its folder is not in the import table (scripts/check/import-table.mjs)`);
      continue;
    }
    for (const { specifier, line } of importsOf(file, text)) {
      const complaint = judge(file, specifier, rule);
      if (complaint) violations.push(`${file}:${line}: ${complaint}`);
    }
  }
  return violations;
}

/**
 * @param {string} file
 * @param {readonly LayerRule[]} table
 */
function ruleFor(file, table) {
  return table
    .filter(({ folder }) => isInside(file, folder))
    .toSorted((a, b) => b.folder.length - a.folder.length)
    .at(0);
}

/**
 * @param {string} file
 * @param {string} specifier
 * @param {LayerRule} rule
 * @returns {string | undefined}
 */
function judge(file, specifier, { folder, mayImport, packages, node }) {
  const target = projectPath(file, specifier);
  if (target !== undefined) {
    if (target === '..' || target.startsWith('../')) return `imports ${specifier}, which is outside the project`;
    const isAllowed = mayImport.includes('*') || [folder, ...mayImport].some((open) => isInside(target, open));
    return isAllowed ? undefined : `${folder} may not import ${target}`;
  }
  if (isBuiltin(specifier)) {
    if (!node) return `${folder} may not import Node's ${specifier}`;
    return specifier.startsWith('node:') ? undefined : `write node:${specifier}`;
  }
  const name = packageName(specifier);
  const isAllowed = packages.some(
    (open) => open === '*' || open === name || (open.endsWith('/') && name.startsWith(open)),
  );
  return isAllowed ? undefined : `${folder} may not import the package ${name}`;
}

/**
 * @param {string} file
 * @param {string} specifier
 * @returns {string | undefined} undefined for a package or a module of Node
 */
function projectPath(file, specifier) {
  if (specifier.startsWith('@core/')) return path.posix.normalize(specifier.slice(1));
  if (specifier.startsWith('/')) return path.posix.join('..', specifier);
  if (!specifier.startsWith('.')) return undefined;
  return path.posix.join(path.posix.dirname(file), specifier);
}

/** @param {string} specifier */
function packageName(specifier) {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}

/**
 * @param {string} file
 * @param {string} folderOrFile
 */
function isInside(file, folderOrFile) {
  return file === folderOrFile || file.startsWith(`${folderOrFile}/`);
}
