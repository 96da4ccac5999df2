/** Machine states on their way to and from a file: how far they are, given up, cut short. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Answer, Params, RequestName } from '../../../core/protocol/index.ts';
import type { EngineLink } from '../../../electron/main/engine-link.ts';
import { StateFiles } from '../../../electron/main/state-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'umbra-states-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** An engine whose state has four pieces. */
class FourPieces {
  readonly asked: RequestName[] = [];
  readonly taken: number[] = [];
  refuseAt = Infinity;
  onPiece: (piece: number) => void = () => undefined;
  #piece = 0;

  async request<K extends RequestName>(name: K, params: Params<K>): Promise<Answer<K>> {
    this.asked.push(name);
    return this.#answer(name, params) as Answer<K>;
  }

  #answer(name: RequestName, params: object): Answer<RequestName> {
    const progress = { pagesDone: this.#piece, pages: 4 };
    if (name === 'state.saveBegin' || name === 'state.openBegin') return { ok: true, value: progress } as never;
    if (name === 'state.cancel') return { ok: true, value: undefined } as never;
    if (name === 'state.openEnd') return { ok: true, value: { name: 'opened' } } as never;
    this.#piece += 1;
    if (this.#piece === this.refuseAt) {
      return { ok: false, error: { code: 'refused', message: 'the machine has changed.', memslot: undefined } };
    }
    this.onPiece(this.#piece);
    const done = { pagesDone: this.#piece, pages: 4 };
    if (name === 'state.openNext') {
      this.taken.push((params as Params<'state.openNext'>).bytes.length);
      return { ok: true, value: done } as never;
    }
    const bytes = this.#piece > 4 ? undefined : Uint8Array.of(this.#piece);
    return { ok: true, value: { ...done, bytes } } as never;
  }
}

const filesOf = (engine: FourPieces): StateFiles => new StateFiles(engine as unknown as EngineLink);

describe('saving a machine state', () => {
  it('says which file is not written when the engine gives up, and leaves the one before', async () => {
    const engine = new FourPieces();
    engine.refuseAt = 2;
    const target = path.join(folder, 'before.umbra-machine');
    writeFileSync(target, 'before');
    expect(await filesOf(engine).save(target)).toEqual({
      ok: false,
      message: `${target} is not written: the machine has changed.`,
    });
    expect(readFileSync(target, 'utf8')).toBe('before');
    expect(readdirSync(folder)).toEqual(['before.umbra-machine']);
  });

  it('tells how far it has come, and leaves one whole file', async () => {
    const engine = new FourPieces();
    const files = filesOf(engine);
    const seen: number[] = [];
    engine.onPiece = () => seen.push(files.progress?.pagesDone ?? -1);
    expect(files.progress).toBeUndefined();
    const target = path.join(folder, 'a.umbra-machine');
    expect(await files.save(target)).toEqual({ ok: true, path: target });
    expect([...readFileSync(target)]).toEqual([1, 2, 3, 4]);
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    expect(files.progress).toBeUndefined();
  });

  it.each(['given up', 'refused'])('that is %s leaves nothing behind, and an earlier file as it was', async (how) => {
    const engine = new FourPieces();
    const files = filesOf(engine);
    const target = path.join(folder, 'a.umbra-machine');
    writeFileSync(target, 'the earlier one');
    if (how === 'refused') engine.refuseAt = 3;
    else engine.onPiece = (piece) => piece === 2 && files.cancel();
    const saved = await files.save(target);
    expect(saved.ok).toBe(false);
    expect(saved.ok ? '' : saved.message).toMatch(
      how === 'refused' ? /has changed/ : /was given up; nothing was written/,
    );
    expect(readdirSync(folder)).toEqual(['a.umbra-machine']);
    expect(readFileSync(target, 'utf8')).toBe('the earlier one');
    if (how === 'given up') expect(engine.asked.at(-1)).toBe('state.cancel');
  });
});

describe('opening a machine state', () => {
  const big = (bytes: number): string => {
    const file = path.join(folder, 'b.umbra-machine');
    writeFileSync(file, Buffer.alloc(bytes, 7));
    return file;
  };

  it('hands the engine pieces that a message may have', async () => {
    const engine = new FourPieces();
    const opened = await filesOf(engine).open(big(2_500_000));
    expect(opened.kind).toBe('state');
    expect(engine.taken).toEqual([1_048_576, 1_048_576, 402_848]);
  });

  it('can be given up: the engine forgets what it had', async () => {
    const engine = new FourPieces();
    const files = filesOf(engine);
    engine.onPiece = () => files.cancel();
    const opened = await files.open(big(2_500_000));
    expect(opened).toMatchObject({ kind: 'refused', message: expect.stringMatching(/opening was given up/) });
    expect(engine.asked.at(-1)).toBe('state.cancel');
    expect(engine.asked).not.toContain('state.openEnd');
  });

  it('says what is wrong with a file that cannot be read', async () => {
    const files = filesOf(new FourPieces());
    expect(await files.open(path.join(folder, 'nowhere'))).toMatchObject({ kind: 'refused' });
    expect(await files.open(folder)).toMatchObject({ kind: 'refused', message: expect.stringMatching(/is no file/) });
  });
});
