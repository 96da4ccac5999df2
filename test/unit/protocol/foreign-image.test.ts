import { describe, expect, it } from 'vitest';
import { foreignImage } from '../../../core/protocol/foreign-image.ts';
import { STATE_MAGIC } from '../../../core/machine/state/state-format.ts';
import { breakpointFileText } from '../../../core/protocol/breakpoint-file.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('a file that is opened as an image', () => {
  it.each([
    ['a list of breakpoints', bytesOf(breakpointFileText([])), /^a list of breakpoints/],
    ['a workspace under another name', bytesOf('{\n  "format": "umbra-workspace",\n  "version": 1\n}'), /^a workspace/],
    ['a saved machine under another name', Uint8Array.of(...STATE_MAGIC, 2, 0, 0, 0), /^a saved machine/],
    ['an ftrace text', bytesOf('# tracer: nop\n#\n'), /^an ftrace text/],
    ['a picture', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), /^a picture/],
  ])('is refused when it is %s', (_what, bytes, said) => {
    expect(foreignImage(bytes)).toMatch(said);
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['an ELF file', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)],
    ['any code', Uint8Array.of(0xeb, 0xfe)],
    ['bytes that happen to be text', bytesOf('{ "format": 1 }')],
  ])('may be %s', (_what, bytes) => {
    expect(foreignImage(bytes)).toBeUndefined();
  });
});
