/** Files that the window writes: where to is the user's choice, and nothing is written that the user did not name. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dialog } from 'electron';
import type { BrowserWindow } from 'electron';
import { EXPORT_KINDS } from '../../core/protocol/desktop-exports.ts';
import type { ExportAnswer, ExportRequest } from '../../core/protocol/desktop-exports.ts';

export async function saveExport(window: BrowserWindow, { name, kind, bytes }: ExportRequest): Promise<ExportAnswer> {
  const { filePath, canceled } = await dialog.showSaveDialog(window, {
    title: `Export as ${EXPORT_KINDS[kind]}`,
    defaultPath: `${name}.${kind}`,
    filters: [{ name: EXPORT_KINDS[kind], extensions: [kind] }],
  });
  if (canceled || filePath === '') return undefined;
  const target = path.extname(filePath) === '' ? `${filePath}.${kind}` : filePath;
  try {
    await writeFile(target, bytes);
    return { ok: true, path: target };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ok: false, message: `${target} cannot be written: ${why}.` };
  }
}
