/** The page's port to the engine (core/protocol/engine-port.ts): whoever may have one is judged once, what comes over it always. */
import { MessageChannelMain, ipcMain } from 'electron';
import * as v from 'valibot';
import { CHANNEL } from '../../core/protocol/desktop-channels.ts';
import { portQuestionsSchema, type PortAnswer, type PortQuestion } from '../../core/protocol/engine-port.ts';
import { REQUEST_SCHEMAS, type Answer, type RequestName } from '../../core/protocol/requests.ts';
import { judgeCall, senderOf, whyNot } from './ipc-border.ts';

type AnyAnswer = Answer<RequestName>;

export interface AskedEngine {
  readonly ask: (name: RequestName, params: unknown) => Promise<AnyAnswer>;
  readonly malformed: (message: string) => AnyAnswer;
}

/** A page that asks gets a port; it closes by itself when the page goes. Nobody else gets an answer. */
export function serveEnginePorts(
  isOwn: (address: string) => boolean,
  ask: AskedEngine['ask'],
  malformed: AskedEngine['malformed'],
): void {
  ipcMain.on(CHANNEL.port, (event) => {
    const { senderFrame } = event;
    if (senderFrame === null || whyNot(isOwn, senderOf(event)) !== undefined) return;
    const { port1: ours, port2: pages } = new MessageChannelMain();
    ours.on(
      'message',
      ({ data }) => void answerQuestions({ ask, malformed }, data).then((all) => ours.postMessage(all)),
    );
    ours.start();
    senderFrame.postMessage(CHANNEL.port, undefined, [pages]);
  });
}

/** Answers one message. What is no list of questions has nobody to be told so. */
export async function answerQuestions(engine: AskedEngine, data: unknown): Promise<readonly PortAnswer[]> {
  const parsed = v.safeParse(portQuestionsSchema, data);
  return parsed.success ? Promise.all(parsed.output.map((question) => answerQuestion(engine, question))) : [];
}

async function answerQuestion({ ask, malformed }: AskedEngine, question: PortQuestion): Promise<PortAnswer> {
  const { id, name, params } = question;
  const verdict = judgeCall(REQUEST_SCHEMAS, name, params);
  if (verdict.kind === 'refused') return { id, refused: `refused: ${verdict.message}` };
  if (verdict.kind === 'malformed') return { id, answer: malformed(verdict.message) };
  try {
    // judgeCall has found `name` among the schemas.
    return { id, answer: await ask(name as RequestName, verdict.params) };
  } catch (error) {
    return { id, refused: error instanceof Error ? error.message : String(error) };
  }
}
