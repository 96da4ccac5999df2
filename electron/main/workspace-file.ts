/** Workspaces on disk: the window's parts and the host's, which is the image. */
import { createHash } from 'node:crypto';
import type { GuestImage, OpenedFile, PresentMachine } from '../../core/protocol/desktop.ts';
import { machineOptionsSchema } from '../../core/protocol/requests.ts';
import {
  MAX_EMBEDDED_IMAGE,
  MAX_WORKSPACE_BYTES,
  parseWorkspace,
  WORKSPACE_VERSION,
  workspaceText,
  type Workspace,
  type WorkspaceParts,
} from '../../core/protocol/workspace.ts';
import * as v from 'valibot';
import { guestNames, readGuest, readImageFile } from './guest-files.ts';
import { readText } from './session-files.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function workspaceFile({ image, options }: PresentMachine, parts: WorkspaceParts): string {
  const { name, bytes } = image;
  const embedded = bytes.length <= MAX_EMBEDDED_IMAGE ? { base64: Buffer.from(bytes).toString('base64') } : {};
  return workspaceText({
    format: 'umbra-workspace',
    version: WORKSPACE_VERSION,
    image: { name, sha256: sha256(bytes), ...embedded },
    options: v.parse(machineOptionsSchema, options),
    ...parts,
  });
}

export async function openWorkspaceFile(path: string): Promise<OpenedFile> {
  const file = await readText(path, MAX_WORKSPACE_BYTES, 'a workspace');
  if (!file.ok) return { kind: 'refused', message: file.error };
  const parsed = parseWorkspace(file.value);
  if (!parsed.ok) return { kind: 'refused', message: `${path} cannot be opened: ${parsed.error}` };
  const found = await imageOf(parsed.value);
  const [image, imageProblem] = typeof found === 'string' ? [undefined, found] : [found, undefined];
  return { kind: 'workspace', path, workspace: parsed.value, image, imageProblem };
}

/** The image, wherever it is, as long as it is the same; else what is wrong with it. */
async function imageOf({ image }: Workspace): Promise<GuestImage | string> {
  const { name, sha256: wanted, base64 } = image;
  if (base64 !== undefined) {
    const bytes = new Uint8Array(Buffer.from(base64, 'base64'));
    return sha256(bytes) === wanted ? { name, bytes } : 'The image that is kept in the workspace is damaged.';
  }
  const isGuest = (await guestNames()).includes(name);
  const read = isGuest ? await readGuest(name) : await readImageFile(name);
  if (!read.ok) return `The image of the workspace is missing: ${read.message}`;
  return sha256(read.value.bytes) === wanted
    ? read.value
    : `The image ${name} is not the one that the workspace was saved with: it has changed since.`;
}
