/** Text of plain ASCII as bytes and back: JSON with everything else escaped, names of constants. core/ has no TextEncoder. */

export const asciiBytes = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

const PIECE = 8192;

/** @returns undefined when a byte is no ASCII */
export function asciiText(bytes: Uint8Array): string | undefined {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += PIECE) {
    const piece = bytes.subarray(at, at + PIECE);
    if (piece.some((byte) => byte > 0x7f)) return undefined;
    pieces.push(String.fromCharCode(...piece));
  }
  return pieces.join('');
}
