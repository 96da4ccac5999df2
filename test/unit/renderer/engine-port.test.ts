import { describe, expect, it } from 'vitest';
import { MAX_QUESTIONS } from '../../../core/protocol/engine-port.ts';
import { portQuestions } from '../../../renderer/src/api/engine-port.ts';

/** The engine's end of a port, and every message that came out of the page's. */
function connected() {
  const { port1, port2 } = new MessageChannel();
  const questions = portQuestions();
  const messages: { id: number; name: string }[][] = [];
  let heard = (): void => undefined;
  const next = (): Promise<void> => new Promise((resolve) => (heard = resolve));
  port2.onmessage = ({ data }) => {
    messages.push(data);
    heard();
  };
  questions.connect(port1);
  return { questions, messages, next, engine: port2, close: () => port1.close() };
}

describe('the page’s line to the engine', () => {
  it('sends what is asked in one turn as one message', async () => {
    const { questions, messages, next, close } = connected();
    void questions.request('machine.status', {});
    void questions.request('memslots.read', {});
    await next();
    expect(messages.map((message) => message.map(({ name }) => name))).toEqual([['machine.status', 'memslots.read']]);
    close();
  });

  it('gives each asker the answer to its own question, in whatever order they come', async () => {
    const { questions, messages, next, engine, close } = connected();
    const first = questions.request('machine.status', {});
    const second = questions.request('memslots.read', {});
    await next();
    const [one, other] = messages[0];
    engine.postMessage([
      { id: other.id, answer: { ok: true, value: 'slots' } },
      { id: one.id, answer: { ok: true, value: 'status' } },
    ]);
    expect(await Promise.all([first, second])).toEqual([
      { ok: true, value: 'status' },
      { ok: true, value: 'slots' },
    ]);
    close();
  });

  it('rejects what the border refused', async () => {
    const { questions, messages, next, engine, close } = connected();
    const asked = questions.request('machine.status', {});
    await next();
    engine.postMessage([{ id: messages[0][0].id, refused: 'refused: no such request' }]);
    await expect(asked).rejects.toThrow('no such request');
    close();
  });

  it('keeps what is asked before the port is there', async () => {
    const { port1, port2 } = new MessageChannel();
    const questions = portQuestions();
    void questions.request('machine.status', {});
    await Promise.resolve();
    const arrived = new Promise<{ name: string }[]>((resolve) => (port2.onmessage = ({ data }) => resolve(data)));
    questions.connect(port1);
    expect((await arrived).map(({ name }) => name)).toEqual(['machine.status']);
    port1.close();
  });

  it('cuts a crowd into messages that the border takes', async () => {
    const { questions, messages, next, close } = connected();
    for (let i = 0; i <= MAX_QUESTIONS; i++) void questions.request('machine.status', {});
    await next();
    if (messages.length < 2) await next();
    expect(messages.map(({ length }) => length)).toEqual([MAX_QUESTIONS, 1]);
    close();
  });
});
