import ts from 'typescript';

/**
 * @typedef {object} Import
 * @property {string} specifier  without a bundler's `?query`
 * @property {number} line       from 1
 */

/**
 * Every module that a source file names: static, dynamic, re-exported and type-only imports, and sources handed to
 * `new URL(…, import.meta.url)`, which is how a bundler is told of a worker. (Other such addresses are of the built
 * program, where files lie otherwise.)
 * @param {string} file
 * @param {string} text
 * @returns {Import[]}
 */
export function importsOf(file, text) {
  const code = file.endsWith('.vue') ? scriptsOfComponent(text) : text;
  const lineAt = (/** @type {number} */ position) => code.slice(0, position).split('\n').length;
  const named = ts.preProcessFile(code, true, true).importedFiles.map(({ fileName, pos }) => ({
    specifier: fileName,
    line: lineAt(pos),
  }));
  const urls = [...code.matchAll(/new URL\(\s*(['"`])(\.[^'"`$]*\.(?:ts|vue))\1\s*,\s*import\.meta\.url/g)].map(
    (match) => ({
      specifier: match[2],
      line: lineAt(match.index),
    }),
  );
  return [...named, ...urls].map(({ specifier, line }) => ({ specifier: specifier.replace(/\?.*$/, ''), line }));
}

/**
 * The script blocks of a Vue component, with everything else blanked so that line numbers stay right.
 * @param {string} text
 */
function scriptsOfComponent(text) {
  let code = '';
  let end = 0;
  for (const match of text.matchAll(/(<script\b[^>]*>)([\s\S]*?)<\/script>/g)) {
    const start = match.index + match[1].length;
    code += text.slice(end, start).replace(/[^\n]/g, ' ') + match[2];
    end = start + match[2].length;
  }
  return code;
}
