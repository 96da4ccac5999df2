import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Complaint } from '../setup/complaint.mjs';

/*
 * iced-x86 is WebAssembly, and its memory grows. Growing detaches the ArrayBuffer that showed the memory until then, and once a
 * thread has seen an ArrayBuffer detached, V8 looks for it at every access to every typed array of that thread: a fifth of the
 * guest's speed (docs/performance.md, "The decoder's memory"). The buffer of a shared memory is never detached.
 *
 * So the bundles that run guests get iced-x86 as its own compiler would have made it for a shared memory: one flag in the binary,
 * and glue that makes its views anew when the memory has grown instead of when they are detached. Tests that run from source use
 * the package as it is; both decode alike.
 */

const PACKAGE = 'iced-x86';
const GLUE = 'iced_x86.js';
const BINARY = 'iced_x86_bg.wasm';
/** The bundle's own names: CommonJS in a folder of ES modules. */
const BUNDLED_GLUE = 'iced-x86-shared.cjs';
const BUNDLED_MODULE = 'iced-x86-shared.js';
/** A shared memory has to say how far it may grow, in pages of 64 KiB: a quarter of what 32 bits address. */
const MAX_PAGES = 16_384;

const MEMORY_SECTION = 5;
const HEADER_BYTES = 8;
const HAS_MAXIMUM = 1;
const IS_SHARED = 2;

/** For the bundler: what imports iced-x86 imports the one beside the bundle. @returns {import('vite').Plugin} */
export function sharedDecoder() {
  return {
    name: 'shared-decoder',
    enforce: 'pre',
    /** @param {string} id */
    resolveId: (id) => (id === PACKAGE ? { id: `./${BUNDLED_MODULE}`, external: 'absolute' } : undefined),
    /** @param {{ dir?: string | undefined }} options */
    writeBundle({ dir }) {
      if (dir === undefined) throw new Error('the bundle has no folder to put the decoder into');
      writeSharedDecoder(dir);
    },
  };
}

/** @param {string} folder @returns {string} the CommonJS module to load */
export function writeSharedDecoder(folder) {
  const load = createRequire(import.meta.url);
  const original = path.dirname(load.resolve(PACKAGE));
  const glue = path.join(folder, BUNDLED_GLUE);
  writeFileSync(glue, shareViews(readFileSync(path.join(original, GLUE), 'utf8')));
  writeFileSync(path.join(folder, BUNDLED_MODULE), moduleOf(Object.keys(load(PACKAGE))));
  writeFileSync(path.join(folder, BINARY), shareMemory(readFileSync(path.join(original, BINARY))));
  return glue;
}

/**
 * The glue as a module that can be imported. Were the glue itself imported, Node would read all of its 900 KB for the names of
 * its exports first: a tenth of a second of every thread that decodes.
 * @param {readonly string[]} exported
 */
const moduleOf = (exported) => `import { createRequire } from 'node:module';
export const { ${exported.filter((name) => !name.startsWith('__')).join(', ')} } = createRequire(import.meta.url)('./${BUNDLED_GLUE}');
`;

/**
 * The glue for a shared memory. Whoever decodes or encodes text takes no view of one, so strings are copied.
 * @param {string} glue
 */
export function shareViews(glue) {
  const views = replaceAll(glue, /(cached\w+Memory0)\.byteLength === 0/g, '$1.buffer !== wasm.memory.buffer', 6);
  const decoding = replaceAll(
    views,
    /cachedTextDecoder\.decode\(getUint8Memory0\(\)\.subarray\(/g,
    'cachedTextDecoder.decode(getUint8Memory0().slice(',
    1,
  );
  return replaceAll(decoding, /typeof cachedTextEncoder\.encodeInto === 'function'/g, 'false', 1);
}

/**
 * @param {string} text
 * @param {RegExp} what
 * @param {string} by
 * @param {number} times
 */
function replaceAll(text, what, by, times) {
  const found = text.match(what)?.length ?? 0;
  if (found !== times) throw unknownPackage(`its glue has ${found} of ${what.source}, not ${times}`);
  return text.replaceAll(what, by);
}

/**
 * The binary with its one memory shared (WebAssembly, "Binary Format": Modules, Memory Section).
 * @param {Uint8Array} binary
 * @returns {Uint8Array}
 */
export function shareMemory(binary) {
  for (let at = HEADER_BYTES; at < binary.length;) {
    const length = readNumber(binary, at + 1);
    const end = length.next + length.value;
    if (binary[at] !== MEMORY_SECTION) {
      at = end;
      continue;
    }
    const [count, flags] = binary.subarray(length.next, length.next + 2);
    if (count !== 1 || flags !== 0) throw unknownPackage('it has no memory of its own that may grow without a limit');
    const initial = readNumber(binary, length.next + 2).value;
    const section = [1, HAS_MAXIMUM | IS_SHARED, ...numberBytes(initial), ...numberBytes(MAX_PAGES)];
    const head = [MEMORY_SECTION, ...numberBytes(section.length), ...section];
    return Buffer.concat([binary.subarray(0, at), Uint8Array.from(head), binary.subarray(end)]);
  }
  throw unknownPackage('it has no memory');
}

/** LEB128. @param {Uint8Array} bytes @param {number} at */
function readNumber(bytes, at) {
  for (let value = 0, next = at, shift = 0; ; shift += 7) {
    const byte = bytes[next++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, next };
  }
}

/** @param {number} value @returns {number[]} */
const numberBytes = (value) =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...numberBytes(Math.floor(value / 0x80))];

/** @param {string} why */
const unknownPackage = (why) =>
  new Complaint(`${PACKAGE} is not as scripts/build/shared-decoder.mjs knows it: ${why}.`);
