/** Memory for people who look: runs of bytes, of devices, and of what cannot be read, exactly as long as they are. */
import type { Arena } from '../../arena/arena.ts';
import { PAGE_SIZE } from '../../base/address.ts';
import type { MmioDevice } from '../../devices/device.ts';
import type { AddressSpace, MemorySpan } from '../../protocol/snapshots.ts';
import { resolveAddress } from './memory-target.ts';

/** Who answers for a gpa outside the slots. */
export interface DevicePeek {
  readonly mmioDevices: readonly MmioDevice[];
}

/** Spans that cover [address, address + length) without a gap. */
export function readMemory(
  arena: Arena,
  bus: DevicePeek,
  vcpuId: number,
  space: AddressSpace,
  address: bigint,
  length: number,
): readonly MemorySpan[] {
  const spans: MemorySpan[] = [];
  for (let offset = 0; offset < length;) {
    const at = address + BigInt(offset);
    const chunk = Math.min(length - offset, PAGE_SIZE - Number(at & 0xfffn));
    for (const span of readChunk(arena, bus, vcpuId, space, at, offset, chunk)) append(spans, span);
    offset += chunk;
  }
  return spans;
}

function readChunk(
  arena: Arena,
  bus: DevicePeek,
  vcpuId: number,
  space: AddressSpace,
  address: bigint,
  offset: number,
  length: number,
): readonly MemorySpan[] {
  const target = resolveAddress(arena, vcpuId, space, address);
  switch (target.kind) {
    case 'ram':
      return [{ kind: 'bytes', offset, length, bytes: arena.u8.slice(target.offset, target.offset + length) }];
    case 'unreadable':
      return [{ kind: 'unreadable', offset, length, reason: target.reason }];
    case 'mmio':
      return readDevices(bus, Number(target.gpa), offset, length);
  }
}

/** A page of MMIO: device, nobody, another device. */
function readDevices(bus: DevicePeek, gpa: number, offset: number, length: number): readonly MemorySpan[] {
  const spans: MemorySpan[] = [];
  for (let done = 0; done < length;) {
    const at = gpa + done;
    const device = bus.mmioDevices.find((candidate) => at >= candidate.gpa && at < candidate.gpa + candidate.bytes);
    const next = device === undefined ? nextDevice(bus, at) : device.gpa + device.bytes;
    const run = Math.min(length - done, next - at);
    spans.push({
      kind: 'mmio',
      offset: offset + done,
      length: run,
      device: device?.name,
      bytes: device && Uint8Array.from({ length: run }, (_unused, i) => device.peekMmio(at - device.gpa + i)),
    });
    done += run;
  }
  return spans;
}

const nextDevice = (bus: DevicePeek, gpa: number): number =>
  bus.mmioDevices.reduce((next, device) => (device.gpa > gpa ? Math.min(next, device.gpa) : next), Infinity);

/** Adds a span, joined to the last one when both are of one nature. */
function append(spans: MemorySpan[], span: MemorySpan): void {
  const last = spans.at(-1);
  const joined = last && join(last, span);
  if (joined === undefined) spans.push(span);
  else spans[spans.length - 1] = joined;
}

function join(a: MemorySpan, b: MemorySpan): MemorySpan | undefined {
  const length = a.length + b.length;
  if (a.kind === 'bytes' && b.kind === 'bytes') return { ...a, length, bytes: concat(a.bytes, b.bytes) };
  if (a.kind === 'unreadable' && b.kind === 'unreadable' && a.reason === b.reason) return { ...a, length };
  if (a.kind !== 'mmio' || b.kind !== 'mmio' || a.device !== b.device) return undefined;
  if (a.bytes === undefined || b.bytes === undefined) return { ...a, length };
  return { ...a, length, bytes: concat(a.bytes, b.bytes) };
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
