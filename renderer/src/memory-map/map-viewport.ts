/** The part of the guest physical address space that the map shows, and where on it an address lies. */
import type { MemslotsSnapshot } from '@core/protocol/index.ts';

export interface MapViewport {
  readonly start: bigint;
  readonly length: bigint;
}

/** Less than this many bytes are never shown: a page is the smallest thing that KVM maps. */
const MIN_LENGTH = 0x4000n;
const MAX_LENGTH = 1n << 52n;
/** Fractions of a viewport are kept in this many steps. */
const STEPS = 1_000_000;

export interface MapExtent {
  readonly gpa: bigint;
  readonly size: bigint;
}

/** Horizontal position in pixels of `address`; outside the viewport it is outside [0, width]. */
export function positionOf(viewport: MapViewport, address: bigint, width: number): number {
  return (Number(address - viewport.start) / Number(viewport.length)) * width;
}

export function addressAt(viewport: MapViewport, x: number, width: number): bigint {
  const fraction = Math.round(Math.min(1, Math.max(0, x / width)) * STEPS);
  return viewport.start + (viewport.length * BigInt(fraction)) / BigInt(STEPS);
}

const clamp = (value: bigint, low: bigint, high: bigint): bigint => (value < low ? low : value > high ? high : value);

export function zoom(viewport: MapViewport, factor: number, around: bigint): MapViewport {
  const scale = (value: bigint): bigint => (value * BigInt(Math.round(factor * 1000))) / 1000n;
  const length = clamp(scale(viewport.length), MIN_LENGTH, MAX_LENGTH);
  const before = ((around - viewport.start) * length) / viewport.length;
  return { start: clamp(around - before, 0n, MAX_LENGTH - length), length };
}

export function pan(viewport: MapViewport, pixels: number, width: number): MapViewport {
  const distance = (viewport.length * BigInt(Math.round((pixels / width) * STEPS))) / BigInt(STEPS);
  return { start: clamp(viewport.start + distance, 0n, MAX_LENGTH - viewport.length), length: viewport.length };
}

/** A range in the middle with room around it. */
export function around({ gpa, size }: MapExtent): MapViewport {
  const length = clamp(size * 4n, MIN_LENGTH, MAX_LENGTH);
  const start = gpa + size / 2n - length / 2n;
  return { start: clamp(start, 0n, MAX_LENGTH - length), length };
}

/** Everything that is in the address space: up to the next power of two, 4 GiB at most times are enough. */
export function fitAll({ slots, devices }: MemslotsSnapshot): MapViewport {
  const end = [...slots, ...devices].reduce((most, { gpa, size }) => (gpa + size > most ? gpa + size : most), 0n);
  let length = MIN_LENGTH;
  while (length < end) length <<= 1n;
  return { start: 0n, length };
}

/** Distances between ticks that read well in hexadecimal: powers of two, about `count` of them in view. */
export function tickAddresses({ start, length }: MapViewport, count: number): readonly bigint[] {
  let step = 0x1000n;
  while (length / step > BigInt(count)) step <<= 1n;
  const ticks: bigint[] = [];
  for (let at = ((start + step - 1n) / step) * step; at <= start + length; at += step) ticks.push(at);
  return ticks;
}
