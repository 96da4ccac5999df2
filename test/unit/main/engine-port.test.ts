import { describe, expect, it, vi } from 'vitest';
import { MAX_QUESTIONS } from '../../../core/protocol/engine-port.ts';
import type { Answer, RequestName } from '../../../core/protocol/requests.ts';
import { answerQuestions, type AskedEngine } from '../../../electron/main/engine-port.ts';

// The port itself is Electron's, which is not there in a unit test.
vi.mock('electron', () => ({ ipcMain: {}, MessageChannelMain: class {} }));

const asked: string[] = [];
const refusedWith = (message: string): Answer<RequestName> => ({
  ok: false,
  error: { code: 'bad-request', message, memslot: undefined },
});
const engine: AskedEngine = {
  async ask(name) {
    asked.push(name);
    if (name === 'memslots.read') throw new Error('the engine is gone');
    return refusedWith(`${name} was asked`);
  },
  malformed: refusedWith,
};

describe('questions that come over the page’s port', () => {
  it('are answered together, each under its number', async () => {
    const answers = await answerQuestions(engine, [
      { id: 7, name: 'machine.status', params: {} },
      { id: 8, name: 'generation.read', params: {} },
    ]);
    expect(answers).toEqual([
      { id: 7, answer: refusedWith('machine.status was asked') },
      { id: 8, answer: refusedWith('generation.read was asked') },
    ]);
  });

  it.each(['machine.explode', '__proto__', 'constructor', 42, undefined])(
    'are refused when they ask for %s',
    async (name) => {
      asked.length = 0;
      expect(await answerQuestions(engine, [{ id: 1, name, params: {} }])).toEqual([
        { id: 1, refused: 'refused: no such request' },
      ]);
      expect(asked).toEqual([]);
    },
  );

  it('are sent back with wrong parameters, and the engine does not see them', async () => {
    asked.length = 0;
    expect(await answerQuestions(engine, [{ id: 1, name: 'run.step', params: { vcpu: -1 } }])).toMatchObject([
      { id: 1, answer: { ok: false, error: { message: expect.stringContaining('run.step: vcpu') } } },
    ]);
    expect(asked).toEqual([]);
  });

  it('do not keep the others from their answers when one fails', async () => {
    expect(
      await answerQuestions(engine, [
        { id: 1, name: 'memslots.read', params: {} },
        { id: 2, name: 'machine.status', params: {} },
      ]),
    ).toMatchObject([{ id: 1, refused: 'the engine is gone' }, { id: 2 }]);
  });

  it.each([
    ['no list', { id: 1, name: 'machine.status', params: {} }],
    ['a number that is none', [{ id: 'one', name: 'machine.status', params: {} }]],
    [
      'more than there may be',
      Array.from({ length: MAX_QUESTIONS + 1 }, (_unused, id) => ({ id, name: 'machine.status', params: {} })),
    ],
  ])('are dropped when they are %s', async (_what, data) => {
    expect(await answerQuestions(engine, data)).toEqual([]);
  });
});
