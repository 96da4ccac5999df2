/**
 * The border between the page and this process. Every message passes here: it must come from the main frame of our own
 * page, name something that exists, and carry parameters that its schema accepts.
 */
import { ipcMain } from 'electron';
import type { IpcMainInvokeEvent } from 'electron';
import * as v from 'valibot';

/** What the border has to know of the frame that sent a message. */
export interface Sender {
  readonly address: string;
  readonly isMainFrame: boolean;
}

export type Verdict<Params> =
  | { readonly kind: 'accepted'; readonly params: Params }
  /** The page made a mistake and is told which. */
  | { readonly kind: 'malformed'; readonly message: string }
  /** Not our page, or nothing that exists: whoever sends this gets no answer to work with. */
  | { readonly kind: 'refused'; readonly message: string };

type Schema = v.GenericSchema;

/** Judges one message. `isOwn` says whether an address is our page's. */
export function judgeMessage(
  schemas: Readonly<Record<string, Schema>>,
  isOwn: (address: string) => boolean,
  sender: Sender | undefined,
  name: unknown,
  params: unknown,
): Verdict<unknown> {
  const stranger = whyNot(isOwn, sender);
  return stranger === undefined ? judgeCall(schemas, name, params) : { kind: 'refused', message: stranger };
}

/** Why a frame may not ask; undefined for the main frame of our own page. */
export function whyNot(isOwn: (address: string) => boolean, sender: Sender | undefined): string | undefined {
  if (!sender) return 'the sender is gone';
  if (!sender.isMainFrame) return 'only the main frame may ask';
  return isOwn(sender.address) ? undefined : 'not our page';
}

/** Judges what is asked, by whoever may. */
export function judgeCall(schemas: Readonly<Record<string, Schema>>, name: unknown, params: unknown): Verdict<unknown> {
  if (typeof name !== 'string' || !Object.hasOwn(schemas, name)) return { kind: 'refused', message: 'no such request' };
  const parsed = v.safeParse(schemas[name], params);
  if (parsed.success) return { kind: 'accepted', params: parsed.output };
  const [issue] = parsed.issues;
  const where = v.getDotPath(issue) ?? 'parameters';
  return { kind: 'malformed', message: `${name}: ${where}: ${issue.message}` };
}

/** Listens on a channel of `invoke(name, params)` calls. */
export function listenAtBorder<Name extends string>(
  channel: string,
  schemas: Readonly<Record<Name, Schema>>,
  isOwn: (address: string) => boolean,
  answer: (name: Name, params: unknown) => Promise<unknown>,
  answerMalformed: (message: string) => unknown,
): void {
  ipcMain.handle(channel, async (event, name: unknown, params: unknown) => {
    const verdict = judgeMessage(schemas, isOwn, senderOf(event), name, params);
    if (verdict.kind === 'refused') throw new Error(`refused: ${verdict.message}`);
    if (verdict.kind === 'malformed') return answerMalformed(verdict.message);
    // judgeMessage has found `name` among the schemas.
    return answer(name as Name, verdict.params);
  });
}

export function senderOf({ senderFrame }: Pick<IpcMainInvokeEvent, 'senderFrame'>): Sender | undefined {
  return senderFrame ? { address: senderFrame.url, isMainFrame: senderFrame.parent === null } : undefined;
}
