/**
 * Files that are no guests, although any bytes could be a flat binary: the program's own files, and what people have beside them.
 * Whoever opens one as an image has chosen the wrong command.
 */

interface ForeignFile {
  /** How such a file begins. */
  readonly begins: RegExp;
  readonly is: string;
}

/** As much of a file as says what it is. */
const HEAD = 512;

const FOREIGN: readonly ForeignFile[] = [
  { begins: /^\s*\{[^]*"format"\s*:\s*"umbra-breakpoints"/, is: 'a list of breakpoints: import it in Breakpoints' },
  {
    begins: /^\s*\{[^]*"format"\s*:\s*"umbra-workspace"/,
    is: 'a workspace: with .umbra-workspace at the end of its name the window opens it (Ctrl+Shift+O)',
  },
  {
    begins: /^\x89UMBRA\r\n/,
    is: 'a saved machine: with .umbra-machine at the end of its name the window opens it (Ctrl+Shift+O)',
  },
  { begins: /^# tracer:/, is: 'an ftrace text: import it in Trace' },
  { begins: /^\x89PNG\r\n/, is: 'a picture' },
];

/** @returns what a file is that is no image, as the end of a sentence; undefined for what may be one */
export function foreignImage(bytes: Uint8Array): string | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, HEAD));
  return FOREIGN.find(({ begins }) => begins.test(head))?.is;
}
