/** `umbra [FILE]`: the command line of the window. */
import path from 'node:path';

/**
 * The image, workspace or machine state to open, as an absolute path. Switches belong to Chromium and Node, which take what they know and leave the rest
 * unsaid, so they are passed over here.
 *
 * @param argv as Node gives it
 * @param startsWithFolder whether the first argument is the application's folder (an Electron that is not packaged)
 * @param folder the current directory of whoever typed it
 */
export function fileArgument(argv: readonly string[], startsWithFolder: boolean, folder: string): string | undefined {
  const words = argv.slice(1).filter((argument) => !argument.startsWith('-'));
  const file = words.at(startsWithFolder ? 1 : 0);
  return file === undefined ? undefined : path.resolve(folder, file);
}
