/** Bytes as text, one to one: what a serial line carries is bytes, and nothing says in which encoding. */

/** Bytes that `String.fromCharCode` is handed at a time: arguments lie on the stack. */
const PIECE = 8192;

export function latin1Text(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += PIECE) pieces.push(String.fromCharCode(...bytes.subarray(at, at + PIECE)));
  return pieces.join('');
}

/** Whether every letter is one byte. */
export const isLatin1 = (text: string): boolean => !/[^\0-\u00ff]/u.test(text);

/** @param text of letters below U+0100; of others the low eight bits are taken */
export const latin1Bytes = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 0xff);
