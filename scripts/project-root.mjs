import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json, whatever the current directory is. */
export const projectRoot = fileURLToPath(new URL('..', import.meta.url));

/**
 * A path inside the project.
 * @param {...string} parts
 */
export const inProject = (...parts) => path.join(projectRoot, ...parts);
