import { build } from 'electron-vite';
import { projectRoot } from '../project-root.mjs';

process.chdir(projectRoot);
await build({ root: projectRoot, logLevel: 'warn' });
