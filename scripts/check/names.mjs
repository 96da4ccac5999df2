import ts from 'typescript';

const KEBAB = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
const PASCAL_MULTI_WORD = /^(?:[A-Z][a-z0-9]*){2,}$/;
const COMPOSABLE = /^use[A-Z][A-Za-z0-9]*$/;
// A drawer for whatever has no place is where a program stops having parts.
const DRAWERS = new Set(['util', 'utils', 'helper', 'helpers', 'types', 'common', 'misc', 'shared', 'lib']);

/**
 * Holds file names against the conventions, and core/ against its ban of module state.
 * @param {import('./source-tree.mjs').SourceTree} tree
 * @returns {string[]}
 */
export function nameViolations(tree) {
  const violations = [];
  for (const [file, text] of tree) {
    const complaints = [...fileNameComplaints(file), ...moduleStateComplaints(file, text)];
    violations.push(...complaints.map((complaint) => `${file}${complaint}`));
  }
  return violations;
}

/** @param {string} file */
function fileNameComplaints(file) {
  const folders = file.split('/');
  const name = folders.pop() ?? '';
  const complaints = [];
  for (const folder of folders) {
    if (!KEBAB.test(folder)) complaints.push(`: the folder ${folder} is not kebab-case`);
    if (DRAWERS.has(folder)) complaints.push(`: the folder ${folder} says nothing about what is in it`);
  }
  const [stem, ...rest] = name.split('.');
  const suffix = rest.join('.');
  if (DRAWERS.has(stem)) complaints.push(`: the name ${stem} says nothing about what is in it`);
  const complaint = stemComplaint(file, stem, suffix);
  return complaint ? [...complaints, `: ${complaint}`] : complaints;
}

/**
 * @param {string} file
 * @param {string} stem
 * @param {string} suffix
 */
function stemComplaint(file, stem, suffix) {
  if (suffix === 'vue') {
    const isFine = PASCAL_MULTI_WORD.test(stem) || stem === 'App';
    return isFine ? undefined : 'a component has a PascalCase name of several words';
  }
  if (/\/composables\//.test(file)) {
    return COMPOSABLE.test(stem) ? undefined : 'a composable is called useSomething';
  }
  // The test of a component or composable has its name.
  if (suffix === 'test.ts' && (PASCAL_MULTI_WORD.test(stem) || COMPOSABLE.test(stem))) return undefined;
  if (!KEBAB.test(stem)) return 'the name is not kebab-case';
  if (/\/stores\//.test(file) && suffix === 'ts' && !stem.endsWith('-store'))
    return 'a store is called something-store';
  return undefined;
}

/**
 * Two machines must be able to live in one process, so a module of core/ keeps nothing.
 * @param {string} file
 * @param {string} text
 */
function moduleStateComplaints(file, text) {
  if (!file.startsWith('core/')) return [];
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  return source.statements
    .filter(ts.isVariableStatement)
    .filter(
      ({ declarationList, modifiers }) =>
        (declarationList.flags & ts.NodeFlags.BlockScoped) !== ts.NodeFlags.Const &&
        !modifiers?.some(({ kind }) => kind === ts.SyntaxKind.DeclareKeyword),
    )
    .map((statement) => {
      const { line } = source.getLineAndCharacterOfPosition(statement.getStart(source));
      return `:${line + 1}: core/ keeps no state in a module (let or var at top level)`;
    });
}
