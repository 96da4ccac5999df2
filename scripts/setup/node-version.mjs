// Imported first, and for its effect, by every entry script: whoever has an older Node reads a sentence, not a stack.
// Keep the syntax of this file old.

const OLDEST = [20, 19];

const [major, minor] = process.versions.node.split('.').map(Number);

if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
  console.error(
    'Umbra needs Node ' + OLDEST.join('.') + ' or newer; this is ' + process.version + '. https://nodejs.org has it.',
  );
  process.exit(1);
}
