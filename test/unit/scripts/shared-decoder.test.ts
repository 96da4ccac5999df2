/** iced-x86 as the bundles have it: the same decoder over a shared memory. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type * as iced from 'iced-x86';
import { afterAll, describe, expect, it } from 'vitest';
import { ensureCliBundle } from '../../../scripts/build/cli-bundle.mjs';
import { shareMemory, shareViews, writeSharedDecoder } from '../../../scripts/build/shared-decoder.mjs';

type Iced = typeof iced & { readonly __wasm: { readonly memory: { readonly buffer: ArrayBufferLike } } };

const load = createRequire(import.meta.url);
const folder = mkdtempSync(path.join(tmpdir(), 'umbra-decoder-'));
afterAll(() => rmSync(folder, { recursive: true }));
const original: Iced = load('iced-x86');
const shared: Iced = load(writeSharedDecoder(folder));

function* instructions({ Decoder, DecoderOptions, Formatter, FormatterSyntax }: Iced, code: Uint8Array) {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  const formatter = new Formatter(FormatterSyntax.Nasm);
  formatter.hexPrefix = 'ℎ€x';
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    yield { code: instruction.code, length: instruction.length, text: formatter.format(instruction) };
    instruction.free();
  }
}

/** Bytes by a linear congruence: mostly nonsense, and some of everything. */
function someCode(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = 1; i < length; i++)
    bytes[i] = (state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0) >>> 24;
  return bytes;
}

describe('iced-x86 for bundles', () => {
  it('decodes and prints what the package does, and its memory is never detached', () => {
    const code = someCode(20_000);
    expect([...instructions(shared, code)]).toEqual([...instructions(original, code)]);
    expect(shared.__wasm.memory.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('still does when its memory has grown', () => {
    const before = shared.__wasm.memory.buffer.byteLength;
    // Kept, so that what comes next lies behind the end of every view until now.
    const kept = Array.from({ length: 8 }, () => new shared.Decoder(64, new Uint8Array(1 << 20), 0));
    expect(shared.__wasm.memory.buffer.byteLength).toBeGreaterThan(before);
    const code = someCode(500);
    expect([...instructions(shared, code)]).toEqual([...instructions(original, code)]);
    for (const decoder of kept) decoder.free();
  });

  it('is not made from a package that is not as it was when this was written', () => {
    expect(() => shareViews('let cachedUint8Memory0 = null;')).toThrow(
      'iced-x86 is not as scripts/build/shared-decoder.mjs knows it',
    );
    // Magic, version, a memory section with a limit.
    const limited = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 4, 1, 1, 1, 2);
    expect(() => shareMemory(limited)).toThrow('no memory of its own that may grow');
    expect(() => shareMemory(limited.slice(0, 8))).toThrow('it has no memory');
  });

  it('is what the command line is bundled with: V8 need not look for detached buffers', async () => {
    const bundle = await ensureCliBundle();
    const args = ['--trace-protector-invalidation', bundle, 'run', 'hello'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args).catch(
      (error: unknown) => error as Ended,
    );
    expect(stdout).toContain('Hello from the guest.');
    expect(stdout + stderr).not.toContain('ArrayBufferDetaching');
  });
});

/** The guest's exit status is the command's. */
interface Ended {
  readonly stdout: string;
  readonly stderr: string;
}
