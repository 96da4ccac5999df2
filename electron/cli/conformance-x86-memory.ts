/** The memory that a recorded case starts from: words of splitmix64, in 32-bit halves because it is done for every case. */

/** Low 64 bits of a product of two 64-bit values, into `out`: low half, high half. */
function multiplyLow(out: Int32Array, aLo: number, aHi: number, bLo: number, bHi: number): void {
  const a0 = aLo & 0xffff;
  const a1 = aLo >>> 16;
  const b0 = bLo & 0xffff;
  const b1 = bLo >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const middle2 = a0 * b1 + (middle & 0xffff);
  const high = a1 * b1 + Math.floor(middle / 65536) + Math.floor(middle2 / 65536);
  out[0] = Math.imul(aLo, bLo);
  out[1] = (high | 0) + Math.imul(aLo, bHi) + Math.imul(aHi, bLo);
}

/** The n-th word is the n-th output of splitmix64 seeded with `seed`. */
export function fillFromSeed(words: BigUint64Array, seed: bigint): void {
  const halves = new Int32Array(words.buffer, words.byteOffset, words.length * 2);
  const z = new Int32Array(2);
  let lo = Number(seed & 0xffff_ffffn) | 0;
  let hi = Number(seed >> 32n) | 0;
  for (let n = 0; n < words.length; n++) {
    const sum = (lo + 0x7f4a_7c15) | 0;
    hi = (hi + 0x9e37_79b9 + (sum >>> 0 < 0x7f4a_7c15 ? 1 : 0)) | 0;
    lo = sum;
    let x = lo ^ ((lo >>> 30) | (hi << 2));
    let y = hi ^ (hi >>> 30);
    multiplyLow(z, x, y, 0x1ce4_e5b9, 0xbf58_476d);
    x = z[0] ^ ((z[0] >>> 27) | (z[1] << 5));
    y = z[1] ^ (z[1] >>> 27);
    multiplyLow(z, x, y, 0x1331_11eb, 0x94d0_49bb);
    halves[n * 2] = z[0] ^ ((z[0] >>> 31) | (z[1] << 1));
    halves[n * 2 + 1] = z[1] ^ (z[1] >>> 31);
  }
}
