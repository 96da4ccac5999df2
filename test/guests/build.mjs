// Builds the guest images with gcc and binutils: `node test/guests/build.mjs` writes electron/guests/*.elf,
// `node test/guests/build.mjs --check` builds into a temporary folder and compares. The same compiler gives the same bytes:
// the one that the images in the repository come from is named in toolchain.json.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCES = path.dirname(fileURLToPath(import.meta.url));
const IMAGES = path.join(SOURCES, '..', '..', 'electron', 'guests');
const TOOLCHAIN = path.join(SOURCES, 'toolchain.json');

/** What every guest is linked with, beside its own file. */
const PARTS = ['boot', 'console', 'arithmetic', 'arguments', 'paging'];

/** @type {readonly { name: string, bits: 32 | 64, mode: 'FLAT' | 'LONG', c: readonly string[], assembler: readonly string[] }[]} */
export const GUESTS = [
  // A true ELF32; the others are ELF64 with 32-bit code in them.
  { name: 'hello', bits: 32, mode: 'FLAT', c: ['hello'], assembler: [] },
  { name: 'storm', bits: 64, mode: 'FLAT', c: ['storm'], assembler: [] },
  { name: 'poller', bits: 64, mode: 'FLAT', c: ['poller'], assembler: [] },
  {
    name: 'faults',
    bits: 64,
    mode: 'LONG',
    c: ['faults', 'fault-cases', 'fault-paging'],
    assembler: ['faults-32', 'faults-64'],
  },
  { name: 'timer', bits: 64, mode: 'FLAT', c: ['timer'], assembler: ['timer-32', 'timer-64'] },
  { name: 'spin', bits: 64, mode: 'FLAT', c: ['spin'], assembler: [] },
  { name: 'smp', bits: 64, mode: 'FLAT', c: ['smp'], assembler: ['smp-start'] },
];

const C_FLAGS =
  '-std=gnu11 -O2 -Wall -Wextra -Werror ' +
  '-ffreestanding -fno-pic -fno-pie -fno-ident -fno-stack-protector ' +
  '-fno-asynchronous-unwind-tables -fcf-protection=none -mgeneral-regs-only -fno-tree-loop-distribute-patterns -fno-strict-aliasing ' +
  '-march=x86-64 -mtune=generic';
const BITS_FLAGS = { 32: ['-m32', '-march=i686'], 64: ['-m64', '-mno-red-zone', '-mcmodel=small'] };

/**
 * @param {string} tool
 * @param {readonly string[]} args
 */
function run(tool, args) {
  return execFileSync(tool, args, { cwd: SOURCES, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
}

/** The compiler and assembler that would be used, or undefined when there are none. */
export function toolchain() {
  try {
    const [gcc, binutils] = ['gcc', 'ld'].map((tool) => run(tool, ['--version']).split('\n')[0].trim());
    return { gcc, binutils };
  } catch {
    return undefined;
  }
}

/** The compiler and assembler that the images in the repository were built with. */
export function recordedToolchain() {
  return JSON.parse(readFileSync(TOOLCHAIN, 'utf8'));
}

/**
 * @param {(typeof GUESTS)[number]} guest
 * @param {string} folder for what is made on the way
 * @returns {Buffer} the image
 */
function build(guest, folder) {
  const defines = [`-DDEFAULT_MODE=MODE_${guest.mode}`, ...(guest.bits === 64 ? ['-DWITH_LONG_MODE'] : [])];
  const assembler = guest.bits === 64 ? '--64' : '--32';
  const emulation = guest.bits === 64 ? 'elf_x86_64' : 'elf_i386';
  const at = (/** @type {string} */ name) => path.join(folder, `${guest.name}-${name}`);

  /** @param {string} name */
  const assembleFile = (name) => {
    run('gcc', [guest.bits === 64 ? '-m64' : '-m32', ...defines, '-c', `${name}.S`, '-o', at(`${name}.S.o`)]);
    return at(`${name}.S.o`);
  };
  /**
   * @param {string} name
   * @param {32 | 64} bits
   */
  const compile = (name, bits) => {
    const [listing, object] = [at(`${name}-${bits}.s`), at(`${name}-${bits}.o`)];
    run('gcc', [...C_FLAGS.split(' '), ...BITS_FLAGS[bits], ...defines, '-S', `${name}.c`, '-o', listing]);
    // 32-bit code in a 64-bit image: the assembler is told so, the object is an ELF64 like the others.
    if (bits === 32) writeFileSync(listing, `.code32\n${readFileSync(listing, 'utf8')}`);
    run('as', [assembler, listing, '-o', object]);
    return object;
  };

  const names = [...PARTS, ...guest.c];
  const assembled = ['boot', ...guest.assembler].map(assembleFile);
  const objects32 = names.map((name) => compile(name, 32));
  const objects = [
    ...assembled,
    ...(guest.bits === 64 ? [prefixed(objects32, at), ...names.map((n) => compile(n, 64))] : objects32),
  ];
  const image = at('image.elf');
  run('ld', [
    '-m',
    emulation,
    '-T',
    'guest.ld',
    '--build-id=none',
    '-z',
    'noexecstack',
    '-z',
    'max-page-size=4096',
    '-static',
    '-o',
    image,
    ...objects,
  ]);
  return readFileSync(image);
}

/**
 * The 32-bit half in one object, p32_ before every name that it defines; what it takes from the assembler files keeps its name.
 * @param {readonly string[]} objects
 * @param {(name: string) => string} at
 */
function prefixed(objects, at) {
  const [joined, renamed, list] = [at('joined.o'), at('renamed.o'), at('renames')];
  run('ld', ['-m', 'elf_x86_64', '-r', '-o', joined, ...objects]);
  const defined = run('nm', ['--defined-only', '--format=just-symbols', joined]).split('\n').filter(Boolean);
  writeFileSync(list, [...new Set(defined)].map((name) => `${name} p32_${name}\n`).join(''));
  run('objcopy', [`--redefine-syms=${list}`, joined, renamed]);
  return renamed;
}

/** @returns {ReadonlyMap<string, Buffer>} images by guest name */
export function buildAll() {
  const folder = mkdtempSync(path.join(tmpdir(), 'umbra-guests-'));
  try {
    return new Map(GUESTS.map((guest) => [guest.name, build(guest, folder)]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} name */
export const imageFile = (name) => path.join(IMAGES, `${name}.elf`);

function check() {
  const [present, recorded] = [toolchain(), recordedToolchain()];
  if (present === undefined) return 'not checked: gcc and binutils are not installed';
  if (present.gcc !== recorded.gcc || present.binutils !== recorded.binutils) {
    return `not checked: the images come from ${recorded.gcc} and ${recorded.binutils}, here are ${present.gcc} and ${present.binutils}`;
  }
  const differing = [...buildAll()].filter(([name, image]) => !image.equals(readFileSync(imageFile(name))));
  if (differing.length === 0) return `${GUESTS.length} images rebuild to the same bytes`;
  process.exitCode = 1;
  return `these images differ from what their sources give: ${differing.map(([name]) => name).join(', ')}`;
}

function write() {
  mkdirSync(IMAGES, { recursive: true });
  for (const [name, image] of buildAll()) writeFileSync(imageFile(name), image);
  writeFileSync(TOOLCHAIN, `${JSON.stringify(toolchain(), undefined, 2)}\n`);
  return `wrote ${GUESTS.map((guest) => guest.name).join(', ')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${process.argv.includes('--check') ? check() : write()}\n`);
}
