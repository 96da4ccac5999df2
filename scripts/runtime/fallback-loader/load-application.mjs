import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { app } from 'electron';

// A stock Electron has a default application that loads the folder named by its first argument. The fallback runtime
// came without one; this is ours. The folder is what remains when the switches of Chromium and Node are passed over.
const folder = process.argv.slice(1).find((argument) => !argument.startsWith('-'));
if (folder === undefined) {
  console.error('usage: electron FOLDER [ARGUMENT]…');
  app.exit(2);
} else {
  const root = path.resolve(folder);
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  Object.defineProperty(process, 'defaultApp', { value: true, enumerable: true });
  app.setName(manifest.productName ?? manifest.name);
  // Not in the documentation, but it is what the stock default application calls.
  if ('setVersion' in app && typeof app.setVersion === 'function') app.setVersion(manifest.version);
  // Electron holds back its `ready` event until this top-level await is over, so the application may still do what
  // has to be done before.
  await import(pathToFileURL(path.join(root, manifest.main)).href);
}
